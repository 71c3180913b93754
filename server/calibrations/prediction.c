#include "server/calibrations/prediction.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/fit_memory.h"
#include "server/calibrations/datasets.h"

enum { POINTS_SCORED = 2048, LEADS_MOST = 512, MIB = 1 << 20 };

/* Sums over the datasets. */
struct shape {
    double samples, features, points, most_points, scored, cached;
    double leads[LEADS_MOST];
    size_t n_leads;
};

static const char *option(const struct ntk_fit_request *request, const char *name)
{
    for (size_t i = 0; request->options[i]; i += 2) {
        if (!strcmp(request->options[i], name))
            return request->options[i + 1];
    }
    return NULL;
}

static void add_lead(struct shape *shape, double hours)
{
    size_t i = 0;
    while (i < shape->n_leads && fabs(shape->leads[i] - hours) > 1e-6)
        i++;
    if (i == shape->n_leads && i < LEADS_MOST)
        shape->leads[shape->n_leads++] = hours;
}

/* Samples of the lead time that are read: all, or without a split of its own those to fit and
 * score on. */
static double count_used(const json_t *lead, int own_split)
{
    const json_t *split = own_split ? NULL : json_object_get(lead, "split");
    if (!split)
        return json_number_value(json_object_get(lead, "samples"));
    return json_number_value(json_object_get(split, "fit")) +
           json_number_value(json_object_get(split, "calibration"));
}

static double cached_bytes(double values)
{
    return fmin(3 * 4 * values, 192.0 * MIB);
}

static void add_variables(struct shape *shape, const json_t *variables, double rows)
{
    size_t i;
    const json_t *variable;
    double points = 0, scored = 0;
    json_array_foreach(variables, i, variable)
    {
        double own = json_number_value(json_object_get(variable, "points"));
        if (!json_is_true(json_object_get(variable, "truth")))
            continue;
        points += own;
        shape->most_points = fmax(shape->most_points, own);
        scored += fmin(own, POINTS_SCORED);
        shape->cached += 2 * cached_bytes(rows * own);
    }
    shape->points = fmax(shape->points, points);
    shape->scored = fmax(shape->scored, scored);
}

static void add_dataset(struct shape *shape, const json_t *description, int own_split)
{
    size_t i;
    const json_t *lead;
    double most = 0, rows = 0;
    double features =
        json_number_value(json_object_get(json_object_get(description, "features"), "columns"));
    json_array_foreach(json_object_get(description, "leads"), i, lead)
    {
        add_lead(shape, json_number_value(json_object_get(lead, "lead_time_hours")));
        most = fmax(most, count_used(lead, own_split));
        rows += json_number_value(json_object_get(lead, "samples"));
    }
    shape->samples += most;
    shape->features = fmax(shape->features, features);
    shape->cached += cached_bytes(rows * features);
    add_variables(shape, json_object_get(description, "variables"), rows);
}

/* What ntkuq fit counts itself, by the route that it will take, and what HDF5 and the heap keep. */
static double predict_memory(const struct shape *s, const struct ntk_fit_request *request,
                             const struct ntk_config *config)
{
    const char *method = option(request, "--method"), *rank = option(request, "--rank");
    const struct ntk_fit_size size = {.n = (size_t)s->samples,
                                      .own = (size_t)s->samples,
                                      .d = (size_t)s->features,
                                      .points = (size_t)s->points,
                                      .most_points = (size_t)s->most_points};
    struct ntk_fit_options options = ntk_fit_defaults;
    options.method = method && !strcmp(method, "svd") ? NTK_CHOOSE_SVD : NTK_CHOOSE_AUTO;
    options.rank = rank ? strtoull(rank, NULL, 10) : 0; /* auto */
    int blocks = ntk_fit_reads_blocks(&size, &options, (double)config->job_memory_bytes);
    return ntk_fit_memory(&size, &options, blocks) +
           1.5 * (s->cached + 8 * 16 * s->samples * s->scored);
}

static double predict_seconds(const struct shape *s, const struct ntk_fit_request *request)
{
    const char *method = option(request, "--method"), *noise = option(request, "--noise");
    double n = s->samples, m = fmin(n, s->features), mixed = fmin(m, 64) / 64;
    double ica = method && !strcmp(method, "svd") ? 0 : (1.2 + 8e-4 * n) * mixed * mixed;
    double lead = 0.05 + ica + 3.5e-9 * n * m * m + 3e-6 * n * s->scored + 2e-8 * n * s->points +
                  5e-8 * n * s->features;
    return 3 * (double)s->n_leads * lead * (noise && !strcmp(noise, "validate") ? 3 : 1);
}

static int describes(const json_t *description, const struct ntk_fit_request *request)
{
    const char *asked = option(request, "--features");
    const char *found =
        json_string_value(json_object_get(json_object_get(description, "features"), "name"));
    return description && (!asked || (found && !strcmp(asked, found)));
}

int ntk_predict_fit(const struct ntk_config *config, const struct ntk_fit_request *request,
                    struct ntk_prediction *out)
{
    struct shape shape = {0};
    for (size_t i = 0; request->datasets[i]; i++) {
        json_t *description = ntk_dataset_description(config, request->datasets[i]);
        int known = describes(description, request);
        if (known)
            add_dataset(&shape, description, option(request, "--split") != NULL);
        json_decref(description);
        if (!known)
            return 0;
    }
    *out = (struct ntk_prediction){.memory_bytes = predict_memory(&shape, request, config),
                                   .seconds = predict_seconds(&shape, request),
                                   .samples = shape.samples,
                                   .features = shape.features,
                                   .points = shape.points,
                                   .leads = shape.n_leads};
    return 1;
}

enum ntk_status ntk_prediction_check(const struct ntk_prediction *prediction,
                                     const struct ntk_config *config, struct ntk_error *error)
{
    if (prediction->memory_bytes > (double)config->job_memory_bytes)
        return ntk_fail(
            error, NTK_BAD_DATA,
            "the fit of %.0f samples, %.0f features and %.0f points would need %.0f MiB "
            "of memory, job_memory_bytes allows %.0f MiB",
            prediction->samples, prediction->features, prediction->points,
            ceil(prediction->memory_bytes / MIB), floor((double)config->job_memory_bytes / MIB));
    if (prediction->seconds > (double)config->job_timeout_s)
        return ntk_fail(error, NTK_BAD_DATA,
                        "the fit of %.0f samples, %.0f features, %.0f points and %zu lead times "
                        "would take %.0f s, job_timeout_s allows %llu s",
                        prediction->samples, prediction->features, prediction->points,
                        prediction->leads, ceil(prediction->seconds),
                        (unsigned long long)config->job_timeout_s);
    return NTK_OK;
}
