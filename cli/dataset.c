#include "cli/dataset.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A row of the lead and its time, for sorting. */
struct row {
    size_t index;
    double time;
};

/* Rows of one role, and what reading them needs. */
struct reading {
    const struct ntk_archive *archive;
    size_t lead;
    enum ntk_missing missing;
    int features;                  /* are read; else only looked at, shared out over the ranks */
    const struct ntk_ranks *ranks; /* NULL: alone */
    size_t n;
    struct row *rows; /* in time order */
    char *dropped;    /* n */
};

void ntk_format_time(double seconds, char *out, size_t size)
{
    time_t whole = (time_t)floor(seconds);
    struct tm utc;
    if (!gmtime_r(&whole, &utc) || !strftime(out, size, "%Y-%m-%dT%H:%M:%SZ", &utc))
        snprintf(out, size, "%.0f s", seconds);
}

static int by_time(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    if (x->time != y->time)
        return x->time < y->time ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

static enum ntk_status collect_rows(struct reading *reading, enum ntk_role role, int all_test,
                                    struct ntk_error *error)
{
    const struct ntk_archive_lead *lead = &reading->archive->leads[reading->lead];
    size_t n = lead->n, kept = 0;
    reading->rows = calloc(n + 1, sizeof *reading->rows);
    reading->dropped = calloc(n + 1, 1);
    if (!reading->rows || !reading->dropped)
        return ntk_fail_memory(error, "the rows", n * sizeof *reading->rows);
    for (size_t i = 0; i < n; i++)
        reading->rows[i] = (struct row){i, lead->reference_time[i]};
    qsort(reading->rows, n, sizeof *reading->rows, by_time);
    for (size_t i = 0; i < n; i++) {
        int own = all_test || i >= n - n / 5 ? NTK_ROLE_TEST : NTK_ROLE_FIT;
        if (lead->split)
            own = lead->split[reading->rows[i].index];
        if (own == (int)role)
            reading->rows[kept++] = reading->rows[i];
    }
    reading->n = kept;
    return NTK_OK;
}

/* Length of the run of consecutive rows that begins at i. */
static size_t run_length(const struct reading *reading, size_t i)
{
    size_t length = 1;
    while (i + length < reading->n &&
           reading->rows[i + length].index == reading->rows[i].index + length)
        length++;
    return length;
}

/* Rows first .. first + count, in time order. */
static enum ntk_status read_features(const struct reading *reading, size_t first, size_t count,
                                     double *features, struct ntk_error *error)
{
    size_t d = reading->archive->d, end = first + count;
    for (size_t i = first; i < end;) {
        size_t run = run_length(reading, i);
        if (run > end - i)
            run = end - i;
        enum ntk_status status =
            ntk_archive_read_features(reading->archive, reading->lead, reading->rows[i].index, run,
                                      features + (i - first) * d, error);
        if (status)
            return status;
        i += run;
    }
    return NTK_OK;
}

static enum ntk_status read_values(const struct reading *reading, size_t variable, int truth,
                                   float *values, struct ntk_error *error)
{
    size_t points = reading->archive->variables[variable].points;
    for (size_t i = 0; i < reading->n;) {
        size_t run = run_length(reading, i);
        enum ntk_status status =
            ntk_archive_read_variable(reading->archive, reading->lead, variable, truth,
                                      reading->rows[i].index, run, values + i * points, error);
        if (status)
            return status;
        i += run;
    }
    return NTK_OK;
}

/* One sentence for the first value that is not finite. */
static enum ntk_status refuse(const struct reading *reading, const char *what, size_t i,
                              const char *coordinate, size_t j, double value,
                              struct ntk_error *error)
{
    const struct ntk_archive_lead *lead = &reading->archive->leads[reading->lead];
    char when[40];
    ntk_format_time(reading->rows[i].time, when, sizeof when);
    return ntk_fail(error, NTK_BAD_DATA,
                    "%s is %s at sample %zu (%s), lead %g h, %s %zu; finite values were expected "
                    "(--missing drop_sample or mask_point leaves them out)",
                    what, isnan(value) ? "NaN or missing" : "Inf",
                    lead->sample[reading->rows[i].index], when, lead->hours, coordinate, j);
}

/* Features cannot be masked one by one: a sample with one that is not finite is dropped whole.
 * features: of the rows first .. first + count. */
static enum ntk_status check_features(struct reading *reading, size_t first, size_t count,
                                      const double *features, struct ntk_error *error)
{
    size_t d = reading->archive->d;
    for (size_t i = first; i < first + count; i++) {
        for (size_t j = 0; j < d && !reading->dropped[i]; j++) {
            double value = features[(i - first) * d + j];
            if (isfinite(value))
                continue;
            if (reading->missing == NTK_MISSING_REJECT)
                return refuse(reading, reading->archive->features_name, i, "feature", j, value,
                              error);
            reading->dropped[i] = 1;
        }
    }
    return NTK_OK;
}

/* The rows that are a rank's own: first .. first + count. */
static void share(const struct ntk_ranks *ranks, size_t n, size_t *first, size_t *count)
{
    size_t rank = ranks ? ranks->rank : 0, size = ranks ? ranks->size : 1;
    *first = n / size * rank + n % size * rank / size;
    *count = n / size * (rank + 1) + n % size * (rank + 1) / size - *first;
}

/* Every rank gets to know what the others drop. */
static enum ntk_status exchange_dropped(struct reading *reading, struct ntk_error *error)
{
    if (!reading->ranks || reading->ranks->size == 1)
        return NTK_OK;
    double *dropped = ntk_matrix_create(1, reading->n);
    if (!dropped)
        return ntk_fail_memory(error, "the rows", reading->n * sizeof *dropped);
    for (size_t i = 0; i < reading->n; i++)
        dropped[i] = reading->dropped[i];
    enum ntk_status status = ntk_ranks_sum(reading->ranks, dropped, reading->n, error);
    for (size_t i = 0; i < reading->n && !status; i++)
        reading->dropped[i] = dropped[i] > 0;
    free(dropped);
    return status;
}

/* Finds the samples to drop without keeping their features. Where nothing is dropped, whoever reads
 * them finds what is not finite. */
static enum ntk_status look_through(struct reading *reading, struct ntk_error *error)
{
    size_t d = reading->archive->d, most = ntk_row_source_block(d), first, count;
    share(reading->ranks, reading->n, &first, &count);
    if (reading->missing == NTK_MISSING_REJECT)
        return NTK_OK;
    double *block = ntk_matrix_create(most < count ? most : count, d);
    if (!block)
        return ntk_fail_memory(error, "a block of features", most * d * sizeof(double));
    enum ntk_status status = NTK_OK;
    for (size_t end = first + count; first < end && !status; first += most) {
        size_t own = end - first < most ? end - first : most;
        if (!(status = read_features(reading, first, own, block, error)))
            status = check_features(reading, first, own, block, error);
    }
    free(block);
    return status ? status : exchange_dropped(reading, error);
}

/* errors = forecast - truth, in place of the forecast; NAN where either is missing. */
static enum ntk_status subtract_truth(struct reading *reading, size_t variable, float *forecast,
                                      const float *truth, size_t *masked, struct ntk_error *error)
{
    const struct ntk_archive_variable *v = &reading->archive->variables[variable];
    char truth_name[NTK_NAME_SIZE + 8];
    snprintf(truth_name, sizeof truth_name, "%s_truth", v->name);
    for (size_t i = 0; i < reading->n; i++) {
        for (size_t p = 0; p < v->points; p++) {
            size_t at = i * v->points + p;
            int forecast_bad = !isfinite(forecast[at]);
            if (!forecast_bad && isfinite(truth[at])) {
                forecast[at] = (float)((double)forecast[at] - (double)truth[at]);
                continue;
            }
            if (reading->missing == NTK_MISSING_REJECT)
                return refuse(reading, forecast_bad ? v->name : truth_name, i, "point", p,
                              (double)(forecast_bad ? forecast[at] : truth[at]), error);
            if (reading->missing == NTK_MISSING_DROP_SAMPLE)
                reading->dropped[i] = 1;
            forecast[at] = NAN;
            *masked += reading->missing == NTK_MISSING_MASK_POINT;
        }
    }
    return NTK_OK;
}

/* Standard deviation over the samples at each point; 0 where there are fewer than two values. */
static void spread_of(const float *values, size_t n, size_t points, double *sd)
{
    for (size_t p = 0; p < points; p++) {
        double mean = 0, squares = 0, count = 0;
        for (size_t i = 0; i < n; i++) {
            double value = (double)values[i * points + p];
            if (!isfinite(value))
                continue;
            double delta = value - mean;
            mean += delta / ++count;
            squares += delta * (value - mean);
        }
        sd[p] = count > 1 ? sqrt(squares / count) : 0;
    }
}

static enum ntk_status read_errors(struct reading *reading, size_t variable,
                                   struct ntk_dataset *made, struct ntk_error *error)
{
    size_t points = reading->archive->variables[variable].points, count, bytes;
    made->errors[variable].points = points;
    if (!reading->archive->variables[variable].has_truth)
        return NTK_OK;
    if (!ntk_size_multiply(reading->n, points, &count) ||
        !ntk_size_multiply(count, sizeof(float), &bytes))
        return ntk_fail_memory(error, "the errors", SIZE_MAX);
    float *forecast = malloc(bytes + 1), *truth = malloc(bytes + 1);
    enum ntk_status status;
    if (!forecast || !truth) {
        status = ntk_fail_memory(error, "the errors", 2 * bytes);
        goto done;
    }
    if ((status = read_values(reading, variable, 0, forecast, error)) ||
        (status = read_values(reading, variable, 1, truth, error)) ||
        (status = subtract_truth(reading, variable, forecast, truth, &made->masked_points, error)))
        goto done;
    made->errors[variable].values = forecast;
    forecast = NULL;
    if (!(made->truth_sd[variable] = ntk_matrix_create(1, points))) {
        status = ntk_fail_memory(error, "the truths", points * sizeof(double));
        goto done;
    }
    spread_of(truth, reading->n, points, made->truth_sd[variable]);
    made->errors[variable].truth_sd = made->truth_sd[variable];
done:
    free(forecast);
    free(truth);
    return status;
}

/* Closes the gaps that dropped samples leave. */
static void remove_dropped(const struct reading *reading, struct ntk_dataset *made)
{
    size_t kept = 0, d = made->d;
    for (size_t i = 0; i < reading->n; i++) {
        if (reading->dropped[i])
            continue;
        if (made->features)
            memmove(made->features + kept * d, made->features + i * d, d * sizeof(double));
        made->row[kept] = reading->rows[i].index;
        made->reference_time[kept] = reading->rows[i].time;
        made->valid_time[kept] = made->valid_time[i];
        if (made->covariates)
            memmove(made->covariates + kept * made->n_covariates,
                    made->covariates + i * made->n_covariates, made->n_covariates * sizeof(double));
        if (made->event)
            made->event[kept] = made->event[i];
        for (size_t v = 0; v < made->n_variables; v++) {
            size_t points = made->errors[v].points;
            float *values = (float *)made->errors[v].values;
            if (values)
                memmove(values + kept * points, values + i * points, points * sizeof(float));
        }
        kept++;
    }
    made->dropped_samples = reading->n - kept;
    made->n = kept;
}

/* Covariates are treated as features are: one that is not finite drops its sample. */
static enum ntk_status read_covariates(struct reading *reading, struct ntk_dataset *made,
                                       struct ntk_error *error)
{
    size_t q = reading->archive->n_covariates;
    made->n_covariates = q;
    if (q == 0)
        return NTK_OK;
    if (!(made->covariates = ntk_matrix_create(reading->n, q)))
        return ntk_fail_memory(error, "the covariates", reading->n * q * sizeof(double));
    for (size_t i = 0; i < reading->n; i++) {
        double *row = made->covariates + i * q;
        enum ntk_status status = ntk_archive_read_covariates(reading->archive, reading->lead,
                                                             reading->rows[i].index, 1, row, error);
        if (status)
            return status;
        for (size_t j = 0; j < q && !reading->dropped[i]; j++) {
            if (isfinite(row[j]))
                continue;
            if (reading->missing == NTK_MISSING_REJECT)
                return refuse(reading, "covariates", i, "covariate", j, row[j], error);
            reading->dropped[i] = 1;
        }
    }
    return NTK_OK;
}

static enum ntk_status read_events(const struct reading *reading, struct ntk_dataset *made,
                                   struct ntk_error *error)
{
    const signed char *event = reading->archive->leads[reading->lead].event;
    if (!event)
        return NTK_OK;
    if (!(made->event = malloc(reading->n + 1)))
        return ntk_fail_memory(error, "the events", reading->n);
    for (size_t i = 0; i < reading->n; i++)
        made->event[i] = event[reading->rows[i].index];
    return NTK_OK;
}

/* Ten-degree bands of latitude from the south pole. */
static unsigned band_of(double latitude)
{
    double band = floor((latitude + 90) / 10);
    return band < 0 ? 0 : band > 17 ? 17 : (unsigned)band;
}

static enum ntk_status find_bands(const struct ntk_archive *archive, size_t v,
                                  struct ntk_dataset *made, struct ntk_error *error)
{
    const struct ntk_archive_variable *variable = &archive->variables[v];
    int grid = variable->place == NTK_PLACE_GRID;
    const double *latitude = grid ? archive->latitude : archive->station_latitude;
    if (variable->place == NTK_PLACE_NONE || !latitude)
        return NTK_OK;
    if (!(made->band[v] = calloc(variable->points, sizeof **made->band)))
        return ntk_fail_memory(error, "the latitude bands", variable->points * sizeof(unsigned));
    for (size_t p = 0; p < variable->points; p++)
        made->band[v][p] = band_of(latitude[grid ? p / archive->n_longitude : p]);
    made->errors[v].band = made->band[v];
    made->errors[v].n_bands = 18;
    return NTK_OK;
}

static enum ntk_status fill(struct reading *reading, struct ntk_dataset *made,
                            struct ntk_error *error)
{
    size_t n = reading->n, d = reading->archive->d;
    made->d = d;
    made->n_variables = reading->archive->n_variables;
    made->errors = calloc(made->n_variables + 1, sizeof *made->errors);
    made->features = reading->features ? ntk_matrix_create(n, d) : NULL;
    made->row = calloc(n + 1, sizeof *made->row);
    made->reference_time = ntk_matrix_create(1, n);
    made->valid_time = ntk_matrix_create(1, n);
    made->truth_sd = calloc(made->n_variables + 1, sizeof *made->truth_sd);
    made->band = calloc(made->n_variables + 1, sizeof *made->band);
    if (!made->errors || (reading->features && !made->features) || !made->row ||
        !made->reference_time || !made->valid_time || !made->truth_sd || !made->band)
        return ntk_fail_memory(error, "the features", n * d * sizeof(double));
    for (size_t i = 0; i < n; i++)
        made->valid_time[i] =
            reading->rows[i].time + 3600 * reading->archive->leads[reading->lead].hours;
    enum ntk_status status = NTK_OK;
    if (!reading->features)
        status = look_through(reading, error);
    else if (!(status = read_features(reading, 0, n, made->features, error)))
        status = check_features(reading, 0, n, made->features, error);
    if (!status)
        status = read_covariates(reading, made, error);
    if (!status)
        status = read_events(reading, made, error);
    for (size_t v = 0; v < made->n_variables && !status; v++)
        status = find_bands(reading->archive, v, made, error);
    for (size_t v = 0; v < made->n_variables && !status; v++)
        status = read_errors(reading, v, made, error);
    if (!status)
        remove_dropped(reading, made);
    return status;
}

static enum ntk_status read_dataset(struct reading *reading, enum ntk_role role, int all_test,
                                    struct ntk_dataset *out, struct ntk_error *error)
{
    struct ntk_dataset made = {0};
    enum ntk_status status = collect_rows(reading, role, all_test, error);
    if (!status)
        status = fill(reading, &made, error);
    free(reading->rows);
    free(reading->dropped);
    if (status)
        ntk_dataset_clear(&made);
    else
        *out = made;
    return status;
}

enum ntk_status ntk_dataset_read(const struct ntk_archive *archive, size_t lead, enum ntk_role role,
                                 int all_test, enum ntk_missing missing, struct ntk_dataset *out,
                                 struct ntk_error *error)
{
    struct reading reading = {.archive = archive, .lead = lead, .missing = missing, .features = 1};
    return read_dataset(&reading, role, all_test, out, error);
}

/* ---- features that stay in the archive ----------------------------------------------------- */

enum ntk_status ntk_dataset_count(const struct ntk_archive *archive, size_t lead,
                                  enum ntk_role role, size_t *n, struct ntk_error *error)
{
    struct reading reading = {.archive = archive, .lead = lead};
    enum ntk_status status = collect_rows(&reading, role, 0, error);
    free(reading.rows);
    free(reading.dropped);
    if (!status)
        *n = reading.n;
    return status;
}

enum ntk_status ntk_dataset_read_without(const struct ntk_archive *archive, size_t lead,
                                         enum ntk_role role, enum ntk_missing missing,
                                         const struct ntk_ranks *ranks, struct ntk_dataset *out,
                                         struct ntk_error *error)
{
    struct reading reading = {.archive = archive, .lead = lead, .missing = missing, .ranks = ranks};
    return read_dataset(&reading, role, 0, out, error);
}

/* The sentence for a value that came to be read although nothing was dropped. */
static enum ntk_status refuse_row(const struct ntk_dataset_rows *rows, size_t i, size_t j,
                                  double value, struct ntk_error *error)
{
    struct row row = {rows->dataset->row[i], rows->dataset->reference_time[i]};
    struct reading reading = {.archive = rows->archive, .lead = rows->lead, .rows = &row};
    return refuse(&reading, rows->archive->features_name, 0, "feature", j, value, error);
}

static enum ntk_status read_rows(void *user, size_t first, size_t count, double *out,
                                 struct ntk_error *error)
{
    const struct ntk_dataset_rows *rows = user;
    const size_t *row = rows->dataset->row + first;
    size_t d = rows->archive->d;
    for (size_t i = 0; i < count;) {
        size_t run = 1;
        while (i + run < count && row[i + run] == row[i] + run)
            run++;
        enum ntk_status status =
            ntk_archive_read_features(rows->archive, rows->lead, row[i], run, out + i * d, error);
        if (status)
            return status;
        i += run;
    }
    for (size_t i = 0; i < count * d; i++) {
        if (!isfinite(out[i]))
            return refuse_row(rows, first + i / d, i % d, out[i], error);
    }
    return NTK_OK;
}

void ntk_dataset_rows_init(struct ntk_dataset_rows *rows, const struct ntk_archive *archive,
                           size_t lead, const struct ntk_dataset *dataset,
                           const struct ntk_ranks *ranks)
{
    *rows = (struct ntk_dataset_rows){.archive = archive, .lead = lead, .dataset = dataset};
    rows->source =
        (struct ntk_row_source){.n = dataset->n, .d = archive->d, .read = read_rows, .user = rows};
    share(ranks, dataset->n, &rows->source.first, &rows->source.count);
}

void ntk_dataset_clear(struct ntk_dataset *dataset)
{
    for (size_t v = 0; v < dataset->n_variables && dataset->errors; v++)
        free((float *)dataset->errors[v].values);
    for (size_t v = 0; v < dataset->n_variables; v++) {
        free(dataset->truth_sd ? dataset->truth_sd[v] : NULL);
        free(dataset->band ? dataset->band[v] : NULL);
    }
    free(dataset->truth_sd);
    free(dataset->band);
    free(dataset->errors);
    free(dataset->features);
    free(dataset->row);
    free(dataset->reference_time);
    free(dataset->valid_time);
    free(dataset->covariates);
    free(dataset->event);
    *dataset = (struct ntk_dataset){0};
}
