/* The description of a calibration: JSON from structs, and back. Private to io/artifact.c, but for
 * ntk_artifact_describe. */
#ifndef NTK_IO_ARTIFACT_DESCRIPTION_H
#define NTK_IO_ARTIFACT_DESCRIPTION_H

#include <jansson.h>

#include "core/calibration.h"
#include "core/status.h"

/* Covariates of one calibration at most. */
#define NTK_COVARIATES_MOST 64

/* All but the leads, which are given back as JSON. `what` names the file in errors. */
enum ntk_status ntk_description_parse(json_t *json, const char *what, struct ntk_calibration *c,
                                      json_t **leads, struct ntk_error *error);

/* Everything of a lead but its tensors; sizes are plausible afterwards. */
enum ntk_status ntk_description_parse_lead(json_t *json, const char *what, size_t d,
                                           struct ntk_calibration_lead *lead,
                                           struct ntk_error *error);

/* The same for one variable's model; NULL without memory. */
json_t *ntk_description_of_model(const struct ntk_interval_model *model);
enum ntk_status ntk_description_parse_model(json_t *json, const char *what,
                                            const struct ntk_predictors *predictors, size_t points,
                                            struct ntk_interval_model *model,
                                            struct ntk_error *error);

#endif
