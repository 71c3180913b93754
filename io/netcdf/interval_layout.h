/* A file of intervals as CDF-5 whose every value has a fixed place: what rescore writes in pieces,
 * in any order, from any process, and again after a crash, with the same bytes.
 *
 *   preface   header and coordinates
 *   columns   each an output variable: planes x rows x per_row values, big-endian
 *
 * Row sample * n_leads + lead (n_leads 1 without a lead dimension). A column has one plane, or one
 * a level, or one a bin of the PIT. Besides what ntk_interval_writer writes, a variable with truths
 * has its sums of every row (core/tally.h), from which scores of any set of rows follow.
 *
 * Plain data and functions, safe from any thread.
 */
#ifndef NTK_IO_NETCDF_INTERVAL_LAYOUT_H
#define NTK_IO_NETCDF_INTERVAL_LAYOUT_H

#include <stdint.h>

#include "core/tally.h"
#include "io/netcdf/archive.h"
#include "io/netcdf/interval_writer.h"

enum {
    NTK_LAYOUT_SAMPLE_VALUES = 6, /* prior, correction, posterior, residual, sigma, novelty */
    NTK_LAYOUT_VARIABLES = 256,
    NTK_LAYOUT_LEADS = 1024
};

enum ntk_layout_field {
    NTK_LAYOUT_FORECAST,
    NTK_LAYOUT_STD,
    NTK_LAYOUT_LOWER,
    NTK_LAYOUT_UPPER,
    NTK_LAYOUT_FLAG,
    NTK_LAYOUT_FIELDS
};

enum ntk_layout_tally {
    NTK_LAYOUT_VERIFIED,
    NTK_LAYOUT_ERROR,
    NTK_LAYOUT_ABSOLUTE_ERROR,
    NTK_LAYOUT_SQUARED_ERROR,
    NTK_LAYOUT_CRPS,
    NTK_LAYOUT_VARIANCE,
    NTK_LAYOUT_COVERED,
    NTK_LAYOUT_UNBOUNDED,
    NTK_LAYOUT_WIDTH,
    NTK_LAYOUT_INTERVAL_SCORE,
    NTK_LAYOUT_PIT,
    NTK_LAYOUT_TALLIES
};

struct ntk_column {
    uint64_t begin;
    size_t planes, per_row, width; /* width: bytes of a value, 1, 4 or 8 */
};

struct ntk_layout_variable {
    char name[NTK_NAME_SIZE], units[NTK_NAME_SIZE];
    size_t points;
    int has_truth;
    struct ntk_column fields[NTK_LAYOUT_FIELDS];
    struct ntk_column flagged;                     /* int64 */
    struct ntk_column tallies[NTK_LAYOUT_TALLIES]; /* has_truth alone */
};

struct ntk_interval_layout {
    size_t n_samples, n_leads, rows; /* n_leads of the dimension: 1 without */
    size_t n_levels, n_variables;
    uint64_t header_bytes, preface_bytes, file_bytes;
    size_t n_hours; /* lead times, as many as there are different ones */
    double hours[NTK_LAYOUT_LEADS];
    struct ntk_column period; /* lead time of every sample, where n_leads is 1; else of a lead */
    struct ntk_column samples[NTK_LAYOUT_SAMPLE_VALUES];
    struct ntk_layout_variable variables[NTK_LAYOUT_VARIABLES];
};

/* Fills the layout of an archive's intervals, and *preface (layout->preface_bytes, to be freed).
 * NTK_BAD_DATA: two variables would have one name, or no file is large enough. */
enum ntk_status ntk_interval_layout_create(const struct ntk_archive *archive,
                                           const struct ntk_interval_header *header,
                                           struct ntk_interval_layout *layout,
                                           unsigned char **preface, struct ntk_error *error);

/* Computes rows, places and length from the counts, header_bytes and the variables' points and
 * truths; for a layout that was told by somebody who may lie. NTK_BAD_DATA: beyond a limit. */
enum ntk_status ntk_interval_layout_place(struct ntk_interval_layout *layout,
                                          struct ntk_error *error);

/* Where values begin in the file. */
uint64_t ntk_column_at(const struct ntk_interval_layout *layout, const struct ntk_column *column,
                       size_t plane, size_t row);

/* n values to big-endian and back; what is not a number becomes the fill value, and NAN again.
 * `out` may be `values`. `lanes` is ntk_processor_lanes(), which takes a while to find out. */
void ntk_layout_encode_floats(size_t lanes, const float *values, size_t n, void *out);
void ntk_layout_encode_doubles(const double *values, size_t n, void *out);
double ntk_layout_decode_double(const void *bytes);
void ntk_layout_encode_count(int64_t value, void *out);
int64_t ntk_layout_decode_count(const void *bytes);

/* A tally's value in a column and plane, as 8 big-endian bytes, and back. */
void ntk_layout_encode_tally(const struct ntk_tally *tally, int column, size_t plane,
                             unsigned char *out);
void ntk_layout_decode_tally(const unsigned char *bytes, int column, size_t plane,
                             struct ntk_tally *tally);

#endif
