#include "io/netcdf/roles.h"

#include <assert.h>
#include <netcdf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/limits.h"
#include "io/netcdf/candidate.h"
#include "io/netcdf/coordinates.h"
#include "io/netcdf/extras.h"
#include "io/netcdf/findings.h"
#include "io/netcdf/series.h"

/* ---- shapes --------------------------------------------------------------------------------- */

struct shape {
    int has_lead;
    enum ntk_place place;
};

/* Is it (sample[, lead][, latitude, longitude | station])? */
static int has_field_shape(const struct ntk_found *found, struct shape *out)
{
    const int *at = found->dimensions;
    if (found->rank < 1 || found->rank > NTK_FIELD_RANK || at[0] != NTK_DIMENSION_SAMPLE)
        return 0;
    struct shape shape = {.has_lead = found->rank > 1 && at[1] == NTK_DIMENSION_LEAD};
    int rest = found->rank - 1 - shape.has_lead;
    at += 1 + shape.has_lead;
    if (rest == 1 && at[0] == NTK_DIMENSION_STATION)
        shape.place = NTK_PLACE_STATION;
    else if (rest == 2 && at[0] == NTK_DIMENSION_LATITUDE && at[1] == NTK_DIMENSION_LONGITUDE)
        shape.place = NTK_PLACE_GRID;
    else if (rest != 0)
        return 0;
    *out = shape;
    return 1;
}

/* ---- names ---------------------------------------------------------------------------------- */

static int ends_with(const char *name, const char *suffix)
{
    size_t length = strlen(name), tail = strlen(suffix);
    return length > tail && strcmp(name + length - tail, suffix) == 0;
}

/* Names that have a role of their own, and are no forecast whatever their shape. */
static int is_reserved(const struct ntk_candidate *it)
{
    static const char *const names[] = {"features",
                                        "forecast_reference_time",
                                        "forecast_period",
                                        "event",
                                        "covariates",
                                        "latitude",
                                        "longitude",
                                        "features_map",
                                        "station",
                                        "sample",
                                        "lead",
                                        "station_latitude",
                                        "feature",
                                        "station_longitude",
                                        "covariate"};
    const char *name = it->found->name;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return 1;
    return it->found == ntk_extras_find_names(it->source) ||
           strncmp(name, "split", strlen("split")) == 0 ||
           strcmp(name, it->archive->features_name) == 0 ||
           (it->options->split_name && strcmp(name, it->options->split_name) == 0);
}

static int has_truth_somewhere(const struct ntk_archive *archive, const char *name)
{
    char truth[NTK_NAME_SIZE + 8];
    strcpy(truth, name);
    strcat(truth, "_truth");
    for (size_t i = 0; i < archive->files->n_sources; i++)
        if (ntk_source_find(&archive->files->sources[i], truth))
            return 1;
    return 0;
}

static size_t find_variable(const struct ntk_archive *archive, const char *name, size_t length)
{
    size_t i = 0;
    while (i < archive->n_variables && (strlen(archive->variables[i].name) != length ||
                                        strncmp(archive->variables[i].name, name, length) != 0))
        i++;
    return i; /* n_variables: none */
}

/* ---- features ------------------------------------------------------------------------------- */

static enum ntk_status compare_feature_attributes(const struct ntk_candidate *it)
{
    struct ntk_archive *a = it->archive;
    const struct {
        const char *name;
        char *kept;
    } attributes[] = {{"ntkuq__model", a->model},
                      {"ntkuq__layer", a->layer},
                      {"ntkuq__aggregation", a->aggregation},
                      {"ntkuq__checkpoint_sha256", a->checkpoint_sha256}};
    char text[NTK_NAME_SIZE];
    int present;
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++) {
        enum ntk_status status = ntk_candidate_text(it, attributes[i].name, text, &present);
        if (status)
            return status;
        if (present && !*attributes[i].kept)
            strcpy(attributes[i].kept, text);
        else if (present && strcmp(attributes[i].kept, text) != 0)
            ntk_problem(a, it->source, "%s has %s '%s', in another file '%s'", it->found->name,
                        attributes[i].name, text, attributes[i].kept);
    }
    return NTK_OK;
}

