/* One numeric variable of one open file, read as real numbers: packed values unpacked, missing
 * values NAN, units converted. And the attributes of variables.
 */
#ifndef NTK_IO_NETCDF_FIELD_H
#define NTK_IO_NETCDF_FIELD_H

#include <stddef.h>

#include "core/calibration.h"
#include "core/status.h"
#include "io/netcdf/units.h"

#define NTK_FIELD_RANK    5 /* sample, lead, feature, latitude, longitude */
#define NTK_FIELD_MISSING 8

struct ntk_field {
    int ncid, varid;
    int type; /* nc_type */
    int rank;
    size_t extent[NTK_FIELD_RANK];
    int has_lead;  /* extent[1] is the lead */
    size_t points; /* values of one sample at one lead */
    double scale, offset;
    size_t n_missing;
    double missing[NTK_FIELD_MISSING]; /* packed values that mean nothing */
    struct ntk_conversion *conversion; /* owned; NULL: units stay */
};

/* The variable `name` of `rank` dimensions. NTK_BAD_DATA: not numeric, `_Unsigned`, packing that is
 * no number, or more bytes than ntk_limits.array_bytes. `has_lead` and `rank` decide `points`.
 * Cleared with ntk_field_clear. */
enum ntk_status ntk_field_init(struct ntk_field *field, int ncid, int varid, const char *name,
                               int has_lead, struct ntk_error *error);

/* The same for a variable that is never read whole: the limit holds for one sample at one lead. */
enum ntk_status ntk_field_init_large(struct ntk_field *field, int ncid, int varid, const char *name,
                                     int has_lead, struct ntk_error *error);

void ntk_field_clear(struct ntk_field *field);

/* Whether its values are float32, neither packed nor converted. */
int ntk_field_is_float(const struct ntk_field *field);

/* Samples first .. first + count at one lead (ignored without a lead dimension): count x points. */
enum ntk_status ntk_field_read(const struct ntk_field *field, size_t lead, size_t first,
                               size_t count, double *out, struct ntk_error *error);
enum ntk_status ntk_field_read_float(const struct ntk_field *field, size_t lead, size_t first,
                                     size_t count, float *out, struct ntk_error *error);

/* A part of one sample at one lead: start and count are along the dimensions after those two. */
enum ntk_status ntk_field_read_part(const struct ntk_field *field, size_t lead, size_t sample,
                                    const size_t *start, const size_t *count, float *out,
                                    struct ntk_error *error);

/* Along each dimension, how many values are stored together: 1 where they are not in chunks. */
void ntk_field_chunk(const struct ntk_field *field, size_t extents[NTK_FIELD_RANK]);

/* Bytes of one unpacked chunk, and of all chunks that one sample touches; 0 where it is not in
 * chunks, SIZE_MAX where they are too many. */
void ntk_field_chunk_bytes(const struct ntk_field *field, size_t *chunk, size_t *layer);

/* Lets libnetcdf keep unpacked chunks of at most about `bytes` between reads, or one of at most
 * `largest`; a larger one is never kept. */
void ntk_field_set_cache(const struct ntk_field *field, size_t bytes, size_t largest);

/* A text attribute (characters or a single string); *present = 0 and "" when there is none.
 * NTK_BAD_DATA: not text, longer than NTK_NAME_SIZE - 1, or not printable. `owner` is for the
 * sentence. */
enum ntk_status ntk_attribute_text(int ncid, int varid, const char *owner, const char *name,
                                   char out[NTK_NAME_SIZE], int *present, struct ntk_error *error);

#endif
