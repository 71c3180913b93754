/* What apply issued, as a rows file (io/rows.h) beside the intervals.
 *
 * Rows are numbered lead by lead in the order of the archive. One thread. */
#ifndef NTK_CLI_ISSUED_H
#define NTK_CLI_ISSUED_H

#include "cli/query.h"
#include "core/posterior.h"
#include "io/rows.h"

struct ntk_issued;

/* Overwrites the file context->rows. Borrowed: `query`, for the life of it. */
enum ntk_status ntk_issued_create(const struct ntk_command_context *context,
                                  const struct ntk_query *query, struct ntk_issued **out,
                                  struct ntk_error *error);

/* Coordinates of a row: the largest rank of the archive's leads. */
size_t ntk_issued_coordinates(const struct ntk_issued *issued);

/* Rows first .. first + count of a lead; `coordinates` is count x ntk_issued_coordinates, NAN
 * beyond the lead's rank. */
enum ntk_status ntk_issued_put_samples(struct ntk_issued *issued, size_t lead, size_t first,
                                       size_t count, const struct ntk_variance *variance,
                                       const double *novelty, const double *coordinates,
                                       struct ntk_error *error);

/* One variable's values there: count x points, limits levels x count x points. */
struct ntk_issued_field {
    const float *forecast, *lower, *upper;
    const double *centre, *scale;
    const unsigned char *flag;
};
enum ntk_status ntk_issued_put_variable(struct ntk_issued *issued, size_t lead, size_t variable,
                                        size_t first, size_t count,
                                        const struct ntk_issued_field *field,
                                        struct ntk_error *error);

/* Closes, and frees in every case (NULL is taken). */
enum ntk_status ntk_issued_close(struct ntk_issued *issued, struct ntk_error *error);

#endif
