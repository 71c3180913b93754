#include "io/netcdf/interval_layout.h"

#include <assert.h>
#include <endian.h>
#include <math.h>
#include <netcdf.h>
#include <stdlib.h>
#include <string.h>

#include "io/limits.h"
#include "io/netcdf/interval_schema.h"

/* ---- places --------------------------------------------------------------------------------- */

static size_t planes_of_tally(const struct ntk_interval_layout *layout, int column)
{
    if (column == NTK_LAYOUT_PIT)
        return NTK_PIT_BINS;
    return column >= NTK_LAYOUT_COVERED ? layout->n_levels : 1;
}

/* Places a column of `rows` rows at *at, which moves behind it; 0 when no file is that long. */
static int place(struct ntk_column *column, size_t planes, size_t rows, size_t per_row,
                 size_t width, uint64_t *at)
{
    size_t bytes;
    *column = (struct ntk_column){*at, planes, per_row, width};
    if (!ntk_size_multiply(planes, rows, &bytes) || !ntk_size_multiply(bytes, per_row, &bytes) ||
        !ntk_size_multiply(bytes, width, &bytes) || bytes > (size_t)INT64_MAX - 3)
        return 0;
    bytes = (bytes + 3) / 4 * 4;
    return !__builtin_add_overflow(*at, bytes, at) && *at <= INT64_MAX;
}

static int place_variable(const struct ntk_interval_layout *layout,
                          struct ntk_layout_variable *variable, uint64_t *at)
{
    const size_t levels = layout->n_levels, points = variable->points, rows = layout->rows;
    static const size_t widths[NTK_LAYOUT_FIELDS] = {4, 4, 4, 4, 1};
    int fits = 1;
    for (int f = 0; f < NTK_LAYOUT_FIELDS && fits; f++) {
        int limits = f == NTK_LAYOUT_LOWER || f == NTK_LAYOUT_UPPER;
        fits = place(&variable->fields[f], limits ? levels : 1, rows, points, widths[f], at);
    }
    fits = fits && place(&variable->flagged, NTK_FLAG_COUNT, rows, 1, 8, at);
    for (int t = 0; t < NTK_LAYOUT_TALLIES && fits && variable->has_truth; t++)
        fits = place(&variable->tallies[t], planes_of_tally(layout, t), rows, 1, 8, at);
    return fits;
}

enum ntk_status ntk_interval_layout_place(struct ntk_interval_layout *layout,
                                          struct ntk_error *error)
{
    if (layout->n_samples < 1 || layout->n_samples > ntk_limits.samples || layout->n_leads < 1 ||
        layout->n_leads > NTK_LAYOUT_LEADS || layout->n_hours > NTK_LAYOUT_LEADS ||
        layout->n_levels < 1 || layout->n_levels > NTK_TALLY_LEVELS_MOST ||
        layout->n_variables > NTK_LAYOUT_VARIABLES || layout->header_bytes > (uint64_t)1 << 32)
        return ntk_fail(error, NTK_BAD_DATA,
                        "the intervals would have %zu samples of %zu variables at "
                        "%zu lead times, beyond a limit",
                        layout->n_samples, layout->n_variables, layout->n_leads);
    uint64_t at = layout->header_bytes + 8 * (layout->n_levels + layout->n_samples);
    int fits = 1;
    layout->rows = layout->n_samples * layout->n_leads;
    layout->period = (struct ntk_column){at, 1, 1, 8};
    at = layout->preface_bytes;
    for (int i = 0; i < NTK_LAYOUT_SAMPLE_VALUES && fits; i++)
        fits = place(&layout->samples[i], 1, layout->rows, 1, 8, &at);
    for (size_t v = 0; v < layout->n_variables && fits; v++)
        fits = place_variable(layout, &layout->variables[v], &at);
    if (!fits)
        return ntk_fail(error, NTK_BAD_DATA,
                        "the intervals of %zu samples would not fit into a file",
                        layout->n_samples);
    layout->file_bytes = at;
    return NTK_OK;
}

uint64_t ntk_column_at(const struct ntk_interval_layout *layout, const struct ntk_column *column,
                       size_t plane, size_t row)
{
    return column->begin + (plane * layout->rows + row) * column->per_row * column->width;
}

/* ---- from an archive ------------------------------------------------------------------------ */

