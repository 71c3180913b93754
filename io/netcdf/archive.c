#include "io/netcdf/archive.h"

#include <assert.h>
#include <netcdf.h>
#include <stdlib.h>
#include <string.h>

#include "io/limits.h"
#include "io/netcdf/findings.h"
#include "io/netcdf/join.h"
#include "io/netcdf/map.h"
#include "io/netcdf/roles.h"
#include "io/netcdf/series.h"
#include "io/netcdf/source.h"

/* ---- closing ------------------------------------------------------------------------------------
 */

static void free_files(struct ntk_archive_files *files, size_t n_variables)
{
    if (!files)
        return;
    ntk_series_clear(&files->features);
    ntk_series_clear(&files->split);
    ntk_series_clear(&files->event);
    ntk_series_clear(&files->covariates);
    ntk_series_clear(&files->features_map);
    for (size_t v = 0; v < n_variables; v++) {
        ntk_series_clear(&files->forecasts[v]);
        ntk_series_clear(&files->truths[v]);
    }
    for (size_t i = 0; i < files->n_sources; i++)
        ntk_source_close(&files->sources[i]);
    free(files->forecasts);
    free(files->truths);
    free(files->sources);
    free(files);
}

static void free_texts(char **texts, size_t n)
{
    for (size_t i = 0; i < n && texts; i++)
        free(texts[i]);
    free(texts);
}

void ntk_archive_free(struct ntk_archive *archive)
{
    if (!archive)
        return;
    free_files(archive->files, archive->n_variables);
    for (size_t l = 0; l < archive->n_leads; l++) {
        free(archive->leads[l].sample);
        free(archive->leads[l].reference_time);
        free(archive->leads[l].split);
        free(archive->leads[l].event);
    }
    free(archive->leads);
    free(archive->variables);
    free(archive->latitude);
    free(archive->longitude);
    free(archive->station_latitude);
    free(archive->station_longitude);
    free_texts(archive->paths, archive->n_files);
    free_texts(archive->formats, archive->n_files);
    free_texts(archive->notes, archive->n_notes);
    free_texts(archive->problems, archive->n_problems);
    free(archive->sha256);
    free(archive->covariate_names);
    free(archive);
}

/* ---- opening ------------------------------------------------------------------------------------
 */

static enum ntk_status create_archive(const char *const *paths, size_t n_paths,
                                      const struct ntk_archive_options *options,
                                      struct ntk_archive **out, struct ntk_error *error)
{
    const char *features = options->features_name ? options->features_name : "features";
    if (strlen(features) >= NTK_NAME_SIZE)
        return ntk_fail(error, NTK_USAGE,
                        "the name of the features has %zu characters; at most %d "
                        "were expected",
                        strlen(features), NTK_NAME_SIZE - 1);
    struct ntk_archive *made = calloc(1, sizeof *made);
    if (!made)
        return ntk_fail_memory(error, "an archive", sizeof *made);
    strcpy(made->features_name, features);
    made->n_files = n_paths;
    made->paths = calloc(n_paths, sizeof *made->paths);
    made->formats = calloc(n_paths, sizeof *made->formats);
    made->sha256 = calloc(n_paths, sizeof *made->sha256);
    made->files = calloc(1, sizeof *made->files);
    if (made->files)
        made->files->sources = calloc(n_paths, sizeof *made->files->sources);
    int complete =
        made->paths && made->formats && made->sha256 && made->files && made->files->sources;
    for (size_t i = 0; i < n_paths && complete; i++)
        complete = (made->paths[i] = strdup(paths[i])) != NULL;
    if (!complete) {
        ntk_archive_free(made);
        return ntk_fail_memory(error, "an archive", n_paths * sizeof *made->files->sources);
    }
    *out = made;
    return NTK_OK;
}

static enum ntk_status open_sources(struct ntk_archive *archive, int no_digest,
                                    struct ntk_error *error)
{
    enum ntk_status status = NTK_OK;
    for (size_t i = 0; i < archive->n_files && !status; i++) {
        struct ntk_source *source = &archive->files->sources[archive->files->n_sources++];
        const char *format = NULL;
        status = ntk_source_open(source, archive->paths[i], archive, &format, error);
        if (!status && !no_digest)
            status = ntk_digest_file(archive->paths[i], archive->sha256[i], error);
        if (!status && !(archive->formats[i] = strdup(format)))
            status = ntk_fail_memory(error, "the name of a format", strlen(format));
    }
    return status;
}

static void cache_series(const struct ntk_series *series, size_t bytes)
{
    const size_t largest = (size_t)64 << 20;
    for (size_t i = 0; i < series->n_pieces; i++)
        ntk_field_set_cache(&series->pieces[i].field, bytes, largest);
}

