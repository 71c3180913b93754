#include "cli/map.h"

#include <math.h>
#include <stdlib.h>

/* Bytes of features read at a time: a band of the map. */
static const size_t band_bytes = (size_t)64 << 20;

struct ntk_map {
    const struct ntk_archive *archive;
    const struct ntk_posterior *posterior;
    size_t capacity; /* points a band */
    float *features; /* capacity x d */
    double *work;
};

int ntk_map_fits(const struct ntk_archive *archive, size_t d)
{
    return archive->map_points > 0 && archive->map_d == d;
}

void ntk_map_free(struct ntk_map *map)
{
    if (!map)
        return;
    free(map->features);
    free(map->work);
    free(map);
}

enum ntk_status ntk_map_create(const struct ntk_archive *archive,
                               const struct ntk_posterior *posterior, struct ntk_map **out,
                               struct ntk_error *error)
{
    size_t row_bytes = archive->map_d * sizeof(float), capacity = band_bytes / row_bytes;
    struct ntk_map *made = calloc(1, sizeof *made);
    capacity = capacity < 1 ? 1 : capacity;
    capacity = capacity < archive->map_points ? capacity : archive->map_points;
    if (made) {
        made->archive = archive;
        made->posterior = posterior;
        made->capacity = capacity;
        made->features = malloc(capacity * row_bytes);
        made->work = ntk_matrix_create(1, ntk_posterior_work_size(posterior));
    }
    if (!made || !made->features || !made->work) {
        ntk_map_free(made);
        return ntk_fail_memory(error, "a map of features", capacity * row_bytes);
    }
    *out = made;
    return NTK_OK;
}

static int is_finite_row(const float *features, size_t d)
{
    for (size_t j = 0; j < d; j++) {
        if (!isfinite(features[j]))
            return 0;
    }
    return 1;
}

static void eval_band(struct ntk_map *map, size_t count, float *sigma)
{
    size_t d = map->archive->map_d;
    for (size_t p = 0; p < count; p++) {
        struct ntk_variance variance = {.sigma = NAN};
        const float *features = map->features + p * d;
        if (is_finite_row(features, d))
            ntk_posterior_eval_f32(map->posterior, features, map->work, &variance);
        sigma[p] = (float)variance.sigma;
    }
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
        eval_band(map, count, sigma + first);
    }
    return NTK_OK;
}
