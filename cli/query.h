/* What apply and report share: a calibration and an archive that fit together. */
#ifndef NTK_CLI_QUERY_H
#define NTK_CLI_QUERY_H

#include "cli/command.h"
#include "core/calibration.h"
#include "io/digest.h"
#include "io/netcdf/archive.h"
#include "io/netcdf/interval_writer.h"

struct ntk_query {
    struct ntk_calibration *calibration;
    char sha256[NTK_SHA256_HEX];
    struct ntk_archive *archive;
};

/* Opens files[0] as calibration and the rest as archive, and checks feature count, model, leads and
 * units against each other: NTK_BAD_DATA says what was found and what was expected. */
enum ntk_status ntk_query_open(const struct ntk_command_context *context, struct ntk_query *out,
                               struct ntk_error *error);

/* That check alone. */
enum ntk_status ntk_query_check(const struct ntk_query *query, struct ntk_error *error);

void ntk_query_clear(struct ntk_query *query);

/* The calibration's lead of an archive's lead. */
const struct ntk_calibration_lead *ntk_query_lead(const struct ntk_query *query, size_t lead);

/* The calibrated variable of an archive's variable at a lead, or NULL: uncalibrated. */
const struct ntk_calibration_variable *ntk_query_variable(const struct ntk_query *query,
                                                          size_t lead, size_t variable);

/* Fills the predictors z of an archive's row from its date, its coordinates c and sigma, and its
 * covariates when the calibration knows as many. */
void ntk_query_predictors(const struct ntk_query *query, size_t lead, size_t row, const double *c,
                          double sigma, const double *covariates, double *z);

/* What an output file says of its calibration; texts live as long as the struct. */
struct ntk_header_texts {
    char method[1024], rank[1024];
};
struct ntk_interval_header ntk_query_header(const struct ntk_query *query,
                                            const struct ntk_arguments *arguments,
                                            struct ntk_header_texts *texts);

#endif
