/* One variable of one file while it is given its role, and what every role asks of it. */
#ifndef NTK_IO_NETCDF_CANDIDATE_H
#define NTK_IO_NETCDF_CANDIDATE_H

#include "io/netcdf/archive.h"
#include "io/netcdf/series.h"
#include "io/netcdf/source.h"

struct ntk_candidate { /* all borrowed */
    struct ntk_archive *archive;
    const struct ntk_archive_options *options;
    const struct ntk_source *source;
    const struct ntk_found *found;
};

/* A problem: "<name> has dimensions (...); <expected> was expected". */
void ntk_candidate_refuse_shape(const struct ntk_candidate *it, const char *expected);

/* A text attribute; "" and *present = 0 when there is none. One that is no text is a problem too.
 * Fails for want of memory only. */
enum ntk_status ntk_candidate_text(const struct ntk_candidate *it, const char *name,
                                   char out[NTK_NAME_SIZE], int *present);

/* Notes that units are absent; others than "1" are a problem. */
enum ntk_status ntk_candidate_check_units_one(const struct ntk_candidate *it);

/* Notes that a variable without a lead dimension serves several lead times. */
void ntk_candidate_note_all_leads(const struct ntk_candidate *it, int has_lead);

/* `n` columns against the limit and the `expected` of an earlier file (0: there was none, and it is
 * set). What does not fit is a problem. */
void ntk_candidate_check_columns(const struct ntk_candidate *it, size_t n, size_t *expected);

/* Adds the variable to a series; when it cannot be read as numbers that is a problem, and *added is
 * 0. Takes over `conversion`. */
enum ntk_status ntk_candidate_add(const struct ntk_candidate *it, struct ntk_series *series,
                                  int has_lead, struct ntk_conversion *conversion, int *added,
                                  struct ntk_error *error);

/* The same for a variable of rows, whose columns are checked against `expected`, as above; another
 * shape than (sample[, lead], `column`) is a problem. */
enum ntk_status ntk_candidate_add_rows(const struct ntk_candidate *it, struct ntk_series *series,
                                       const char *column, size_t *expected, int *added,
                                       struct ntk_error *error);

/* The same as the first for a variable that is read a row at a time, and limited a row at a time.
 */
enum ntk_status ntk_candidate_add_large(const struct ntk_candidate *it, struct ntk_series *series,
                                        int has_lead, int *added, struct ntk_error *error);

#endif
