/* What dashboards poll: widths, coverage, adaptation and alarms, as flat rows. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/display/parameters.h"
#include "server/display/polled.h"
#include "server/display/table.h"
#include "server/http/routes.h"
#include "server/ledger/ledger.h"
#include "server/ledger/watch.h"
#include "server/ledger/when.h"

/* Which rows are wanted, of the query string. */
struct filter {
    const char *calibration, *variable, *place_group, *window; /* NULL: all */
    unsigned version;                                          /* 0: all */
    double lead_hours, level;                                  /* NAN: all */
    int64_t since;                                             /* INT64_MIN: not asked for */
};

/* One series after another into a table. */
struct shown {
    struct filter filter;
    struct ntk_table table;
};

static enum ntk_status parse_filter(struct ntk_request *request, struct filter *out,
                                    struct ntk_error *error)
{
    double version;
    const char *since = ntk_request_parameter(request, "since");
    *out = (struct filter){.calibration = ntk_request_parameter(request, "calibration"),
                           .variable = ntk_request_parameter(request, "variable"),
                           .place_group = ntk_request_parameter(request, "place_group"),
                           .window = ntk_request_parameter(request, "window"),
                           .since = INT64_MIN};
    enum ntk_status status =
        ntk_parameter_real(request, "lead_time_hours", &out->lead_hours, error);
    if (!status)
        status = ntk_parameter_real(request, "level", &out->level, error);
    if (!status)
        status = ntk_parameter_real(request, "version", &version, error);
    if (!status && !isnan(version) && !(version >= 1 && version == floor(version) && version < 1e9))
        status = ntk_fail(error, NTK_USAGE, "version is %g, a whole number from 1 was expected",
                          version);
    if (!status && !isnan(out->level) && !(out->level > 0 && out->level < 1))
        status = ntk_fail(error, NTK_USAGE, "level is %g, a number between 0 and 1 was expected",
                          out->level);
    if (!status && since && ntk_when_parse(since, "since", &out->since, error))
        status = NTK_USAGE;
    out->version = isnan(version) ? 0 : (unsigned)version;
    return status;
}

static int wants_series(const struct filter *filter, const struct ntk_series *series)
{
    return (!filter->calibration || !strcmp(filter->calibration, series->calibration)) &&
           (!filter->variable || !strcmp(filter->variable, series->variable)) &&
           (!filter->version || filter->version == series->version) &&
           !(fabs(filter->lead_hours - series->lead_hours) > 1e-6);
}

static int wants_level(const struct filter *filter, double level)
{
    return !(fabs(filter->level - level) > 1e-9);
}

static void put_series(struct ntk_table *table, const struct ntk_series *series)
{
    ntk_table_string(table, series->calibration);
    ntk_table_count(table, series->version);
    ntk_table_string(table, series->variable);
}

static enum ntk_status render(struct ntk_request *request, int csv, const char *const *columns,
                              ntk_series_show *show, struct ntk_text *text, struct ntk_error *error)
{
    struct shown shown;
    enum ntk_status status = parse_filter(request, &shown.filter, error);
    if (status)
        return status;
    ntk_table_begin(&shown.table, text, columns, csv);
    ntk_ledger_each(request->server->ledger, show, &shown);
    ntk_table_end(&shown.table);
    return NTK_OK;
}

/* ---- widths --------------------------------------------------------------------------------- */

static const char *const width_columns[] = {"calibration",
                                            "version",
                                            "variable",
                                            "units",
                                            "lead_time_hours",
                                            "level",
                                            "forecast_reference_time",
                                            "width",
                                            "typical_width",
                                            "percentile",
                                            "sigma",
                                            "novelty",
                                            "points",
                                            "records",
                                            NULL};

/* Puts a width among those before it, ascending; one that is not finite is none. */
static void insert_width(double *sorted, size_t *n, double width)
{
    size_t place = *n;
    if (!isfinite(width))
        return;
    for (; place > 0 && sorted[place - 1] > width; place--)
        sorted[place] = sorted[place - 1];
    sorted[place] = width;
    ++*n;
}

