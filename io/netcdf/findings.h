/* What a scan has to say about an archive: notes on what was left alone, problems that refuse it.
 */
#ifndef NTK_IO_NETCDF_FINDINGS_H
#define NTK_IO_NETCDF_FINDINGS_H

#include "io/netcdf/archive.h"

#define NTK_FINDINGS 256 /* of each kind kept */

struct ntk_source;

/* With several files the sentence begins with the path of `source`, when that is given. */
void ntk_note(struct ntk_archive *archive, const struct ntk_source *source, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void ntk_problem(struct ntk_archive *archive, const struct ntk_source *source, const char *format,
                 ...) __attribute__((format(printf, 3, 4)));

/* For the result of a function: NTK_BAD_DATA becomes a problem and NTK_OK, other failures stay. */
enum ntk_status ntk_problem_if_bad(struct ntk_archive *archive, const struct ntk_source *source,
                                   enum ntk_status status, const struct ntk_error *error);

#endif
