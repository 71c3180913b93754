/* ntkuq fit: archives in, one calibration out. */
#include <cblas.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/dataset.h"
#include "cli/map.h"
#include "core/fit.h"
#include "core/fit_memory.h"
#include "io/artifact.h"
#include "io/digest.h"
#include "io/netcdf/archive.h"
#include "io/publish.h"

struct totals {
    size_t dropped_samples, masked_points;
    double first_time, last_time;
    size_t out_of_core; /* leads whose features were read a block at a time */
    double memory;      /* bytes predicted, of the largest lead */
};

/* What one lead is fitted to. */
struct samples {
    int out_of_core;
    struct ntk_dataset fitted, calibration;
    struct ntk_dataset_rows fitted_rows, calibration_rows; /* out of core */
    struct ntk_row_source held;                            /* swept in memory */
    struct ntk_reduce reduce;
    struct ntk_errors *errors; /* twice the archive's variables: those of both, with truths alone */
    size_t n_variables;
};

static void copy_name(char out[NTK_NAME_SIZE], const char *text)
{
    snprintf(out, NTK_NAME_SIZE, "%s", text);
}

/* The archive's model as a name: letters, digits, '.', '_' and '-' stay, others become '-'. */
static void name_after_model(char out[NTK_NAME_SIZE], const char *model)
{
    snprintf(out, NTK_NAME_SIZE, "%.64s", *model && *model != '.' ? model : "calibration");
    for (char *c = out; *c; c++) {
        if (!strchr("._-", *c) && !((*c | 32) >= 'a' && (*c | 32) <= 'z') &&
            !(*c >= '0' && *c <= '9'))
            *c = '-';
    }
}

/* Every file is read for its digest by one rank, which tells the others. */
static enum ntk_status digest_inputs(const struct ntk_command_context *context,
                                     const struct ntk_archive *archive, struct ntk_calibration *c,
                                     struct ntk_error *error)
{
    const struct ntk_ranks *ranks = context->ranks;
    size_t n = archive->n_files;
    enum ntk_status status = NTK_OK;
    double *letters = ntk_matrix_create(n, NTK_SHA256_HEX);
    if (!letters)
        return ntk_fail_memory(error, "the digests", n * NTK_SHA256_HEX * sizeof *letters);
    for (size_t i = ranks->rank; i < n && !status; i += ranks->size) {
        char hex[NTK_SHA256_HEX] = "";
        status = ntk_digest_file(archive->paths[i], hex, error);
        for (size_t j = 0; j < NTK_SHA256_HEX; j++)
            letters[i * NTK_SHA256_HEX + j] = hex[j];
    }
    if (!status)
        status = ntk_ranks_sum(ranks, letters, n * NTK_SHA256_HEX, error);
    for (size_t i = 0; i < n * NTK_SHA256_HEX && !status; i++) {
        double letter = i % NTK_SHA256_HEX < NTK_SHA256_HEX - 1 ? letters[i] : 0;
        if (!(letter >= 0 && letter <= 'f'))
            status = ntk_fail(error, NTK_BAD_DATA, "the ranks do not agree on the digests");
        else
            c->input_sha256[i / NTK_SHA256_HEX][i % NTK_SHA256_HEX] = (char)letter;
    }
    free(letters);
    return status;
}

static enum ntk_status describe_origin(const struct ntk_command_context *context,
                                       const struct ntk_archive *archive, struct ntk_calibration *c,
                                       struct ntk_error *error)
{
    const struct ntk_arguments *arguments = context->arguments;
    if (arguments->name)
        copy_name(c->name, arguments->name);
    else
        name_after_model(c->name, archive->model);
    copy_name(c->model, archive->model);
    copy_name(c->layer, archive->layer);
    copy_name(c->aggregation, archive->aggregation);
    copy_name(c->checkpoint_sha256, archive->checkpoint_sha256);
    copy_name(c->features_name, archive->features_name);
    copy_name(c->program, "ntkuq " NTK_VERSION);
    copy_name(c->blas, openblas_get_config());
    snprintf(c->created, sizeof c->created, "%s", context->created);
    c->variance_mode = arguments->fit.variance_mode;
    c->select = arguments->fit.select;
    c->seed = arguments->fit.seed;
    c->d = archive->d;
    c->input_sha256 = calloc(archive->n_files + 1, sizeof *c->input_sha256);
    c->leads = calloc(archive->n_leads + 1, sizeof *c->leads);
    if (!c->input_sha256 || !c->leads)
        return ntk_fail_memory(error, "the calibration", archive->n_leads * sizeof *c->leads);
    c->n_inputs = archive->n_files;
    return digest_inputs(context, archive, c, error);
}