static enum ntk_status add_features(const struct ntk_candidate *it, struct ntk_error *error)
{
    struct ntk_series *series = &it->archive->files->features;
    int added;
    enum ntk_status status =
        ntk_candidate_add_rows(it, series, "feature", &it->archive->d, &added, error);
    if (status || !added)
        return status;
    if ((status = ntk_candidate_check_units_one(it)) || (status = compare_feature_attributes(it)))
        return ntk_fail_memory(error, "an attribute", NTK_NAME_SIZE);
    return NTK_OK;
}

static enum ntk_status assign_features(struct ntk_candidate *it, struct ntk_error *error)
{
    struct ntk_archive *archive = it->archive;
    int seen = 0;
    enum ntk_status status = NTK_OK;
    for (size_t i = 0; i < archive->files->n_sources && !status; i++) {
        it->source = &archive->files->sources[i];
        it->found = ntk_source_find(it->source, archive->features_name);
        seen |= it->found != NULL;
        if (it->found)
            status = add_features(it, error);
    }
    if (!seen)
        ntk_problem(archive, NULL,
                    "there is no variable %s(sample[, lead], feature); --features NAME takes "
                    "another one",
                    archive->features_name);
    return status;
}

/* ---- forecasts ------------------------------------------------------------------------------- */

/* What units and standard_name say of a variable. */
struct meaning {
    char units[NTK_NAME_SIZE], standard_name[NTK_NAME_SIZE];
    int has_units, has_standard_name;
};

static enum ntk_status read_meaning(const struct ntk_candidate *it, struct meaning *out)
{
    enum ntk_status status = ntk_candidate_text(it, "units", out->units, &out->has_units);
    if (!status)
        status =
            ntk_candidate_text(it, "standard_name", out->standard_name, &out->has_standard_name);
    out->has_units = out->has_units && *out->units;
    out->has_standard_name = out->has_standard_name && *out->standard_name;
    return status;
}

/* Notes why a variable is no forecast; 0 when it is one. */
static int is_left_alone(const struct ntk_candidate *it, const struct meaning *meaning,
                         struct shape *shape)
{
    const char *name = it->found->name;
    char dimensions[NTK_REASON_SIZE];
    size_t n_lead = it->source->lengths[NTK_DIMENSION_LEAD];
    ntk_source_format_shape(it->source, it->found, dimensions, sizeof dimensions);
    if (it->found->type == NC_CHAR || it->found->type == NC_STRING)
        ntk_note(it->archive, it->source, "%s: ignored, it is text", name);
    else if (!has_field_shape(it->found, shape))
        ntk_note(it->archive, it->source,
                 "%s: ignored, its dimensions are %s; (sample[, lead][, latitude, longitude | "
                 "station]) would be a forecast",
                 name, dimensions);
    else if (meaning->has_units && ntk_units_is_date(meaning->units))
        ntk_note(it->archive, it->source, "%s: ignored, it is a time", name);
    else if (!shape->has_lead && n_lead > 1)
        ntk_note(it->archive, it->source,
                 "%s: ignored, its dimensions are %s without lead, and there are %zu lead times",
                 name, dimensions, n_lead);
    else if (!meaning->has_units && !meaning->has_standard_name &&
             !has_truth_somewhere(it->archive, name))
        ntk_note(it->archive, it->source, "%s: ignored, it has neither standard_name nor units",
                 name);
    else
        return 0;
    return 1;
}

static void check_meaning(const struct ntk_candidate *it, const struct meaning *meaning)
{
    const char *name = it->found->name;
    if (!meaning->has_units)
        ntk_problem(it->archive, it->source, "%s has no units", name);
    else if (!ntk_units_known(meaning->units))
        ntk_problem(it->archive, it->source, "%s has units '%s', which udunits does not know", name,
                    meaning->units);
    if (!meaning->has_standard_name)
        ntk_problem(it->archive, it->source, "%s has no standard_name", name);
    if (it->source->period == NTK_PERIOD_NONE)
        ntk_problem(it->archive, it->source, "%s has no lead time: there is no forecast_period",
                    name);
}

