#include "io/netcdf/field.h"

#include <float.h>
#include <math.h>
#include <netcdf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/limits.h"
#include "io/netcdf/format.h"

/* ---- attributes -------------------------------------------------------------------------- */

/* The text of a character attribute, ended by a zero, to be freed. */
static enum ntk_status get_characters(int ncid, int varid, const char *name, size_t length,
                                      char **out)
{
    char *text = calloc(length + 1, 1);
    if (!text)
        return NTK_TRY_AGAIN;
    if (nc_get_att_text(ncid, varid, name, text) != NC_NOERR) {
        free(text);
        return NTK_BAD_DATA;
    }
    *out = text;
    return NTK_OK;
}

static enum ntk_status get_string(int ncid, int varid, const char *name, char **out)
{
    char *owned = NULL;
    if (nc_get_att_string(ncid, varid, name, &owned) != NC_NOERR)
        return NTK_BAD_DATA;
    char *text = strdup(owned ? owned : "");
    nc_free_string(1, &owned);
    if (!text)
        return NTK_TRY_AGAIN;
    *out = text;
    return NTK_OK;
}

static enum ntk_status keep_text(const char *text, const char *owner, const char *name,
                                 char out[NTK_NAME_SIZE], struct ntk_error *error)
{
    size_t length = strlen(text);
    if (length >= NTK_NAME_SIZE)
        return ntk_fail(error, NTK_BAD_DATA,
                        "attribute %s of %s has %zu characters; at most %d were expected", name,
                        owner, length, NTK_NAME_SIZE - 1);
    if (!ntk_format_is_text(text))
        return ntk_fail(error, NTK_BAD_DATA, "attribute %s of %s is not printable UTF-8", name,
                        owner);
    strcpy(out, text);
    return NTK_OK;
}

enum ntk_status ntk_attribute_text(int ncid, int varid, const char *owner, const char *name,
                                   char out[NTK_NAME_SIZE], int *present, struct ntk_error *error)
{
    nc_type type;
    size_t length;
    if (nc_inq_att(ncid, varid, name, &type, &length) != NC_NOERR) {
        out[0] = 0;
        *present = 0;
        return NTK_OK;
    }
    char *text = NULL;
    enum ntk_status status = NTK_BAD_DATA;
    if (type == NC_CHAR && length <= (size_t)1 << 20)
        status = get_characters(ncid, varid, name, length, &text);
    else if (type == NC_STRING && length == 1)
        status = get_string(ncid, varid, name, &text);
    if (status == NTK_BAD_DATA)
        return ntk_fail(error, status, "attribute %s of %s is not readable text", name, owner);
    if (status)
        return ntk_fail_memory(error, "an attribute", length);
    status = keep_text(text, owner, name, out, error);
    if (!status)
        *present = 1;
    free(text);
    return status;
}

/* Up to `capacity` numbers of an attribute; none when it is absent. */
static enum ntk_status get_numbers(const struct ntk_field *field, const char *owner,
                                   const char *name, size_t capacity, double *out, size_t *count,
                                   struct ntk_error *error)
{
    nc_type type;
    size_t length;
    *count = 0;
    if (nc_inq_att(field->ncid, field->varid, name, &type, &length) != NC_NOERR)
        return NTK_OK;
    if (type == NC_CHAR || type == NC_STRING || length > capacity ||
        nc_get_att_double(field->ncid, field->varid, name, out) != NC_NOERR)
        return ntk_fail(error, NTK_BAD_DATA,
                        "attribute %s of %s is not readable as %zu number%s or fewer", name, owner,
                        capacity, capacity == 1 ? "" : "s");
    *count = length;
    return NTK_OK;
}

/* ---- what a variable is ------------------------------------------------------------------- */

static size_t width_of(int type)
{
    switch (type) {
    case NC_BYTE:
    case NC_UBYTE:
        return 1;
    case NC_SHORT:
    case NC_USHORT:
        return 2;
    case NC_INT:
    case NC_UINT:
    case NC_FLOAT:
        return 4;
    case NC_INT64:
    case NC_UINT64:
    case NC_DOUBLE:
        return 8;
    default:
        return 0; /* not numeric */
    }
}

/* What stands where nothing was written, when no attribute says so. Every byte is a value. */
static int default_fill(const struct ntk_field *field, double *out)
{
    union {
        short s;
        unsigned short us;
        int i;
        unsigned u;
        long long ll;
        unsigned long long ull;
        float f;
        double d;
    } value;
    int no_fill;
    if (width_of(field->type) == 1 ||
        nc_inq_var_fill(field->ncid, field->varid, &no_fill, &value) != NC_NOERR)
        return 0;
    switch (field->type) {
    case NC_SHORT:
        *out = value.s;
        return 1;
    case NC_USHORT:
        *out = value.us;
        return 1;
    case NC_INT:
        *out = value.i;
        return 1;
    case NC_UINT:
        *out = value.u;
        return 1;
    case NC_INT64:
        *out = (double)value.ll;
        return 1;
    case NC_UINT64:
        *out = (double)value.ull;
        return 1;
    case NC_FLOAT:
        *out = value.f;
        return 1;
    default:
        *out = value.d;
        return 1;
    }
}