static void note_times(const struct ntk_dataset *dataset, struct totals *totals)
{
    totals->dropped_samples += dataset->dropped_samples;
    totals->masked_points += dataset->masked_points;
    if (dataset->n == 0)
        return;
    totals->first_time = fmin(totals->first_time, dataset->reference_time[0]);
    totals->last_time = fmax(totals->last_time, dataset->reference_time[dataset->n - 1]);
}

/* The variables that have truths, in the archive's order, for the fit; gives their number. */
static size_t select_scored(const struct ntk_archive *archive, const struct ntk_dataset *dataset,
                            struct ntk_errors *errors)
{
    size_t n = 0;
    for (size_t v = 0; v < archive->n_variables; v++) {
        if (archive->variables[v].has_truth)
            errors[n++] = dataset->errors[v];
    }
    return n;
}

static void name_variables(const struct ntk_archive *archive, struct ntk_calibration_lead *lead)
{
    size_t n = 0;
    for (size_t v = 0; v < archive->n_variables; v++) {
        const struct ntk_archive_variable *from = &archive->variables[v];
        if (!from->has_truth)
            continue;
        struct ntk_calibration_variable *to = &lead->variables[n++];
        copy_name(to->name, from->name);
        copy_name(to->units, from->units);
        copy_name(to->standard_name, from->standard_name);
        to->points = from->points;
    }
}

/* One limit of "NAME:LEAST:MOST": a number, or nothing. */
static int parse_bound(const char *text, size_t length, double *out)
{
    char number[64], *end;
    if (length == 0)
        return 1;
    if (length >= sizeof number)
        return 0;
    memcpy(number, text, length);
    number[length] = 0;
    *out = strtod(number, &end);
    return !*end && isfinite(*out);
}

/* Bounds such as q850:0:,rh:0:100 go to the variables they name. */
static enum ntk_status set_bounds(const char *bounds, struct ntk_calibration_lead *lead,
                                  struct ntk_error *error)
{
    for (const char *next = bounds; next;) {
        size_t length = strcspn(next, ","), name = strcspn(next, ":");
        const char *least = next + name + 1, *comma = next + length;
        const char *colon = name < length ? memchr(least, ':', (size_t)(comma - least)) : NULL;
        double low = -INFINITY, high = INFINITY;
        if (!colon || name == 0 || !parse_bound(least, (size_t)(colon - least), &low) ||
            !parse_bound(colon + 1, (size_t)(comma - colon - 1), &high) || low > high)
            return ntk_fail(error, NTK_USAGE,
                            "--bounds has '%.*s', NAME:LEAST:MOST was expected, such as q850:0: or "
                            "rh:0:100",
                            (int)length, next);
        size_t v = 0;
        while (v < lead->n_variables && (strlen(lead->variables[v].name) != name ||
                                         strncmp(lead->variables[v].name, next, name)))
            v++;
        if (v == lead->n_variables)
            return ntk_fail(error, NTK_USAGE,
                            "--bounds names '%.*s', the archive has no variable with truths of "
                            "that name",
                            (int)name, next);
        if (isfinite(lead->variables[v].least) || isfinite(lead->variables[v].most))
            return ntk_fail(error, NTK_USAGE, "--bounds names '%.*s' twice", (int)name, next);
        lead->variables[v].least = low;
        lead->variables[v].most = high;
        next = *comma ? comma + 1 : NULL;
    }
    return NTK_OK;
}

/* Sigma at the scored places of every sample: n x places, to be freed. */
static enum ntk_status read_maps(const struct ntk_archive *archive, size_t l,
                                 const struct ntk_dataset *scored,
                                 const struct ntk_posterior *posterior, float **out,
                                 struct ntk_error *error)
{
    size_t points = archive->map_points, places = ntk_fit_mapped_places(points);
    struct ntk_map *map = NULL;
    float *whole = malloc(points * sizeof *whole),
          *sigma = malloc(scored->n * places * sizeof *sigma);
    enum ntk_status status =
        whole && sigma ? ntk_map_create(archive, posterior, &map, error)
                       : ntk_fail_memory(error, "the maps of sigma", points * sizeof *whole);
    for (size_t i = 0; i < scored->n && !status; i++) {
        status = ntk_map_sigma(map, l, scored->row[i], whole, error);
        for (size_t p = 0; p < places && !status; p++)
            sigma[i * places + p] = whole[ntk_fit_mapped_place(p, points)];
    }
    ntk_map_free(map);
    free(whole);
    if (status)
        free(sigma);
    else
        *out = sigma;
    return status;
}

