#include "server/metrics/metrics_health.h"

#include <math.h>
#include <stdio.h>

#include "server/metrics/metrics_text.h"

enum { NUMBER = 32 };

static const char *print_version(unsigned version, char out[NUMBER])
{
    snprintf(out, NUMBER, "%u", version);
    return out;
}

/* 15 digits: what was 0.9 is 0.9. */
static const char *print_number(double value, char out[NUMBER])
{
    snprintf(out, NUMBER, "%.15g", value);
    return out;
}

static size_t shown(size_t n)
{
    return n < NTK_HEALTH_ROWS_MOST ? n : NTK_HEALTH_ROWS_MOST;
}

/* One family: `offset` is that of its member, a double, in the rows. */
struct family {
    const char *name, *help;
    size_t offset;
};

static const struct family row_families[] = {
    {"ntkuqd_nominal_level_ratio", "The label `level` as a number, to compare coverage with.",
     offsetof(struct ntk_health_row, level)},
    {"ntkuqd_coverage_ratio", "Share of verified truths inside the issued intervals.",
     offsetof(struct ntk_health_row, coverage)},
    {"ntkuqd_coverage_lower_ratio", "Lower 95 % bound of the coverage.",
     offsetof(struct ntk_health_row, coverage_lower)},
    {"ntkuqd_coverage_upper_ratio", "Upper 95 % bound of the coverage.",
     offsetof(struct ntk_health_row, coverage_upper)},
    {"ntkuqd_interval_width", "Mean width of the issued intervals, in the variable's units.",
     offsetof(struct ntk_health_row, width)},
    {"ntkuqd_crps", "Mean CRPS of the issued forecasts, in the variable's units.",
     offsetof(struct ntk_health_row, crps)},
    {"ntkuqd_adaptation_alpha_ratio", "Miss rate that online adaptation asks for.",
     offsetof(struct ntk_health_row, alpha)},
    {"ntkuqd_level_in_use_ratio", "Level that the next interval of this nominal level gets.",
     offsetof(struct ntk_health_row, level_in_use)},
    {"ntkuqd_last_truth_timestamp_seconds", "Newest valid time that was verified.",
     offsetof(struct ntk_health_row, last_truth)},
    {"ntkuqd_last_record_timestamp_seconds", "Newest reference time that was recorded.",
     offsetof(struct ntk_health_row, last_record)},
};

static void write_row(const struct family *family, const struct ntk_health_row *row,
                      struct ntk_text *text)
{
    char version[NUMBER], lead[NUMBER], level[NUMBER];
    double value = *(const double *)((const char *)row + family->offset);
    const struct ntk_metrics_label labels[] = {
        {"calibration", row->calibration},
        {"version", print_version(row->version, version)},
        {"variable", row->variable},
        {"lead_time_hours", print_number(row->lead_hours, lead)},
        {"level", print_number(row->level, level)}};
    if (!isnan(value))
        ntk_metrics_sample(text, family->name, labels, 5, value);
}

size_t ntk_health_write_rows(const struct ntk_health_row *rows, size_t n, struct ntk_text *text)
{
    for (size_t f = 0; f < sizeof row_families / sizeof *row_families; f++) {
        ntk_metrics_family(text, row_families[f].name, row_families[f].help, "gauge");
        for (size_t i = 0; i < shown(n); i++)
            write_row(&row_families[f], &rows[i], text);
    }
    return n - shown(n);
}

size_t ntk_health_write_leads(const struct ntk_health_lead *leads, size_t n, struct ntk_text *text)
{
    static const char name[] = "ntkuqd_collapse_ratio";
    char version[NUMBER], hours[NUMBER];
    ntk_metrics_family(text, name,
                       "R_k of the latest version: from 0.9 on its widths hardly differ.", "gauge");
    for (size_t i = 0; i < shown(n); i++) {
        const struct ntk_metrics_label labels[] = {
            {"calibration", leads[i].calibration},
            {"version", print_version(leads[i].version, version)},
            {"lead_time_hours", print_number(leads[i].lead_hours, hours)}};
        if (!isnan(leads[i].collapse_ratio))
            ntk_metrics_sample(text, name, labels, 3, leads[i].collapse_ratio);
    }
    return n - shown(n);
}

size_t ntk_health_write_versions(const struct ntk_health_version *versions, size_t n,
                                 struct ntk_text *text)
{
    static const char name[] = "ntkuqd_artifact_created_timestamp_seconds";
    char version[NUMBER];
    ntk_metrics_family(text, name, "When the latest version of a calibration was fitted.", "gauge");
    for (size_t i = 0; i < shown(n); i++) {
        const struct ntk_metrics_label labels[] = {
            {"calibration", versions[i].calibration},
            {"version", print_version(versions[i].version, version)}};
        if (!isnan(versions[i].created))
            ntk_metrics_sample(text, name, labels, 2, versions[i].created);
    }
    return n - shown(n);
}

size_t ntk_health_write_alarms(const struct ntk_health_alarm *alarms, size_t n,
                               struct ntk_text *text)
{
    static const char name[] = "ntkuqd_drift_alarm";
    char version[NUMBER], hours[NUMBER], level[NUMBER];
    ntk_metrics_family(text, name, "1 while a drift alarm is on.", "gauge");
    for (size_t i = 0; i < shown(n); i++) {
        const struct ntk_health_alarm *alarm = &alarms[i];
        const struct ntk_metrics_label labels[] = {
            {"calibration", alarm->calibration},
            {"version", print_version(alarm->version, version)},
            {"kind", alarm->kind},
            {"variable", alarm->variable},
            {"lead_time_hours", print_number(alarm->lead_hours, hours)},
            {"level", isnan(alarm->level) ? "" : print_number(alarm->level, level)}};
        ntk_metrics_sample(text, name, labels, 6, alarm->on != 0);
    }
    return n - shown(n);
}