/* The variable seen in an earlier file must be the same one. */
static void compare_variable(const struct ntk_candidate *it, const struct meaning *meaning,
                             const struct shape *shape, const struct ntk_archive_variable *first)
{
    const char *name = it->found->name;
    if (meaning->has_units && strcmp(meaning->units, first->units) != 0 &&
        !ntk_units_equal(meaning->units, first->units))
        ntk_problem(it->archive, it->source, "%s has units '%s', in another file '%s'", name,
                    meaning->units, first->units);
    if (meaning->has_standard_name && strcmp(meaning->standard_name, first->standard_name) != 0)
        ntk_problem(it->archive, it->source, "%s has standard_name '%s', in another file '%s'",
                    name, meaning->standard_name, first->standard_name);
    if (shape->place != first->place)
        ntk_candidate_refuse_shape(it, "the same shape as in another file");
}

static enum ntk_status grow_variables(struct ntk_archive *archive, struct ntk_error *error)
{
    struct ntk_archive_files *files = archive->files;
    size_t n = archive->n_variables + 1;
    if (n > ntk_limits.variables)
        return ntk_fail(error, NTK_BAD_DATA, "there are more than %zu forecast variables",
                        ntk_limits.variables);
    void *variables = realloc(archive->variables, n * sizeof *archive->variables);
    if (variables)
        archive->variables = variables;
    void *forecasts = realloc(files->forecasts, n * sizeof *files->forecasts);
    if (forecasts)
        files->forecasts = forecasts;
    void *truths = realloc(files->truths, n * sizeof *files->truths);
    if (truths)
        files->truths = truths;
    if (!variables || !forecasts || !truths)
        return ntk_fail_memory(error, "forecast variables", n * sizeof *archive->variables);
    archive->variables[n - 1] = (struct ntk_archive_variable){.points = 0};
    files->forecasts[n - 1] = files->truths[n - 1] = (struct ntk_series){0};
    archive->n_variables = n;
    return NTK_OK;
}

static enum ntk_status find_or_add_variable(const struct ntk_candidate *it,
                                            const struct meaning *meaning,
                                            const struct shape *shape, size_t *out,
                                            struct ntk_error *error)
{
    struct ntk_archive *archive = it->archive;
    size_t v = find_variable(archive, it->found->name, strlen(it->found->name));
    if (v < archive->n_variables) {
        compare_variable(it, meaning, shape, &archive->variables[v]);
        *out = v;
        return NTK_OK;
    }
    enum ntk_status status = grow_variables(archive, error);
    if (status)
        return status;
    struct ntk_archive_variable *variable = &archive->variables[v];
    strcpy(variable->name, it->found->name);
    strcpy(variable->units, meaning->units);
    strcpy(variable->standard_name, meaning->standard_name);
    variable->place = shape->place;
    *out = v;
    return NTK_OK;
}

static void check_points(const struct ntk_candidate *it, struct ntk_archive_variable *variable,
                         size_t points)
{
    if (points == 0)
        ntk_problem(it->archive, it->source, "%s has no values: one of its dimensions is 0",
                    it->found->name);
    else if (variable->points == 0)
        variable->points = points;
    else if (variable->points != points)
        ntk_problem(it->archive, it->source, "%s has %zu points, in another file %zu",
                    it->found->name, points, variable->points);
}