static double median_of(const double *sorted, size_t n)
{
    return n ? (sorted[(n - 1) / 2] + sorted[n / 2]) / 2 : NAN;
}

/* Widths that differ by the rounding of an archive's limits alone are equal: where the model has
 * one width, all are. */
static double percentile_of(const double *sorted, size_t n, double width)
{
    size_t below = 0, equal = 0;
    double rounding = 1e-4 * fabs(width);
    for (size_t i = 0; i < n; i++) {
        below += sorted[i] < width - rounding;
        equal += fabs(sorted[i] - width) <= rounding;
    }
    return n && isfinite(width) ? 100 * ((double)below + 0.5 * (double)equal) / (double)n : NAN;
}

/* Beside its width, those of the n entries before it. */
static void put_width(struct ntk_table *table, const struct ntk_series *series,
                      const struct ntk_entry *entry, double level, const double *history, size_t n)
{
    double width = entry->width[ntk_entry_level(entry, level)];
    put_series(table, series);
    ntk_table_string(table, series->units);
    ntk_table_real(table, series->lead_hours);
    ntk_table_real(table, level);
    ntk_table_time(table, entry->reference_time);
    ntk_table_real(table, width);
    ntk_table_real(table, median_of(history, n));
    ntk_table_real(table, percentile_of(history, n, width));
    ntk_table_real(table, entry->sigma);
    ntk_table_real(table, entry->novelty);
    ntk_table_count(table, entry->points);
    ntk_table_count(table, series->n);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Widths of the entries before `end`, ascending. */
static size_t collect_widths(const struct ntk_series *series, double level, size_t end, double *out)
{
    size_t n = 0;
    for (size_t i = 0; i < end; i++) {
        int l = ntk_entry_level(&series->entries[i], level);
        if (l >= 0 && isfinite(series->entries[i].width[l]))
            out[n++] = series->entries[i].width[l];
    }
    qsort(out, n, sizeof *out, compare);
    return n;
}

/* The newest entry that has the level, or all since a time. */
static void show_level_widths(struct shown *shown, const struct ntk_series *series, double level,
                              double *history)
{
    int64_t since = shown->filter.since;
    size_t end = series->n, first = 0;
    while (end > 0 && ntk_entry_level(&series->entries[end - 1], level) < 0)
        end--;
    if (since == INT64_MIN)
        first = end > 0 ? end - 1 : 0;
    while (first < end && series->entries[first].reference_time < since)
        first++;
    size_t n = collect_widths(series, level, first, history);
    for (size_t i = first; i < end; i++) {
        const struct ntk_entry *entry = &series->entries[i];
        int l = ntk_entry_level(entry, level);
        if (l < 0)
            continue;
        put_width(&shown->table, series, entry, level, history, n);
        insert_width(history, &n, entry->width[l]);
    }
}

static void show_widths(void *user, struct ntk_series *series,
                        const struct ntk_adaptation *adaptation)
{
    struct shown *shown = user;
    double levels[NTK_RECORD_LEVELS];
    (void)adaptation;
    if (!wants_series(&shown->filter, series))
        return;
    double *history = malloc((series->n + 1) * sizeof *history);
    size_t n = history ? ntk_series_levels(series, levels) : 0;
    shown->table.text->failed |= !history;
    for (size_t l = 0; l < n; l++) {
        if (wants_level(&shown->filter, levels[l]))
            show_level_widths(shown, series, levels[l], history);
    }
    free(history);
}

static enum ntk_status render_widths(struct ntk_request *request, int csv, struct ntk_text *text,
                                     struct ntk_error *error)
{
    return render(request, csv, width_columns, show_widths, text, error);
}

enum ntk_handled ntk_handle_widths(struct ntk_request *request)
{
    ntk_polled_reply(request, 1, render_widths);
    return NTK_HANDLED;
}

/* ---- coverage ------------------------------------------------------------------------------- */

static const char *const coverage_columns[] = {"calibration",
                                               "version",
                                               "variable",
                                               "units",
                                               "lead_time_hours",
                                               "place_group",
                                               "level",
                                               "window",
                                               "records",
                                               "coverage",
                                               "coverage_lower",
                                               "coverage_upper",
                                               "width",
                                               "crps",
                                               "first_reference_time",
                                               "last_reference_time",
                                               NULL};

static const struct {
    const char *name;
    int days; /* back from the newest verified record; 0: all */
} windows[] = {{"7d", 7}, {"30d", 30}, {"90d", 90}, {"all", 0}};

static void name_band(int band, char *out, size_t size)
{
    if (band < 0)
        snprintf(out, size, "all");
    else
        snprintf(out, size, "%d..%d", 10 * band - 90, 10 * band - 80);
}

static int is_group(const char *name)
{
    char group[24];
    int band = -1;
    do
        name_band(band, group, sizeof group);
    while (strcmp(name, group) && ++band < NTK_RECORD_BANDS);
    return band < NTK_RECORD_BANDS;
}

static void show_window(struct shown *shown, const struct ntk_series *series, double level,
                        int band, size_t w)
{
    struct ntk_window_result result;
    struct ntk_table *table = &shown->table;
    char group[24];
    int64_t newest = ntk_series_newest_verified(series);
    int64_t after = INT64_MIN;
    if (newest == INT64_MIN)
        return; /* nothing is verified yet */
    if (windows[w].days)
        after = newest - 86400 * (int64_t)windows[w].days;
    name_band(band, group, sizeof group);
    if ((shown->filter.window && strcmp(shown->filter.window, windows[w].name)) ||
        (shown->filter.place_group && strcmp(shown->filter.place_group, group)) ||
        !ntk_series_window(series, level, band, after, &result) ||
        result.last < shown->filter.since)
        return;
    put_series(table, series);
    ntk_table_string(table, series->units);
    ntk_table_real(table, series->lead_hours);
    ntk_table_string(table, group);
    ntk_table_real(table, level);
    ntk_table_string(table, windows[w].name);
    ntk_table_count(table, result.records);
    ntk_table_real(table, result.coverage);
    ntk_table_real(table, result.low);
    ntk_table_real(table, result.high);
    ntk_table_real(table, result.width);
    ntk_table_real(table, result.crps);
    ntk_table_time(table, result.first);
    ntk_table_time(table, result.last);
}

static void show_coverage(void *user, struct ntk_series *series,
                          const struct ntk_adaptation *adaptation)
{
    struct shown *shown = user;
    double levels[NTK_RECORD_LEVELS];
    size_t n = wants_series(&shown->filter, series) ? ntk_series_levels(series, levels) : 0;
    (void)adaptation;
    for (size_t l = 0; l < n; l++) {
        for (int band = -1; band < NTK_RECORD_BANDS && wants_level(&shown->filter, levels[l]);
             band++) {
            for (size_t w = 0; w < sizeof windows / sizeof *windows; w++)
                show_window(shown, series, levels[l], band, w);
        }
    }
}

static enum ntk_status render_coverage(struct ntk_request *request, int csv, struct ntk_text *text,
                                       struct ntk_error *error)
{
    const char *window = ntk_request_parameter(request, "window");
    const char *group = ntk_request_parameter(request, "place_group");
    size_t w = 0;
    while (window && w < sizeof windows / sizeof *windows && strcmp(window, windows[w].name))
        w++;
    if (w == sizeof windows / sizeof *windows)
        return ntk_fail(error, NTK_USAGE, "window is '%.40s', 7d, 30d, 90d or all was expected",
                        window);
    if (group && !is_group(group))
        return ntk_fail(error, NTK_USAGE,
                        "place_group is '%.40s', all or a band such as 30..40 was expected", group);
    return render(request, csv, coverage_columns, show_coverage, text, error);
}

enum ntk_handled ntk_handle_coverage(struct ntk_request *request)
{
    ntk_polled_reply(request, 1, render_coverage);
    return NTK_HANDLED;
}

/* ---- adaptation ----------------------------------------------------------------------------- */

static const char *const adaptation_columns[] = {
    "calibration", "version", "variable",  "lead_time_hours",
    "level",       "enabled", "alpha",     "level_in_use",
    "gamma",       "records", "miss_rate", "last_reference_time",
    NULL};

static void show_adaptation(void *user, struct ntk_series *series,
                            const struct ntk_adaptation *adaptation)
{
    struct shown *shown = user;
    struct ntk_table *table = &shown->table;
    double levels[NTK_RECORD_LEVELS];
    size_t n = wants_series(&shown->filter, series) ? ntk_series_levels(series, levels) : 0;
    for (size_t l = 0; l < n; l++) {
        struct ntk_adapt state;
        if (!wants_level(&shown->filter, levels[l]))
            continue;
        ntk_series_adapt(series, levels[l], adaptation->gamma, INT64_MAX, &state);
        put_series(table, series);
        ntk_table_real(table, series->lead_hours);
        ntk_table_real(table, levels[l]);
        ntk_table_flag(table, adaptation->enabled);
        ntk_table_real(table, state.alpha);
        ntk_table_real(table, adaptation->enabled ? 1 - state.alpha : levels[l]);
        ntk_table_real(table, adaptation->gamma);
        ntk_table_count(table, state.n);
        ntk_table_real(table, state.n ? state.missed / (double)state.n : NAN);
        ntk_table_time(table, ntk_series_newest_verified(series));
    }
}

static enum ntk_status render_adaptation(struct ntk_request *request, int csv,
                                         struct ntk_text *text, struct ntk_error *error)
{
    return render(request, csv, adaptation_columns, show_adaptation, text, error);
}

enum ntk_handled ntk_handle_adaptation(struct ntk_request *request)
{
    ntk_polled_reply(request, 1, render_adaptation);
    return NTK_HANDLED;
}

/* ---- alarms --------------------------------------------------------------------------------- */

static const char *const alarm_columns[] = {
    "kind",  "calibration", "version",   "variable", "lead_time_hours", "level",
    "since", "statistic",   "threshold", "message",  "components",      NULL};

static void show_alarm(void *user, const struct ntk_alarm *alarm)
{
    struct shown *shown = user;
    const struct filter *filter = &shown->filter;
    struct ntk_table *table = &shown->table;
    if ((filter->calibration && strcmp(filter->calibration, alarm->calibration)) ||
        (filter->variable && strcmp(filter->variable, alarm->variable)) ||
        (filter->version && filter->version != alarm->version) ||
        fabs(filter->lead_hours - alarm->lead_hours) > 1e-6 ||
        (!isnan(filter->level) && !(fabs(filter->level - alarm->level) <= 1e-9)))
        return; /* an alarm of features is of no variable and no level */
    ntk_table_string(table, alarm->kind == NTK_ALARM_COVERAGE ? "coverage" : "spectrum");
    ntk_table_string(table, alarm->calibration);
    ntk_table_count(table, alarm->version);
    ntk_table_string(table, *alarm->variable ? alarm->variable : NULL);
    ntk_table_real(table, alarm->lead_hours);
    ntk_table_real(table, alarm->level);
    ntk_table_time(table, alarm->since);
    ntk_table_real(table, alarm->statistic);
    ntk_table_real(table, alarm->threshold);
    ntk_table_string(table, alarm->message);
    ntk_table_counts(table, alarm->components, alarm->n_components);
}

static enum ntk_status render_alarms(struct ntk_request *request, int csv, struct ntk_text *text,
                                     struct ntk_error *error)
{
    struct shown shown;
    enum ntk_status status = parse_filter(request, &shown.filter, error);
    if (status)
        return status;
    ntk_table_begin(&shown.table, text, alarm_columns, csv);
    ntk_watch_alarms(request->server->watch, show_alarm, &shown);
    ntk_table_end(&shown.table);
    return NTK_OK;
}

enum ntk_handled ntk_handle_alarms(struct ntk_request *request)
{
    ntk_polled_reply(request, 1, render_alarms);
    return NTK_HANDLED;
}