/* Intervals from sigma of the grid point, where the archive has features for it. No sample was
 * seen by the kernel as a grid point, so that none has to be left out. */
static enum ntk_status fit_maps(const struct ntk_archive *archive, size_t l,
                                const struct ntk_dataset *scored, struct ntk_calibration_lead *lead,
                                struct ntk_error *error)
{
    float *sigma = NULL;
    size_t v = 0;
    if (!ntk_map_fits(archive, lead->posterior.d) || scored->n == 0)
        return NTK_OK;
    enum ntk_status status = read_maps(archive, l, scored, &lead->posterior, &sigma, error);
    for (size_t a = 0; a < archive->n_variables && !status; a++) {
        if (!archive->variables[a].has_truth)
            continue;
        if (archive->variables[a].place == NTK_PLACE_GRID)
            status = ntk_fit_mapped(&scored->errors[a], scored->n, sigma,
                                    &lead->variables[v].mapped, error);
        v++;
    }
    free(sigma);
    return status;
}

/* ---- in memory or out of core -------------------------------------------------------------- */

static enum ntk_status measure(const struct ntk_archive *archive, size_t l,
                               const struct ntk_ranks *ranks, struct ntk_fit_size *out,
                               struct ntk_error *error)
{
    struct ntk_fit_size size = {.d = archive->d, .covariates = archive->n_covariates};
    enum ntk_status status = ntk_dataset_count(archive, l, NTK_ROLE_FIT, &size.n, error);
    if (!status)
        status = ntk_dataset_count(archive, l, NTK_ROLE_CALIBRATION, &size.n_calibration, error);
    size.own = size.n / ranks->size + 1;
    for (size_t v = 0; v < archive->n_variables; v++) {
        if (!archive->variables[v].has_truth)
            continue;
        size.points += archive->variables[v].points;
        if (archive->variables[v].points > size.most_points)
            size.most_points = archive->variables[v].points;
    }
    if (!status)
        *out = size;
    return status;
}

static enum ntk_status choose_route(const struct ntk_command_context *context,
                                    const struct ntk_archive *archive, size_t l, int *out_of_core,
                                    struct totals *totals, struct ntk_error *error)
{
    const struct ntk_arguments *arguments = context->arguments;
    const double mib = 1 << 20, budget = (double)arguments->memory_bytes;
    struct ntk_fit_size size;
    enum ntk_status status = measure(archive, l, context->ranks, &size, error);
    if (status)
        return status;
    double whole = ntk_fit_memory(&size, &arguments->fit, 0);
    double blocks = ntk_fit_memory(&size, &arguments->fit, 1);
    int several = context->ranks->size > 1;
    if (several && arguments->out_of_core == NTK_OUT_OF_CORE_NO)
        return ntk_fail(error, NTK_USAGE,
                        "--out-of-core is no, and %zu processes share the work, which needs the "
                        "features read by blocks",
                        context->ranks->size);
    *out_of_core = several || arguments->out_of_core == NTK_OUT_OF_CORE_YES ||
                   (arguments->out_of_core == NTK_OUT_OF_CORE_AUTO &&
                    ntk_fit_reads_blocks(&size, &arguments->fit, budget));
    double needed = *out_of_core ? blocks : whole;
    if (needed > budget)
        return ntk_fail(error, NTK_TRY_AGAIN,
                        "lead %g h: a fit of %zu samples of %zu features needs about %.0f MiB with "
                        "the features in memory and %.0f MiB when they are read by blocks, "
                        "--memory allows %.0f MiB",
                        archive->leads[l].hours, size.n, size.d, ceil(whole / mib),
                        ceil(blocks / mib), floor(budget / mib));
    totals->out_of_core += *out_of_core;
    totals->memory = fmax(totals->memory, needed);
    return NTK_OK;
}

static enum ntk_status sum_over_ranks(void *user, double *values, size_t n, struct ntk_error *error)
{
    const struct ntk_command_context *context = user;
    return ntk_ranks_sum(context->ranks, values, n, error);
}

static void samples_clear(struct samples *samples)
{
    ntk_dataset_clear(&samples->fitted);
    ntk_dataset_clear(&samples->calibration);
    free(samples->errors);
}

static enum ntk_status read_role(const struct ntk_command_context *context,
                                 const struct ntk_archive *archive, size_t l, enum ntk_role role,
                                 int out_of_core, struct ntk_dataset *dataset,
                                 struct ntk_dataset_rows *rows, struct ntk_error *error)
{
    enum ntk_missing missing = context->arguments->missing;
    if (!out_of_core)
        return ntk_dataset_read(archive, l, role, 0, missing, dataset, error);
    enum ntk_status status =
        ntk_dataset_read_without(archive, l, role, missing, context->ranks, dataset, error);
    if (!status)
        ntk_dataset_rows_init(rows, archive, l, dataset, context->ranks);
    return status;
}