static enum ntk_status find_missing(struct ntk_field *field, const char *name,
                                    struct ntk_error *error)
{
    size_t count = 0, more = 0;
    enum ntk_status status =
        get_numbers(field, name, "_FillValue", 1, field->missing, &count, error);
    if (status)
        return status;
    if (count == 0)
        count = (size_t)default_fill(field, field->missing);
    status = get_numbers(field, name, "missing_value", NTK_FIELD_MISSING - count,
                         field->missing + count, &more, error);
    if (status)
        return status;
    field->n_missing = count + more;
    if (field->type == NC_FLOAT) /* a value written as a double means the nearest float */
        for (size_t i = 0; i < field->n_missing; i++)
            if (fabs(field->missing[i]) <= FLT_MAX)
                field->missing[i] = (float)field->missing[i];
    return NTK_OK;
}

static enum ntk_status find_packing(struct ntk_field *field, const char *name,
                                    struct ntk_error *error)
{
    size_t scales, offsets;
    double scale = 1, offset = 0;
    nc_type type;
    size_t length;
    enum ntk_status status;
    if ((status = get_numbers(field, name, "scale_factor", 1, &scale, &scales, error)) ||
        (status = get_numbers(field, name, "add_offset", 1, &offset, &offsets, error)))
        return status;
    if (!isfinite(scale) || scale == 0 || !isfinite(offset))
        return ntk_fail(error, NTK_BAD_DATA,
                        "%s is packed with scale_factor %g and add_offset %g; finite numbers were "
                        "expected",
                        name, scale, offset);
    if (nc_inq_att(field->ncid, field->varid, "_Unsigned", &type, &length) == NC_NOERR)
        return ntk_fail(error, NTK_BAD_DATA,
                        "%s has the attribute _Unsigned, which is not read; use an unsigned type",
                        name);
    field->scale = scale;
    field->offset = offset;
    return NTK_OK;
}

/* "1048576 x 1048576" */
static void format_extents(const struct ntk_field *field, char *out, size_t size)
{
    size_t used = 0;
    out[0] = 0;
    for (int i = 0; i < field->rank && used < size; i++)
        used +=
            (size_t)snprintf(out + used, size - used, "%s%zu", i ? " x " : "", field->extent[i]);
}

/* The extents from `first` on against the limit. */
static enum ntk_status check_size(const struct ntk_field *field, const char *name, int first,
                                  struct ntk_error *error)
{
    unsigned __int128 bytes = sizeof(double); /* extents below 2^64 may together pass 2^128 */
    for (int i = first; i < field->rank; i++) {
        bytes *= field->extent[i];
        if (bytes >> 64)
            bytes = UINT64_MAX;
    }
    if (bytes <= ntk_limits.array_bytes)
        return NTK_OK;
    char extents[128];
    format_extents(field, extents, sizeof extents);
    return ntk_fail(error, NTK_BAD_DATA,
                    "%s is declared as %s values, %s%llu bytes as doubles%s; the limit is %zu",
                    name, extents, bytes == UINT64_MAX ? "at least " : "",
                    (unsigned long long)bytes, first ? " for each sample and lead time" : "",
                    ntk_limits.array_bytes);
}

static enum ntk_status find_extents(struct ntk_field *field, const char *name,
                                    struct ntk_error *error)
{
    int rank, dimensions[NTK_FIELD_RANK];
    if (nc_inq_varndims(field->ncid, field->varid, &rank) != NC_NOERR || rank > NTK_FIELD_RANK)
        return ntk_fail(error, NTK_BAD_DATA, "%s has more than %d dimensions", name,
                        NTK_FIELD_RANK);
    if (nc_inq_vardimid(field->ncid, field->varid, dimensions) != NC_NOERR)
        return ntk_fail(error, NTK_BAD_DATA, "the dimensions of %s cannot be read", name);
    field->rank = rank;
    field->points = 1;
    for (int i = 0; i < rank; i++)
        if (nc_inq_dimlen(field->ncid, dimensions[i], &field->extent[i]) != NC_NOERR)
            return ntk_fail(error, NTK_BAD_DATA, "the dimensions of %s cannot be read", name);
    return NTK_OK;
}

