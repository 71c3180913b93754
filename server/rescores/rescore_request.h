/* What POST /v1/rescore asks for, from its JSON to the options of ntkuq rescore. Functions of their
 * arguments only. */
#ifndef NTK_SERVER_RESCORE_REQUEST_H
#define NTK_SERVER_RESCORE_REQUEST_H

#include <jansson.h>
#include <stdint.h>

#include "config/config.h"
#include "core/status.h"

enum { NTK_RESCORE_NAMES = 4096, NTK_RESCORE_LEVELS = 32 };

/* Borrows from the JSON it was read from. */
struct ntk_rescore_request {
    const char *calibration, *label; /* label: NULL when none */
    unsigned version;                /* 0: none asked for */
    size_t n_names;
    const char *names[NTK_RESCORE_NAMES]; /* of archives */
    char levels[32 * NTK_RESCORE_LEVELS]; /* "0.5,0.9", ascending, or "" */
    const char *missing;                  /* or NULL */
    uint64_t memory_bytes;                /* what was asked for, else job_memory_bytes */
};

/* Checks all that can be checked without looking at the disk. NTK_USAGE: an unknown member;
 * NTK_BAD_DATA: a wrong value. */
enum ntk_status ntk_rescore_request_read(const struct ntk_config *config, const json_t *body,
                                         struct ntk_rescore_request *out, struct ntk_error *error);

/* Options of ntkuq rescore that a request decides: up to 6, *n of them; borrowed from it and from
 * `memory`, which receives the number. */
void ntk_rescore_request_options(const struct ntk_rescore_request *request, char memory[24],
                                 const char *options[6], size_t *n);

#endif