/* To be cleared whatever happens; stays where it is. */
static enum ntk_status read_samples(const struct ntk_command_context *context,
                                    const struct ntk_archive *archive, size_t l,
                                    struct samples *samples, struct ntk_error *error)
{
    samples->errors = calloc(2 * archive->n_variables + 1, sizeof *samples->errors);
    if (!samples->errors)
        return ntk_fail_memory(error, "the errors", archive->n_variables * sizeof *samples->errors);
    enum ntk_status status = read_role(context, archive, l, NTK_ROLE_FIT, samples->out_of_core,
                                       &samples->fitted, &samples->fitted_rows, error);
    if (!status)
        status = read_role(context, archive, l, NTK_ROLE_CALIBRATION, samples->out_of_core,
                           &samples->calibration, &samples->calibration_rows, error);
    if (!status && samples->fitted.n < 2)
        status = ntk_fail(error, NTK_BAD_DATA,
                          "lead %g h has %zu samples to fit on (%s), at least 2 are needed",
                          archive->leads[l].hours, samples->fitted.n,
                          archive->leads[l].split ? "split = 0" : "the earliest 80 %");
    if (status)
        return status;
    samples->n_variables = select_scored(archive, &samples->fitted, samples->errors);
    select_scored(archive, &samples->calibration, samples->errors + samples->n_variables);
    samples->reduce = (struct ntk_reduce){.rank = context->ranks->rank,
                                          .size = context->ranks->size,
                                          .sum = sum_over_ranks,
                                          .user = (void *)(uintptr_t)context};
    return NTK_OK;
}

/* Everything but where the features are; they are taken when they are in memory. */
static struct ntk_fit_data data_of(struct samples *samples)
{
    struct ntk_dataset *fitted = &samples->fitted, *calibration = &samples->calibration;
    size_t scored = samples->n_variables;
    struct ntk_fit_data data = {.n = fitted->n,
                                .d = fitted->d,
                                .errors = scored ? samples->errors : NULL,
                                .valid_time = fitted->valid_time,
                                .covariates = fitted->covariates,
                                .n_covariates = fitted->n_covariates,
                                .n_calibration = calibration->n,
                                .calibration_features = calibration->features,
                                .calibration_errors = scored ? samples->errors + scored : NULL,
                                .calibration_valid_time = calibration->valid_time,
                                .calibration_covariates = calibration->covariates,
                                .n_variables = scored};
    if (samples->out_of_core) {
        data.rows = &samples->fitted_rows.source;
        data.calibration_rows = &samples->calibration_rows.source;
    } else if (ntk_fit_sweeps(fitted->n, fitted->d)) {
        ntk_row_source_init(&samples->held, fitted->features, fitted->n, fitted->d);
        data.rows = &samples->held;
    } else {
        data.features = fitted->features;
        fitted->features = NULL;
    }
    return data;
}

static enum ntk_status fit_lead(const struct ntk_command_context *context,
                                const struct ntk_archive *archive, size_t l, struct totals *totals,
                                struct ntk_calibration_lead *out, struct ntk_error *error)
{
    const struct ntk_arguments *arguments = context->arguments;
    struct samples samples = {0};
    struct ntk_error reason = {""};
    enum ntk_status status = choose_route(context, archive, l, &samples.out_of_core, totals, error);
    if (status || (status = read_samples(context, archive, l, &samples, error)))
        goto done;
    note_times(&samples.fitted, totals);
    note_times(&samples.calibration, totals);
    struct ntk_fit_data data = data_of(&samples);
    data.reduce = context->ranks->size > 1 ? &samples.reduce : NULL;
    if ((status = ntk_fit_lead(&data, &arguments->fit, out, &reason))) {
        ntk_fail(error, status, "lead %g h: %s", archive->leads[l].hours, reason.text);
        goto done;
    }
    out->lead_hours = archive->leads[l].hours;
    name_variables(archive, out);
    if ((status = set_bounds(arguments->bounds, out, error)) ||
        (status =
             fit_maps(archive, l, samples.calibration.n ? &samples.calibration : &samples.fitted,
                      out, error)))
        ntk_calibration_lead_clear(out);
done:
    samples_clear(&samples);
    return status;
}

