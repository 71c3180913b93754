/* GET /v1/issued: what was issued, with the truth where it is known. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/display/parameters.h"
#include "server/display/polled.h"
#include "server/http/routes.h"
#include "server/ledger/ledger.h"
#include "server/ledger/when.h"

/* Which records, and what of them. */
struct wanted {
    struct ntk_server *server;
    struct ntk_record_filter filter;
    long long place; /* -1: all */
    struct ntk_text *text;
    size_t shown;
    unsigned version; /* of the last one shown */
};

/* A whole number from `least` on; NAN where it is not told. */
static enum ntk_status parse_whole(struct ntk_request *request, const char *name, double least,
                                   double *out, struct ntk_error *error)
{
    enum ntk_status status = ntk_parameter_real(request, name, out, error);
    if (!status && !isnan(*out) && (*out < least || *out > 999999999 || *out != floor(*out)))
        status = ntk_fail(error, NTK_USAGE, "%s is '%.40s', a whole number from %.0f was expected",
                          name, ntk_request_parameter(request, name), least);
    return status;
}

static enum ntk_status parse_wanted(struct ntk_request *request, struct wanted *out,
                                    struct ntk_error *error)
{
    const char *calibration = ntk_request_parameter(request, "calibration");
    const char *variable = ntk_request_parameter(request, "variable");
    const char *time = ntk_request_parameter(request, "forecast_reference_time");
    double version, place;
    *out = (struct wanted){.server = request->server, .filter = ntk_record_filter_any};
    out->filter.calibration = calibration ? calibration : "";
    out->filter.variable = variable ? variable : "";
    enum ntk_status status =
        ntk_parameter_real(request, "lead_time_hours", &out->filter.lead_hours, error);
    if (!status)
        status = parse_whole(request, "version", 1, &version, error);
    if (!status)
        status = parse_whole(request, "place", 0, &place, error);
    if (!status && time &&
        ntk_when_parse(time, "forecast_reference_time", &out->filter.from, error))
        status = NTK_USAGE;
    if (status)
        return status;
    out->filter.to = time ? out->filter.from : INT64_MAX;
    out->filter.lead_hours = ntk_record_lead(out->filter.lead_hours);
    out->filter.version = isnan(version) ? 0 : (unsigned)version;
    out->place = isnan(place) ? -1 : (long long)place;
    return NTK_OK;
}

/* The newest reference time among the series asked about. */
static void find_newest(void *user, struct ntk_series *series,
                        const struct ntk_adaptation *adaptation)
{
    struct ntk_record_filter *filter = user;
    (void)adaptation;
    if ((*filter->calibration && strcmp(filter->calibration, series->calibration)) ||
        (*filter->variable && strcmp(filter->variable, series->variable)) ||
        (filter->version && filter->version != series->version) ||
        fabs(filter->lead_hours - series->lead_hours) > 1e-6 || series->n == 0)
        return;
    int64_t newest = series->entries[series->n - 1].reference_time;
    if (filter->from == INT64_MIN || newest > filter->from)
        filter->from = filter->to = newest;
}

/* ---- writing -------------------------------------------------------------------------------- */

static void write_real(struct ntk_text *text, double value)
{
    ntk_text_append_real(text, value, "null");
}

static void write_name(struct ntk_text *text, const char *name, const char *value)
{
    ntk_text_append(text, name);
    ntk_text_append_quoted(text, value);
}

static void write_time(struct ntk_text *text, const char *name, int64_t value)
{
    char when[32];
    ntk_when_print(value, when, sizeof when);
    write_name(text, name, when);
}

/* All places, or the one that is wanted. */
static void write_values(const struct wanted *wanted, const double *values, size_t points)
{
    struct ntk_text *text = wanted->text;
    size_t first = wanted->place < 0 ? 0 : (size_t)wanted->place;
    size_t end = wanted->place < 0 ? points : first + 1;
    ntk_text_append(text, "[");
    for (size_t p = first; p < end; p++) {
        ntk_text_append(text, p > first ? "," : "");
        write_real(text, values[p]);
    }
    ntk_text_append(text, "]");
}

static void write_levels(const struct wanted *wanted, const struct ntk_record *record,
                         const char *name,
                         const double *(*of)(const struct ntk_record *record, size_t level))
{
    ntk_text_append(wanted->text, name);
    for (size_t l = 0; l < record->n_levels; l++) {
        ntk_text_append(wanted->text, l ? "," : "");
        write_values(wanted, of(record, l), record->points);
    }
    ntk_text_append(wanted->text, "]");
}

static void lay_over(double *values, const struct ntk_truth *truth)
{
    for (size_t p = 0; p < truth->points; p++)
        values[p] = isnan(truth->values[p]) ? values[p] : truth->values[p];
}