/* `limited`: the first of the dimensions that are limited together. */
static enum ntk_status init(struct ntk_field *field, int ncid, int varid, const char *name,
                            int has_lead, int limited, struct ntk_error *error)
{
    struct ntk_field made = {.ncid = ncid, .varid = varid, .has_lead = has_lead};
    enum ntk_status status;
    if (nc_inq_vartype(ncid, varid, &made.type) != NC_NOERR || width_of(made.type) == 0)
        return ntk_fail(error, NTK_BAD_DATA, "%s is not numeric", name);
    if ((status = find_extents(&made, name, error)) ||
        (status = check_size(&made, name, limited, error)) ||
        (status = find_missing(&made, name, error)) || (status = find_packing(&made, name, error)))
        return status;
    for (int i = has_lead ? 2 : 1; i < made.rank; i++)
        made.points *= made.extent[i];
    *field = made;
    return NTK_OK;
}

enum ntk_status ntk_field_init(struct ntk_field *field, int ncid, int varid, const char *name,
                               int has_lead, struct ntk_error *error)
{
    return init(field, ncid, varid, name, has_lead, 0, error);
}

enum ntk_status ntk_field_init_large(struct ntk_field *field, int ncid, int varid, const char *name,
                                     int has_lead, struct ntk_error *error)
{
    return init(field, ncid, varid, name, has_lead, has_lead ? 2 : 1, error);
}

void ntk_field_clear(struct ntk_field *field)
{
    ntk_conversion_free(field->conversion);
    *field = (struct ntk_field){.ncid = -1};
}

/* ---- reading ------------------------------------------------------------------------------ */

struct slab {
    size_t start[NTK_FIELD_RANK], count[NTK_FIELD_RANK];
};

static struct slab make_slab(const struct ntk_field *field, size_t lead, size_t first, size_t count)
{
    struct slab slab = {{first}, {count}};
    for (int i = 1; i < field->rank; i++)
        slab.count[i] = field->extent[i];
    if (field->has_lead) {
        slab.start[1] = lead;
        slab.count[1] = 1;
    }
    return slab;
}

static enum ntk_status cannot_read(int code, struct ntk_error *error)
{
    if (code == NC_ENOMEM)
        return ntk_fail(error, NTK_TRY_AGAIN, "no memory to read from the archive");
    return ntk_fail(error, NTK_BAD_DATA, "the archive cannot be read: %s", nc_strerror(code));
}

/* Not a number when missing, else unpacked and converted. */
static double real_value(const struct ntk_field *field, double raw)
{
    for (size_t i = 0; i < field->n_missing; i++)
        if (raw == field->missing[i])
            return NAN;
    double value = raw * field->scale + field->offset;
    return field->conversion ? ntk_conversion_apply(field->conversion, value) : value;
}

static float to_float(double value)
{
    if (fabs(value) <= FLT_MAX || !isfinite(value))
        return (float)value;
    return value > 0 ? INFINITY : -INFINITY;
}

enum ntk_status ntk_field_read(const struct ntk_field *field, size_t lead, size_t first,
                               size_t count, double *out, struct ntk_error *error)
{
    struct slab slab = make_slab(field, lead, first, count);
    int code = nc_get_vara_double(field->ncid, field->varid, slab.start, slab.count, out);
    if (code != NC_NOERR)
        return cannot_read(code, error);
    for (size_t i = 0; i < count * field->points; i++)
        out[i] = real_value(field, out[i]);
    return NTK_OK;
}

static enum ntk_status read_by_doubles(const struct ntk_field *field, size_t lead, size_t first,
                                       size_t count, float *out, struct ntk_error *error)
{
    const size_t block_values = (size_t)1 << 17;
    size_t rows = field->points && field->points < block_values ? block_values / field->points : 1;
    double *block = ntk_matrix_create(rows, field->points);
    if (!block)
        return ntk_fail_memory(error, "a block of values", rows * field->points * sizeof *block);
    enum ntk_status status = NTK_OK;
    for (size_t done = 0; done < count && !status;) {
        size_t n = count - done < rows ? count - done : rows;
        status = ntk_field_read(field, lead, first + done, n, block, error);
        for (size_t i = 0; i < n * field->points && !status; i++)
            out[done * field->points + i] = to_float(block[i]);
        done += n;
    }
    free(block);
    return status;
}

int ntk_field_is_float(const struct ntk_field *field)
{
    return field->type == NC_FLOAT && field->scale == 1 && field->offset == 0 && !field->conversion;
}

/* real_value of floats that are neither packed nor converted, which is most of what is read: in
 * loops that a compiler turns into vectors. */
