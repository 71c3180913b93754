/* What POST /v1/calibrations asks for, from its JSON to the arguments of ntkuq fit. Functions of
 * their arguments only. */
#ifndef NTK_SERVER_FIT_REQUEST_H
#define NTK_SERVER_FIT_REQUEST_H

#include <jansson.h>

#include "config/config.h"
#include "core/calibration.h"
#include "core/status.h"

enum { NTK_FIT_DATASETS = 256, NTK_FIT_OPTIONS = 16 };

/* Borrows from the JSON it was read from. */
struct ntk_fit_request {
    const char *name;                             /* of the calibration */
    const char *options[2 * NTK_FIT_OPTIONS + 1]; /* each with its value; ends with NULL */
    char values[NTK_FIT_OPTIONS][NTK_NAME_SIZE];  /* what options points to */
    const char *datasets[NTK_FIT_DATASETS + 1];   /* ids; ends with NULL */
};

/* Checks all that can be checked without opening an archive. NTK_USAGE: an unknown member;
 * NTK_BAD_DATA: a wrong value; NTK_NO_INPUT: a dataset that is not there. */
enum ntk_status ntk_fit_request_read(const struct ntk_config *config, const json_t *body,
                                     struct ntk_fit_request *out, struct ntk_error *error);

#endif