/* Unpacked chunks of all variables together may take this much memory, or one chunk of each. */
static void set_fixed_caches(const struct ntk_archive *archive)
{
    const size_t budget = (size_t)256 << 20;
    const struct ntk_archive_files *files = archive->files;
    size_t pieces = files->features.n_pieces + files->features_map.n_pieces + 1;
    for (size_t v = 0; v < archive->n_variables; v++)
        pieces += files->forecasts[v].n_pieces + files->truths[v].n_pieces;
    cache_series(&files->features, budget / pieces);
    cache_series(&files->features_map, budget / pieces);
    for (size_t v = 0; v < archive->n_variables; v++) {
        cache_series(&files->forecasts[v], budget / pieces);
        cache_series(&files->truths[v], budget / pieces);
    }
}

/* What reading some samples at all leads unpacks, gathered over the fields. A layer is the chunks
 * that one sample touches. */
struct layers {
    size_t fields, samples, most; /* samples: common multiple of the chunks', and the most of one */
    int span_leads;               /* a chunk has several leads, and is met once for each */
    size_t chunk;                 /* bytes of the largest */
    size_t cached, bytes;         /* of the layers that hold so many samples */
};

static size_t common_divisor(size_t a, size_t b)
{
    while (b) {
        size_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static void add_layer(const struct ntk_field *field, size_t limit, struct layers *layers)
{
    size_t chunk, bytes, extents[NTK_FIELD_RANK];
    ntk_field_chunk_bytes(field, &chunk, &bytes);
    if (chunk == 0)
        return;
    ntk_field_chunk(field, extents);
    size_t samples = extents[0];
    layers->fields++;
    layers->span_leads |= field->has_lead && extents[1] > 1;
    layers->chunk = chunk > layers->chunk ? chunk : layers->chunk;
    layers->most = samples > layers->most ? samples : layers->most;
    if (!ntk_size_multiply(layers->samples / common_divisor(layers->samples, samples), samples,
                           &layers->samples))
        layers->samples = SIZE_MAX;
    if (!ntk_size_multiply(bytes, (layers->cached + samples - 1) / samples, &bytes) ||
        __builtin_add_overflow(layers->bytes, bytes, &layers->bytes))
        layers->bytes = SIZE_MAX;
    if (limit)
        ntk_field_set_cache(field, bytes < limit ? bytes : limit, limit);
}

/* All fields that are read block by block; with a limit, the cache of each is set, to its layers
 * and at most that. */
static struct layers add_layers(const struct ntk_archive *archive, size_t cached, size_t limit)
{
    const struct ntk_archive_files *files = archive->files;
    struct layers layers = {.samples = 1, .most = 1, .cached = cached};
    for (size_t i = 0; i < files->features.n_pieces; i++)
        add_layer(&files->features.pieces[i].field, limit, &layers);
    for (size_t i = 0; i < files->covariates.n_pieces; i++)
        add_layer(&files->covariates.pieces[i].field, limit, &layers);
    for (size_t v = 0; v < archive->n_variables; v++) {
        for (size_t i = 0; i < files->forecasts[v].n_pieces; i++)
            add_layer(&files->forecasts[v].pieces[i].field, limit, &layers);
        for (size_t i = 0; i < files->truths[v].n_pieces; i++)
            add_layer(&files->truths[v].pieces[i].field, limit, &layers);
    }
    return layers;
}

/* Caches that hold the chunks of some samples until all leads were read; where they do not fit, as
 * much as fits of each. */
static void set_caches(struct ntk_archive *archive, size_t budget)
{
    const size_t few = 16; /* samples worth reading at a time */
    struct layers layers = add_layers(archive, 1, 0);
    archive->chunk_samples = layers.samples <= 4 * layers.most ? layers.samples : layers.most;
    if (!budget) {
        set_fixed_caches(archive);
        return;
    }
    size_t cached = archive->chunk_samples;
    if (layers.span_leads && cached < few)
        cached *= (few + cached - 1) / cached;
    layers = add_layers(archive, cached, 0);
    if (layers.bytes > budget)
        layers = add_layers(archive, cached = archive->chunk_samples, 0);
    size_t limit = layers.bytes <= budget ? budget : budget / (layers.fields + 1);
    add_layers(archive, cached, limit ? limit : 1);
    archive->cached_samples = layers.span_leads ? cached : 0;
    archive->chunk_bytes = layers.bytes < budget ? layers.bytes : budget;
    if (layers.chunk > (SIZE_MAX - archive->chunk_bytes) / 2)
        archive->chunk_bytes = SIZE_MAX;
    else
        archive->chunk_bytes += 2 * layers.chunk;
}

enum ntk_status ntk_archive_scan(const char *const *paths, size_t n_paths,
                                 const struct ntk_archive_options *options,
                                 struct ntk_archive **out, struct ntk_error *error)
{
    static const struct ntk_archive_options defaults;
    struct ntk_archive *made = NULL;
    enum ntk_status status = ntk_units_load(error);
    if (!options)
        options = &defaults;
    if (!status && (n_paths == 0 || n_paths > ntk_limits.archive_files))
        status = ntk_fail(error, NTK_USAGE, "%zu archive files were given; 1 to %zu were expected",
                          n_paths, ntk_limits.archive_files);
    if (!status)
        status = create_archive(paths, n_paths, options, &made, error);
    if (!status)
        status = open_sources(made, options->no_digest, error);
    if (!status)
        status = ntk_roles_assign(made, options, error);
    if (!status)
        set_caches(made, options->cache_bytes);
    if (!status)
        status = ntk_join(made, error);
    if (!status && made->files->out_of_memory)
        status = ntk_fail_memory(error, "notes on an archive", NTK_REASON_SIZE);
    if (status)
        ntk_archive_free(made);
    else
        *out = made;
    return status;
}

static enum ntk_status refuse_problems(const struct ntk_archive *archive, struct ntk_error *error)
{
    if (archive->n_problems == 0)
        return NTK_OK;
    return ntk_fail(error, NTK_BAD_DATA, "%s", archive->problems[0]);
}

enum ntk_status ntk_archive_open(const char *const *paths, size_t n_paths,
                                 const struct ntk_archive_options *options,
                                 struct ntk_archive **out, struct ntk_error *error)
{
    struct ntk_archive *made = NULL;
    enum ntk_status status = ntk_archive_scan(paths, n_paths, options, &made, error);
    if (!status)
        status = refuse_problems(made, error);
    if (status)
        ntk_archive_free(made);
    else
        *out = made;
    return status;
}

/* ---- reading
 * ------------------------------------------------------------------------------------- */

enum ntk_status ntk_archive_read_features(const struct ntk_archive *archive, size_t lead,
                                          size_t first, size_t count, double *out,
                                          struct ntk_error *error)
{
    assert(lead < archive->n_leads);
    enum ntk_status status = refuse_problems(archive, error);
    if (status)
        return status;
    return ntk_series_read(&archive->files->features, archive, lead, first, count, out, NULL,
                           error);
}

enum ntk_status ntk_archive_read_covariates(const struct ntk_archive *archive, size_t lead,
                                            size_t first, size_t count, double *out,
                                            struct ntk_error *error)
{
    assert(lead < archive->n_leads);
    const struct ntk_series *series = &archive->files->covariates;
    enum ntk_status status = refuse_problems(archive, error);
    if (status)
        return status;
    if (series->n_pieces == 0)
        return ntk_fail(error, NTK_BAD_DATA, "there are no covariates in the archive");
    return ntk_series_read(series, archive, lead, first, count, out, NULL, error);
}

enum ntk_status ntk_archive_read_features_map(const struct ntk_archive *archive, size_t lead,
                                              size_t row, size_t first_point, size_t n_points,
                                              float *out, struct ntk_error *error)
{
    assert(lead < archive->n_leads && row < archive->leads[lead].n);
    const struct ntk_series *series = &archive->files->features_map;
    enum ntk_status status = refuse_problems(archive, error);
    if (status)
        return status;
    if (series->n_pieces == 0)
        return ntk_fail(error, NTK_BAD_DATA, "there is no features_map in the archive");
    assert(first_point <= archive->map_points && n_points <= archive->map_points - first_point);
    struct ntk_where where = ntk_series_locate(series, &archive->leads[lead], row);
    const struct ntk_piece *piece = &series->pieces[where.piece];
    size_t file_lead = piece->field.has_lead ? piece->source->lead_order[lead] : 0;
    return ntk_map_read(&piece->field, file_lead, where.sample, first_point, n_points, out, error);
}

enum ntk_status ntk_archive_read_variable(const struct ntk_archive *archive, size_t lead,
                                          size_t variable, int truth, size_t first, size_t count,
                                          float *out, struct ntk_error *error)
{
    assert(lead < archive->n_leads && variable < archive->n_variables);
    const struct ntk_archive_files *files = archive->files;
    enum ntk_status status = refuse_problems(archive, error);
    if (status)
        return status;
    if (truth && files->truths[variable].n_pieces == 0)
        return ntk_fail(error, NTK_BAD_DATA, "there is no %s_truth in the archive",
                        archive->variables[variable].name);
    return ntk_series_read(truth ? &files->truths[variable] : &files->forecasts[variable], archive,
                           lead, first, count, NULL, out, error);
}