static void mark_missing(const struct ntk_field *field, float *values, size_t n)
{
    for (size_t m = 0; m < field->n_missing; m++) {
        const float missing = to_float(field->missing[m]);
        for (size_t i = 0; i < n; i++)
            values[i] = values[i] == missing ? NAN : values[i];
    }
    for (size_t i = 0; i < n; i++)
        values[i] += 0.0F; /* as unpacking does: no negative zero */
}

static enum ntk_status read_slab(const struct ntk_field *field, const struct slab *slab, size_t n,
                                 float *out, struct ntk_error *error)
{
    int code = nc_get_vara_float(field->ncid, field->varid, slab->start, slab->count, out);
    if (code != NC_NOERR)
        return cannot_read(code, error);
    if (ntk_field_is_float(field)) {
        mark_missing(field, out, n);
        return NTK_OK;
    }
    for (size_t i = 0; i < n; i++)
        out[i] = to_float(real_value(field, out[i]));
    return NTK_OK;
}

enum ntk_status ntk_field_read_float(const struct ntk_field *field, size_t lead, size_t first,
                                     size_t count, float *out, struct ntk_error *error)
{
    if (field->type != NC_FLOAT)
        return read_by_doubles(field, lead, first, count, out, error);
    struct slab slab = make_slab(field, lead, first, count);
    return read_slab(field, &slab, count * field->points, out, error);
}

/* Has every value of the type a float of its own? */
static int fits_float(int type)
{
    return type == NC_FLOAT || width_of(type) < 4;
}

static enum ntk_status read_slab_by_doubles(const struct ntk_field *field, const struct slab *slab,
                                            size_t n, float *out, struct ntk_error *error)
{
    double *values = ntk_matrix_create(n, 1);
    if (!values)
        return ntk_fail_memory(error, "a block of values", n * sizeof *values);
    int code = nc_get_vara_double(field->ncid, field->varid, slab->start, slab->count, values);
    for (size_t i = 0; i < n && code == NC_NOERR; i++)
        out[i] = to_float(real_value(field, values[i]));
    free(values);
    return code == NC_NOERR ? NTK_OK : cannot_read(code, error);
}

enum ntk_status ntk_field_read_part(const struct ntk_field *field, size_t lead, size_t sample,
                                    const size_t *start, const size_t *count, float *out,
                                    struct ntk_error *error)
{
    struct slab slab = make_slab(field, lead, sample, 1);
    int from = field->has_lead ? 2 : 1;
    size_t n = 1;
    for (int i = from; i < field->rank; i++) {
        slab.start[i] = start[i - from];
        slab.count[i] = count[i - from];
        n *= count[i - from];
    }
    return fits_float(field->type) ? read_slab(field, &slab, n, out, error)
                                   : read_slab_by_doubles(field, &slab, n, out, error);
}

void ntk_field_chunk(const struct ntk_field *field, size_t extents[NTK_FIELD_RANK])
{
    int storage;
    if (nc_inq_var_chunking(field->ncid, field->varid, &storage, extents) != NC_NOERR)
        storage = NC_CONTIGUOUS;
    for (int i = 0; i < field->rank; i++)
        if (storage != NC_CHUNKED || extents[i] == 0)
            extents[i] = 1;
}

void ntk_field_chunk_bytes(const struct ntk_field *field, size_t *chunk, size_t *layer)
{
    size_t extents[NTK_FIELD_RANK], bytes = width_of(field->type), all;
    int storage;
    *chunk = *layer = 0;
    if (nc_inq_var_chunking(field->ncid, field->varid, &storage, extents) != NC_NOERR ||
        storage != NC_CHUNKED)
        return;
    for (int i = 0; i < field->rank; i++)
        if (!ntk_size_multiply(bytes, extents[i], &bytes))
            bytes = SIZE_MAX;
    all = bytes;
    for (int i = 1; i < field->rank && extents[i]; i++)
        if (!ntk_size_multiply(all, (field->extent[i] + extents[i] - 1) / extents[i], &all))
            all = SIZE_MAX;
    *chunk = bytes;
    *layer = all;
}

/* Reading lead by lead passes the same chunks once for each lead; what a cache holds between is
 * not unpacked again. A chunk that does not fit is never kept, so the cache holds one at least, up
 * to a bound. */
void ntk_field_set_cache(const struct ntk_field *field, size_t bytes, size_t largest)
{
    size_t chunk, layer;
    ntk_field_chunk_bytes(field, &chunk, &layer);
    if (chunk > largest || chunk == 0)
        return;
    size_t cache = bytes > chunk ? bytes : chunk;
    size_t slots = 10 * (cache / chunk) + 1; /* a hash table: ten slots for each chunk kept */
    if (slots < 1009)
        slots = 1009;
    if (slots > 100003)
        slots = 100003;
    nc_set_var_chunk_cache(field->ncid, field->varid, cache, slots, 0.75F);
}