static enum ntk_status add_forecast(const struct ntk_candidate *it, struct ntk_error *error)
{
    struct ntk_archive *archive = it->archive;
    struct meaning meaning;
    struct shape shape;
    size_t v;
    int added;
    enum ntk_status status = read_meaning(it, &meaning);
    if (status)
        return ntk_fail_memory(error, "an attribute", NTK_NAME_SIZE);
    if (is_left_alone(it, &meaning, &shape))
        return NTK_OK;
    check_meaning(it, &meaning);
    if ((status = find_or_add_variable(it, &meaning, &shape, &v, error)) ||
        (status = ntk_candidate_add(it, &archive->files->forecasts[v], shape.has_lead, NULL, &added,
                                    error)))
        return status;
    if (!added)
        return NTK_OK;
    const struct ntk_series *series = &archive->files->forecasts[v];
    check_points(it, &archive->variables[v], series->pieces[series->n_pieces - 1].field.points);
    return NTK_OK;
}

/* Calls `assign` for every variable of every file. */
static enum ntk_status for_each_variable(struct ntk_candidate *it,
                                         enum ntk_status (*assign)(const struct ntk_candidate *it,
                                                                   struct ntk_error *error),
                                         struct ntk_error *error)
{
    const struct ntk_archive_files *files = it->archive->files;
    enum ntk_status status = NTK_OK;
    for (size_t i = 0; i < files->n_sources && !status; i++) {
        it->source = &files->sources[i];
        for (size_t j = 0; j < it->source->n_found && !status; j++) {
            it->found = &it->source->found[j];
            status = assign(it, error);
        }
    }
    return status;
}

static enum ntk_status assign_forecast(const struct ntk_candidate *it, struct ntk_error *error)
{
    const char *name = it->found->name;
    if (is_reserved(it) || ends_with(name, "_truth"))
        return NTK_OK;
    return add_forecast(it, error);
}

static int series_has(const struct ntk_series *series, const struct ntk_source *source)
{
    for (size_t i = 0; i < series->n_pieces; i++)
        if (series->pieces[i].source == source)
            return 1;
    return 0;
}

/* Has the file a forecast at such places, or features on the grid? */
static int has_values_at(const struct ntk_archive *archive, const struct ntk_source *source,
                         enum ntk_place place)
{
    for (size_t v = 0; v < archive->n_variables; v++)
        if (archive->variables[v].place == place &&
            series_has(&archive->files->forecasts[v], source))
            return 1;
    return place == NTK_PLACE_GRID && series_has(&archive->files->features_map, source);
}

static enum ntk_status take_coordinates(struct ntk_archive *archive, struct ntk_error *error)
{
    static const enum ntk_place places[] = {NTK_PLACE_GRID, NTK_PLACE_STATION};
    enum ntk_status status = NTK_OK;
    for (size_t i = 0; i < archive->files->n_sources; i++)
        for (size_t p = 0; p < 2 && !status; p++)
            if (has_values_at(archive, &archive->files->sources[i], places[p]))
                status =
                    ntk_coordinates_take(archive, &archive->files->sources[i], places[p], error);
    return status;
}

/* ---- truths ---------------------------------------------------------------------------------- */

/* NULL when the truth has the forecast's units already. */
static enum ntk_status truth_conversion(const struct ntk_candidate *it,
                                        const struct ntk_archive_variable *variable,
                                        struct ntk_conversion **out, int *usable,
                                        struct ntk_error *error)
{
    struct meaning meaning;
    struct ntk_error why;
    *usable = 0;
    enum ntk_status status = read_meaning(it, &meaning);
    if (status)
        return ntk_fail_memory(error, "an attribute", NTK_NAME_SIZE);
    if (!meaning.has_units) {
        ntk_problem(it->archive, it->source, "%s has no units", it->found->name);
        return NTK_OK;
    }
    *usable = 1;
    if (ntk_units_equal(meaning.units, variable->units) || !ntk_units_known(variable->units))
        return NTK_OK;
    status = ntk_conversion_create(meaning.units, variable->units, out, &why);
    if (status == NTK_BAD_DATA) {
        ntk_problem(it->archive, it->source, "%s cannot be compared with %s: %s", it->found->name,
                    variable->name, why.text);
        *usable = 0;
        return NTK_OK;
    }
    return status ? ntk_fail(error, status, "%s", why.text) : NTK_OK;
}