static enum ntk_status fit_leads(const struct ntk_command_context *context,
                                 const struct ntk_archive *archive, struct ntk_calibration *c,
                                 struct totals *totals, struct ntk_error *error)
{
    for (size_t l = 0; l < archive->n_leads; l++) {
        char message[80];
        snprintf(message, sizeof message, "fitting lead %g h (%zu of %zu)", archive->leads[l].hours,
                 l + 1, archive->n_leads);
        ntk_progress_report(context->progress, (double)l / (double)archive->n_leads, message);
        enum ntk_status status = fit_lead(context, archive, l, totals, &c->leads[l], error);
        if (status)
            return status;
        c->n_leads = l + 1;
    }
    ntk_progress_report(context->progress, 1, "writing");
    return NTK_OK;
}

static void print_summary(const struct ntk_calibration *c, const struct totals *totals)
{
    printf("calibration %s: %zu features, fitted on %s to %s\n", c->name, c->d, c->first_time,
           c->last_time);
    if (totals->dropped_samples || totals->masked_points)
        printf("left out: %zu samples, %zu points\n", totals->dropped_samples,
               totals->masked_points);
    if (totals->out_of_core)
        printf("features read by blocks: about %.0f MiB of memory\n",
               ceil(totals->memory / (1 << 20)));
    for (size_t l = 0; l < c->n_leads; l++) {
        const struct ntk_calibration_lead *lead = &c->leads[l];
        printf("lead %g h: n = %zu, %s, rank %zu of %zu, R_k = %.3f\n", lead->lead_hours, lead->n,
               ntk_method_name(lead->method), lead->posterior.k, lead->rank, lead->collapse_ratio);
        printf("    method: %s\n    rank:   %s\n", lead->method_reason, lead->rank_reason);
        size_t scored = 0;
        for (size_t v = 0; v < lead->n_variables; v++)
            scored += lead->variables[v].model.n_samples > 0;
        if (scored == 0)
            printf("    uncalibrated: no truths to score, sigma only\n");
    }
}

static enum ntk_status print_json(const struct ntk_calibration *c, const struct totals *totals,
                                  struct ntk_error *error)
{
    json_t *description = ntk_artifact_describe(c);
    if (!description)
        return ntk_fail_memory(error, "the description", 0);
    json_object_set_new(description, "dropped_samples",
                        json_integer((json_int_t)totals->dropped_samples));
    json_object_set_new(description, "masked_points",
                        json_integer((json_int_t)totals->masked_points));
    json_object_set_new(description, "out_of_core", json_boolean(totals->out_of_core > 0));
    json_object_set_new(description, "predicted_memory_bytes",
                        json_integer((json_int_t)totals->memory));
    json_dumpf(description, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(description);
    return NTK_OK;
}

static enum ntk_status fit_archive(const struct ntk_command_context *context,
                                   const struct ntk_archive *archive, struct ntk_calibration *c,
                                   struct ntk_error *error)
{
    struct totals totals = {.first_time = INFINITY, .last_time = -INFINITY};
    void *bytes = NULL;
    size_t size;
    enum ntk_status status = describe_origin(context, archive, c, error);
    if (!status)
        status = fit_leads(context, archive, c, &totals, error);
    if (status)
        return status;
    if (context->ranks->rank)
        return NTK_OK; /* the first one writes */
    ntk_format_time(totals.first_time, c->first_time, sizeof c->first_time);
    ntk_format_time(totals.last_time, c->last_time, sizeof c->last_time);
    if ((status = ntk_archive_places(archive, 1, &c->places, error)) ||
        (status = ntk_artifact_encode(c, &bytes, &size, error)))
        return status;
    status = ntk_publish_write(context->output, bytes, size, error);
    free(bytes);
    if (status)
        return status;
    ntk_progress_clear(context->progress);
    if (context->arguments->json)
        return print_json(c, &totals, error);
    print_summary(c, &totals);
    return NTK_OK;
}

enum ntk_status ntk_fit_command(const struct ntk_command_context *context, struct ntk_error *error)
{
    const struct ntk_arguments *arguments = context->arguments;
    struct ntk_archive_options options = {
        .features_name = arguments->features, .split_name = arguments->split, .no_digest = 1};
    struct ntk_archive *archive = NULL;
    struct ntk_calibration *calibration = calloc(1, sizeof *calibration);
    if (!calibration)
        return ntk_fail_memory(error, "the calibration", sizeof *calibration);
    enum ntk_status status =
        ntk_archive_open(context->files, arguments->n_files, &options, &archive, error);
    if (!status)
        status = fit_archive(context, archive, calibration, error);
    ntk_calibration_free(calibration);
    ntk_archive_free(archive);
    return status;
}