static void describe(const struct ntk_archive *archive, const struct ntk_interval_header *header,
                     struct ntk_interval_layout *layout)
{
    *layout =
        (struct ntk_interval_layout){.n_samples = archive->n_samples,
                                     .n_leads = archive->lead_dimension ? archive->n_leads : 1,
                                     .n_levels = header->n_levels,
                                     .n_variables = archive->n_variables,
                                     .n_hours = archive->n_leads};
    for (size_t l = 0; l < archive->n_leads; l++)
        layout->hours[l] = archive->leads[l].hours;
    for (size_t v = 0; v < archive->n_variables; v++) {
        const struct ntk_archive_variable *from = &archive->variables[v];
        struct ntk_layout_variable *to = &layout->variables[v];
        memcpy(to->name, from->name, sizeof to->name);
        memcpy(to->units, from->units, sizeof to->units);
        to->points = from->points;
        to->has_truth = from->has_truth;
    }
}

/* The places were computed from the counts alone; the header has them from the description. */
static void check_places(const struct ntk_interval_schema *schema,
                         const struct ntk_interval_layout *layout)
{
    const struct ntk_schema *s = schema->schema;
    assert(ntk_schema_file_bytes(s) == layout->file_bytes);
    assert(ntk_schema_begin(s, ntk_schema_find(s, "forecast_period")) == layout->period.begin);
    for (int i = 0; i < NTK_LAYOUT_SAMPLE_VALUES; i++)
        assert(ntk_schema_begin(s, schema->sample_variables[i]) == layout->samples[i].begin);
    for (size_t v = 0; v < layout->n_variables; v++) {
        const struct ntk_interval_outputs *o = &schema->outputs[v];
        const struct ntk_layout_variable *p = &layout->variables[v];
        const int ids[] = {o->forecast, o->std, o->lower, o->upper, o->flag};
        for (int f = 0; f < NTK_LAYOUT_FIELDS; f++)
            assert(ntk_schema_begin(s, ids[f]) == p->fields[f].begin);
        assert(ntk_schema_begin(s, o->flagged) == p->flagged.begin);
        for (int t = 0; t < NTK_LAYOUT_TALLIES && p->has_truth; t++)
            assert(ntk_schema_begin(s, o->tallies[t]) == p->tallies[t].begin);
    }
}

struct preface {
    const struct ntk_schema *schema;
    unsigned char *bytes;
};

static enum ntk_status put_coordinate(void *user, int variable, const double *values, size_t n,
                                      struct ntk_error *error)
{
    const struct preface *preface = user;
    (void)error;
    ntk_layout_encode_doubles(values, n,
                              preface->bytes + ntk_schema_begin(preface->schema, variable));
    return NTK_OK;
}

enum ntk_status ntk_interval_layout_create(const struct ntk_archive *archive,
                                           const struct ntk_interval_header *header,
                                           struct ntk_interval_layout *layout,
                                           unsigned char **preface, struct ntk_error *error)
{
    struct ntk_interval_schema schema = {0};
    unsigned char *bytes = NULL;
    size_t header_bytes = 0;
    assert(archive->n_variables <= NTK_LAYOUT_VARIABLES && archive->n_leads <= NTK_LAYOUT_LEADS);
    describe(archive, header, layout);
    enum ntk_status status = ntk_interval_schema_init(&schema, archive, header, 1, error);
    if (!status)
        status = ntk_schema_encode(schema.schema, &bytes, &header_bytes, error);
    if (status)
        goto done;
    layout->header_bytes = header_bytes;
    layout->preface_bytes = ntk_schema_begin(schema.schema, schema.sample_variables[0]);
    if ((status = ntk_interval_layout_place(layout, error)))
        goto done;
    check_places(&schema, layout);
    struct preface made = {schema.schema, realloc(bytes, layout->preface_bytes)};
    if (!made.bytes) {
        status = ntk_fail_memory(error, "coordinates", layout->preface_bytes);
        goto done;
    }
    bytes = made.bytes;
    status = ntk_interval_schema_coordinates(&schema, header->levels, put_coordinate, &made, error);
    if (!status) {
        *preface = bytes;
        bytes = NULL;
    }
done:
    free(bytes);
    ntk_interval_schema_clear(&schema);
    return status;
}

/* ---- values --------------------------------------------------------------------------------- */

static inline __attribute__((always_inline)) void encode_floats(const float *values, size_t n,
                                                                uint32_t fill, uint32_t *to)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        bits = (bits & 0x7fffffff) > 0x7f800000 ? fill : bits; /* not a number */
        to[i] = htobe32(bits);
    }
}

