/* A file has features(feature, latitude, longitude), a matrix product wants (point, feature).
 *
 * The points asked for are up to three boxes: the end of a first latitude, whole latitudes, the
 * beginning of a last one. A box is read in blocks of some features by some latitudes, features
 * outermost, so that a file without chunks is read from its beginning to its end. A block ends
 * where a chunk ends, so no chunk is unpacked twice for one box. Each block is then transposed in
 * tiles: lines of a block are a power of two apart often enough that a few of them must do.
 */
#include "io/netcdf/map.h"

#include <stdlib.h>

enum { TILE_POINTS = 64, TILE_FEATURES = 8, LEAST_FEATURES = 16 };
static const size_t block_values = (size_t)8 << 20;

struct box {
    size_t latitude, n_latitude, longitude, n_longitude;
};

struct block {
    size_t features, latitudes; /* at most */
    size_t step;                /* it ends at a multiple of so many latitudes */
};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The next multiple of `step`, at most `bound`. */
static size_t round_up(size_t value, size_t step, size_t bound)
{
    size_t rest = value % step, missing = rest ? step - rest : 0;
    return value < bound && missing < bound - value ? value + missing : bound;
}

/* As many features as fit for the whole box, or a cache line of them; then as many latitudes. */
static struct block plan_block(const struct ntk_field *field, const struct box *box)
{
    size_t chunk[NTK_FIELD_RANK], d = field->extent[field->rank - 3];
    size_t features = block_values / (box->n_latitude * box->n_longitude);
    ntk_field_chunk(field, chunk);
    features =
        round_up(features < LEAST_FEATURES ? LEAST_FEATURES : features, chunk[field->rank - 3], d);
    size_t latitudes = block_values / (features * box->n_longitude);
    latitudes = round_up(latitudes ? latitudes : 1, chunk[field->rank - 2], box->n_latitude);
    return (struct block){features, latitudes, chunk[field->rank - 2]};
}

/* out[p * d + f] = block[f * points + p] */
static void transpose(const float *block, size_t features, size_t points, float *out, size_t d)
{
    for (size_t p0 = 0; p0 < points; p0 += TILE_POINTS) {
        size_t p1 = least(p0 + TILE_POINTS, points);
        for (size_t f0 = 0; f0 < features; f0 += TILE_FEATURES) {
            size_t f1 = least(f0 + TILE_FEATURES, features);
            for (size_t p = p0; p < p1; p++)
                for (size_t f = f0; f < f1; f++)
                    out[p * d + f] = block[f * points + p];
        }
    }
}

/* Where a block that begins at `latitude` ends: at the end of a chunk, or of the box. */
static size_t end_of_block(const struct block *block, const struct box *box, size_t latitude)
{
    size_t end = box->latitude + box->n_latitude;
    if (block->latitudes >= end - latitude)
        return end;
    return (latitude + block->latitudes) / block->step * block->step; /* latitudes >= step */
}

static enum ntk_status read_box(const struct ntk_field *field, size_t lead, size_t sample,
                                const struct box *box, float *out, struct ntk_error *error)
{
    size_t d = field->extent[field->rank - 3], stop = box->latitude + box->n_latitude;
    struct block block = plan_block(field, box);
    enum ntk_status status = NTK_OK;
    /* No more than the row has, whose size is checked when the field is made. */
    size_t values = block.features * block.latitudes * box->n_longitude;
    float *buffer = malloc(values * sizeof *buffer);
    if (!buffer)
        return ntk_fail_memory(error, "a block of features", values * sizeof *buffer);
    for (size_t f = 0; f < d && !status; f += block.features) {
        for (size_t y = box->latitude, end; y < stop && !status; y = end) {
            end = end_of_block(&block, box, y);
            const size_t start[] = {f, y, box->longitude};
            const size_t count[] = {least(block.features, d - f), end - y, box->n_longitude};
            status = ntk_field_read_part(field, lead, sample, start, count, buffer, error);
            if (!status)
                transpose(buffer, count[0], count[1] * count[2],
                          out + (y - box->latitude) * box->n_longitude * d + f, d);
        }
    }
    free(buffer);
    return status;
}

/* The box at the beginning of n points: the rest of a latitude, whole ones, or part of one. */
static struct box first_box(size_t width, size_t first, size_t n)
{
    size_t latitude = first / width, longitude = first % width;
    if (longitude == 0 && n >= width)
        return (struct box){latitude, n / width, 0, width};
    return (struct box){latitude, 1, longitude, least(n, width - longitude)};
}

enum ntk_status ntk_map_read(const struct ntk_field *field, size_t lead, size_t sample,
                             size_t first, size_t n, float *out, struct ntk_error *error)
{
    size_t d = field->extent[field->rank - 3], width = field->extent[field->rank - 1];
    enum ntk_status status = NTK_OK;
    for (size_t done = 0; done < n && !status;) {
        struct box box = first_box(width, first + done, n - done);
        status = read_box(field, lead, sample, &box, out + done * d, error);
        done += box.n_latitude * box.n_longitude;
    }
    return status;
}