static enum ntk_status add_truth(const struct ntk_candidate *it, size_t v, struct ntk_error *error)
{
    struct ntk_archive *archive = it->archive;
    struct ntk_archive_variable *variable = &archive->variables[v];
    const struct ntk_series *forecasts = &archive->files->forecasts[v];
    struct ntk_series *truths = &archive->files->truths[v];
    struct ntk_conversion *conversion = NULL;
    struct shape shape;
    int usable, added;
    variable->has_truth = 1;
    if (forecasts->n_pieces == 0)
        return NTK_OK; /* its forecast has a problem of its own */
    if (!has_field_shape(it->found, &shape) || shape.place != variable->place ||
        shape.has_lead != forecasts->pieces[0].field.has_lead) {
        char expected[2 * NTK_NAME_SIZE];
        snprintf(expected, sizeof expected, "the shape of %s", variable->name);
        ntk_candidate_refuse_shape(it, expected);
        return NTK_OK;
    }
    enum ntk_status status = truth_conversion(it, variable, &conversion, &usable, error);
    if (status || !usable)
        return status;
    status = ntk_candidate_add(it, truths, shape.has_lead, conversion, &added, error);
    if (!status && added)
        check_points(it, variable, truths->pieces[truths->n_pieces - 1].field.points);
    return status;
}

static enum ntk_status assign_truth(const struct ntk_candidate *it, struct ntk_error *error)
{
    const char *name = it->found->name;
    if (!ends_with(name, "_truth") || is_reserved(it))
        return NTK_OK;
    size_t stem = strlen(name) - strlen("_truth");
    size_t v = find_variable(it->archive, name, stem);
    if (v < it->archive->n_variables)
        return add_truth(it, v, error);
    ntk_note(it->archive, it->source, "%s: ignored, there is no forecast %.*s", name, (int)stem,
             name);
    return NTK_OK;
}

/* ---- split and event --------------------------------------------------------------------------
 */

static enum ntk_status assign_split(struct ntk_candidate *it, struct ntk_error *error)
{
    struct ntk_archive *archive = it->archive;
    const char *named = it->options->split_name, *name = named ? named : "split";
    int seen = 0, added;
    enum ntk_status status = NTK_OK;
    for (size_t i = 0; i < archive->files->n_sources && !status; i++) {
        it->source = &archive->files->sources[i];
        it->found = ntk_source_find(it->source, name);
        if (!it->found)
            continue;
        seen = 1;
        if (it->found->rank != 1 || it->found->dimensions[0] != NTK_DIMENSION_SAMPLE)
            ntk_candidate_refuse_shape(it, "(sample)");
        else
            status = ntk_candidate_add(it, &archive->files->split, 0, NULL, &added, error);
    }
    if (named && !seen)
        ntk_problem(archive, NULL, "there is no variable %s(sample) to divide the samples by",
                    named);
    return status;
}

static enum ntk_status assign_event(const struct ntk_candidate *it, struct ntk_error *error)
{
    struct shape shape;
    int added;
    if (strcmp(it->found->name, "event") != 0)
        return NTK_OK;
    if (has_field_shape(it->found, &shape) && shape.place == NTK_PLACE_NONE)
        return ntk_candidate_add(it, &it->archive->files->event, shape.has_lead, NULL, &added,
                                 error);
    ntk_candidate_refuse_shape(it, "(sample[, lead])");
    return NTK_OK;
}

enum ntk_status ntk_roles_assign(struct ntk_archive *archive,
                                 const struct ntk_archive_options *options, struct ntk_error *error)
{
    struct ntk_candidate it = {.archive = archive, .options = options};
    enum ntk_status status;
    assert(archive->files);
    if ((status = assign_features(&it, error)) || (status = ntk_extras_assign(&it, error)) ||
        (status = for_each_variable(&it, assign_forecast, error)) ||
        (status = take_coordinates(archive, error)) ||
        (status = for_each_variable(&it, assign_truth, error)) ||
        (status = assign_split(&it, error)))
        return status;
    return for_each_variable(&it, assign_event, error);
}
