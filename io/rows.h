/* Rows: what was issued, or what verified, as flat tables that need no NetCDF (docs/formats.md).
 *
 * One safetensors file of float64 tensors. A row is one forecast at one lead time; N rows, each
 * (reference_time, lead_hours) at most once for a file that ntkuq wrote. Intervals have, for each
 * variable v, what was issued (forecast, lower, upper) and what it was made from: centre b and
 * scale s of core/interval.h, so that another level's limits are forecast - b + reach s. Truths
 * have `truth` alone. A number that is not known is NAN; an unbounded limit is infinite.
 *
 * A struct ntk_rows is immutable once loaded and shared freely between threads. Its arrays point
 * into bytes that it owns.
 */
#ifndef NTK_IO_ROWS_H
#define NTK_IO_ROWS_H

#include <stddef.h>

#include "core/calibration.h"
#include "core/places.h"
#include "core/status.h"

#define NTK_ROWS_LEVELS 32

enum ntk_rows_kind { NTK_ROWS_INTERVALS, NTK_ROWS_TRUTHS };

struct ntk_rows_variable {
    char name[NTK_NAME_SIZE];
    char units[NTK_NAME_SIZE];
    size_t points;
    /* intervals; NULL else */
    const double *forecast, *centre, *scale; /* N x points */
    const double *lower, *upper;             /* N x n_levels x points */
    const double *flags;                     /* N: bits of enum ntk_flag of any of its points */
    /* truths; NULL else */
    const double *truth; /* N x points, in the units of the forecast */
};

struct ntk_rows {
    enum ntk_rows_kind kind;
    size_t n;
    const double *reference_time; /* n: seconds since 1970-01-01 UTC, finite */
    const double *lead_hours;     /* n, finite */
    struct ntk_places places;     /* of the variables they fit (ntk_places_fit) */
    size_t n_variables;
    struct ntk_rows_variable *variables;
    /* intervals; 0 or NULL else */
    char calibration[NTK_NAME_SIZE], calibration_sha256[NTK_NAME_SIZE];
    size_t n_levels;
    double levels[NTK_ROWS_LEVELS];                                     /* ascending, in (0, 1) */
    const double *sigma, *novelty, *prior_variance, *residual_variance; /* n */
    size_t n_coordinates;      /* the most directions that a lead time keeps */
    const double *coordinates; /* n x n_coordinates: of the kept directions, NAN beyond the last */
    void *bytes;
};

/* Reads a whole file and checks all that is said above but that rows are different; nobody else
 * need check it again. NTK_NO_INPUT: it cannot be opened. NTK_BAD_DATA: it is not rows; tensors are
 * missing, or have another shape than described; a time, a place, a level or flags make no sense;
 * more than ntk_limits.rows_bytes. */
enum ntk_status ntk_rows_load(const char *path, struct ntk_rows **out, struct ntk_error *error);

/* The same for bytes in memory, which `out` owns on success alone. They were allocated by malloc.
 */
enum ntk_status ntk_rows_decode(void *bytes, size_t size, const char *what, struct ntk_rows **out,
                                struct ntk_error *error);

void ntk_rows_free(struct ntk_rows *rows);

/* The variable of that name, or NULL. Borrowed. */
const struct ntk_rows_variable *ntk_rows_find(const struct ntk_rows *rows, const char *name);

/* ---- writing ------------------------------------------------------------------------------------
 * Tensor by tensor, row by row, in any order: memory is never that of the file. A writer belongs to
 * one thread. */

struct ntk_rows_writer;

/* Makes the file `path`, or overwrites it. Of `rows` everything is read but the arrays: kind, n,
 * places, names, units, points, calibration, levels, n_coordinates. NTK_BAD_DATA: more than
 * ntk_limits.rows_bytes. */
enum ntk_status ntk_rows_writer_create(const char *path, const struct ntk_rows *rows,
                                       struct ntk_rows_writer **out, struct ntk_error *error);

/* Rows first .. first + count of a tensor, row-major. Its name: that of a member of struct
 * ntk_rows, or "v/member" of a variable v; it must be one of this kind of rows. Each row is put
 * once. */
enum ntk_status ntk_rows_writer_put(struct ntk_rows_writer *writer, const char *tensor,
                                    size_t first, size_t count, const double *values,
                                    struct ntk_error *error);

/* Closes, and frees the writer in every case (NULL is taken). NTK_CANNOT_CREATE: the disk is full,
 * or rows of a tensor were never put. */
enum ntk_status ntk_rows_writer_close(struct ntk_rows_writer *writer, struct ntk_error *error);

#endif
