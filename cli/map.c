#include "cli/map.h"

#include <stdlib.h>

#include "core/posterior_batch.h"

/* Bytes of features read at a time: a band of the map. */
static const size_t band_bytes = (size_t)64 << 20;

struct ntk_map {
    const struct ntk_archive *archive;
    struct ntk_posterior_batch *batch;
    size_t capacity; /* points a band */
    float *features; /* capacity x d */
};

int ntk_map_fits(const struct ntk_archive *archive, size_t d)
{
    return archive->map_points > 0 && archive->map_d == d;
}

void ntk_map_free(struct ntk_map *map)
{
    if (!map)
        return;
    ntk_posterior_batch_free(map->batch);
    free(map->features);
    free(map);
}

static size_t points_of_band(const struct ntk_archive *archive)
{
    size_t capacity = band_bytes / (archive->map_d * sizeof(float));
    capacity = capacity < 1 ? 1 : capacity;
    return capacity < archive->map_points ? capacity : archive->map_points;
}

/* A band, as much again (three times, of the rarer types) while it is read, and a posterior in
 * double and in float32. */
size_t ntk_map_bytes(const struct ntk_archive *archive, const struct ntk_posterior *posterior)
{
    size_t band = points_of_band(archive) * archive->map_d * sizeof(float);
    return 4 * band + (posterior->k + 4) * posterior->d * 12;
}

enum ntk_status ntk_map_create(const struct ntk_archive *archive,
                               const struct ntk_posterior *posterior, struct ntk_map **out,
                               struct ntk_error *error)
{
    size_t row_bytes = archive->map_d * sizeof(float), capacity = points_of_band(archive);
    struct ntk_map *made = calloc(1, sizeof *made);
    if (made) {
        made->archive = archive;
        made->capacity = capacity;
        made->features = malloc(capacity * row_bytes);
    }
    if (!made || !made->features) {
        ntk_map_free(made);
        return ntk_fail_memory(error, "a map of features", capacity * row_bytes);
    }
    enum ntk_status status = ntk_posterior_batch_create(posterior, &made->batch, error);
    if (status)
        ntk_map_free(made);
    else
        *out = made;
    return status;
}

enum ntk_status ntk_map_sigma(struct ntk_map *map, size_t lead, size_t row, float *sigma,
                              struct ntk_error *error)
{
    size_t points = map->archive->map_points;
    for (size_t first = 0; first < points; first += map->capacity) {
        size_t count = points - first < map->capacity ? points - first : map->capacity;
        enum ntk_status status = ntk_archive_read_features_map(map->archive, lead, row, first,
                                                               count, map->features, error);
        if (status)
            return status;
        ntk_posterior_batch_sigma(map->batch, map->features, count, sigma + first);
    }
    return NTK_OK;
}