/* The truth of the calibration, over that of every calibration. */
static enum ntk_status write_truth(const struct wanted *wanted, const struct ntk_record *record,
                                   struct ntk_error *error)
{
    struct ntk_truth key = {.lead_hours = record->lead_hours,
                            .reference_time = record->reference_time};
    struct ntk_truth shared = {0}, own = {0};
    memcpy(key.variable, record->variable, sizeof key.variable);
    enum ntk_status status = ntk_store_truth_get(wanted->server->store, &key, 0, &shared, error);
    memcpy(key.calibration, record->calibration, sizeof key.calibration);
    if (!status)
        status = ntk_store_truth_get(wanted->server->store, &key, 0, &own, error);
    double *values = malloc((record->points + 1) * sizeof *values);
    ntk_text_append(wanted->text, ",\"truth\":");
    int shares = shared.points == record->points; /* as in the ledger */
    int owns = own.values && own.points <= record->points;
    if (!status && values && (owns || shares)) {
        for (size_t p = 0; p < record->points; p++)
            values[p] = NAN;
        if (shares)
            lay_over(values, &shared);
        if (owns)
            lay_over(values, &own);
        write_values(wanted, values, record->points);
    } else {
        ntk_text_append(wanted->text, "null");
    }
    free(values);
    free(own.values);
    free(shared.values);
    return status;
}

static enum ntk_status write_record(void *user, int64_t id, const struct ntk_record *record,
                                    struct ntk_error *error)
{
    struct wanted *wanted = user;
    struct ntk_text *text = wanted->text;
    (void)id;
    if (wanted->place >= (long long)record->points)
        return ntk_fail(error, NTK_USAGE, "place is %lld, %s of %s has places 0 to %zu",
                        wanted->place, record->variable, record->calibration, record->points - 1);
    ntk_text_append(text, wanted->shown++ ? ",\n{" : "\n{");
    wanted->version = record->version;
    write_name(text, "\"calibration\":", record->calibration);
    ntk_text_append(text, ",\"version\":");
    ntk_text_append_size(text, record->version);
    write_name(text, ",\"variable\":", record->variable);
    write_name(text, ",\"units\":", record->units);
    ntk_text_append(text, ",\"lead_time_hours\":");
    write_real(text, record->lead_hours);
    write_time(text, ",\"forecast_reference_time\":", record->reference_time);
    write_time(text, ",\"valid_time\":",
               record->reference_time + (int64_t)llround(3600 * record->lead_hours));
    ntk_text_append(text, ",\"points\":");
    ntk_text_append_size(text, record->points);
    for (size_t l = 0; l < record->n_levels; l++) {
        ntk_text_append(text, l ? "," : ",\"levels\":[");
        write_real(text, record->levels[l]);
    }
    ntk_text_append(text, "],\"forecast\":");
    write_values(wanted, ntk_record_forecast(record), record->points);
    write_levels(wanted, record, ",\"lower\":[", ntk_record_lower);
    write_levels(wanted, record, ",\"upper\":[", ntk_record_upper);
    enum ntk_status status = write_truth(wanted, record, error);
    ntk_text_append(text, "}");
    return status;
}

static void write_list(struct ntk_text *text, const char *name, const double *values, size_t n)
{
    ntk_text_append(text, name);
    for (size_t i = 0; i < n; i++) {
        ntk_text_append(text, i ? "," : "");
        write_real(text, values[i]);
    }
    ntk_text_append(text, "]");
}

/* Where the fields of the calibration that is asked about are, by the version that is shown. */
static void write_places(const struct wanted *wanted)
{
    const struct ntk_version *version = NULL;
    ntk_text_append(wanted->text, "\n],\"places\":");
    if (*wanted->filter.calibration && wanted->shown > 0)
        ntk_registry_acquire(wanted->server->registry, wanted->filter.calibration, wanted->version,
                             &version, NULL);
    const struct ntk_places *places = version ? &version->calibration->places : NULL;
    if (places && places->kind != NTK_PLACE_NONE) {
        write_name(wanted->text, "{\"kind\":", ntk_place_name(places->kind));
        write_list(wanted->text, ",\"latitude\":[", places->latitude, places->n_latitude);
        write_list(wanted->text, ",\"longitude\":[", places->longitude, places->n_longitude);
        ntk_text_append(wanted->text, "}");
    } else {
        ntk_text_append(wanted->text, "null");
    }
    ntk_text_append(wanted->text, "}\n");
    ntk_registry_release(wanted->server->registry, version);
}

static enum ntk_status render_issued(struct ntk_request *request, int csv, struct ntk_text *text,
                                     struct ntk_error *error)
{
    struct wanted wanted;
    enum ntk_status status = parse_wanted(request, &wanted, error);
    (void)csv;
    if (status)
        return status;
    wanted.text = text;
    ntk_text_append(text, "{\"records\":[");
    if (wanted.filter.from == INT64_MIN)
        ntk_ledger_each(request->server->ledger, find_newest, &wanted.filter);
    if (wanted.filter.from != INT64_MIN)
        status =
            ntk_store_records(request->server->store, &wanted.filter, write_record, &wanted, error);
    write_places(&wanted);
    return status;
}

enum ntk_handled ntk_handle_issued(struct ntk_request *request)
{
    ntk_polled_reply(request, 0, render_issued);
    return NTK_HANDLED;
}