/* The same, for vectors of eight. */
#ifdef __x86_64__
__attribute__((target("avx2"))) static void encode_floats_8(const float *values, size_t n,
                                                            uint32_t fill, uint32_t *to)
{
    encode_floats(values, n, fill, to);
}
#else
#define encode_floats_8 encode_floats
#endif

void ntk_layout_encode_floats(size_t lanes, const float *values, size_t n, void *out)
{
    const float fill_value = NC_FILL_FLOAT;
    uint32_t fill;
    memcpy(&fill, &fill_value, sizeof fill);
    if (lanes >= 8)
        encode_floats_8(values, n, fill, out);
    else
        encode_floats(values, n, fill, out);
}

static uint64_t encode_double(double value)
{
    const double stored = isnan(value) ? NC_FILL_DOUBLE : value;
    uint64_t bits;
    memcpy(&bits, &stored, sizeof bits);
    return htobe64(bits);
}

void ntk_layout_encode_doubles(const double *values, size_t n, void *out)
{
    unsigned char *to = out;
    for (size_t i = 0; i < n; i++) {
        uint64_t bits = encode_double(values[i]);
        memcpy(to + i * sizeof bits, &bits, sizeof bits);
    }
}

double ntk_layout_decode_double(const void *bytes)
{
    uint64_t bits;
    double value;
    memcpy(&bits, bytes, sizeof bits);
    bits = be64toh(bits);
    memcpy(&value, &bits, sizeof value);
    return value == NC_FILL_DOUBLE ? NAN : value;
}

void ntk_layout_encode_count(int64_t value, void *out)
{
    const uint64_t bits = htobe64((uint64_t)value);
    memcpy(out, &bits, sizeof bits);
}

int64_t ntk_layout_decode_count(const void *bytes)
{
    uint64_t bits;
    memcpy(&bits, bytes, sizeof bits);
    return (int64_t)be64toh(bits);
}

/* One of the two is not NULL. */
struct tally_value {
    int64_t *count;
    double *sum;
};

static struct tally_value find_value(struct ntk_tally *tally, int column, size_t plane)
{
    struct ntk_tally_level *level = &tally->levels[plane < NTK_TALLY_LEVELS_MOST ? plane : 0];
    switch (column) {
    case NTK_LAYOUT_VERIFIED:
        return (struct tally_value){.count = &tally->verified};
    case NTK_LAYOUT_ERROR:
        return (struct tally_value){.sum = &tally->sum_error};
    case NTK_LAYOUT_ABSOLUTE_ERROR:
        return (struct tally_value){.sum = &tally->sum_absolute_error};
    case NTK_LAYOUT_SQUARED_ERROR:
        return (struct tally_value){.sum = &tally->sum_squared_error};
    case NTK_LAYOUT_CRPS:
        return (struct tally_value){.sum = &tally->sum_crps};
    case NTK_LAYOUT_VARIANCE:
        return (struct tally_value){.sum = &tally->sum_variance};
    case NTK_LAYOUT_COVERED:
        return (struct tally_value){.count = &level->covered};
    case NTK_LAYOUT_UNBOUNDED:
        return (struct tally_value){.count = &level->unbounded};
    case NTK_LAYOUT_WIDTH:
        return (struct tally_value){.sum = &level->sum_width};
    case NTK_LAYOUT_INTERVAL_SCORE:
        return (struct tally_value){.sum = &level->sum_interval_score};
    default:
        assert(column == NTK_LAYOUT_PIT && plane < NTK_PIT_BINS);
        return (struct tally_value){.count = &tally->pit[plane]};
    }
}

void ntk_layout_encode_tally(const struct ntk_tally *tally, int column, size_t plane,
                             unsigned char *out)
{
    /* Only looked at: find_value serves both ways. */
    const struct tally_value value = find_value((struct ntk_tally *)tally, column, plane);
    if (value.sum)
        ntk_layout_encode_doubles(value.sum, 1, out);
    else
        ntk_layout_encode_count(*value.count, out);
}

void ntk_layout_decode_tally(const unsigned char *bytes, int column, size_t plane,
                             struct ntk_tally *tally)
{
    const struct tally_value value = find_value(tally, column, plane);
    if (value.sum)
        *value.sum = ntk_layout_decode_double(bytes);
    else
        *value.count = ntk_layout_decode_count(bytes);
}
