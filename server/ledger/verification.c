#include "server/ledger/verification.h"

#include <math.h>
#include <stdlib.h>

#include "core/groups.h"
#include "core/interval.h"

/* Adds a place to the sums of a group. */
static void add_place(struct ntk_verified_group *group, const struct ntk_record *record, size_t p,
                      double truth, double crps)
{
    group->known++;
    group->crps += crps;
    for (size_t l = 0; l < record->n_levels; l++) {
        double lower = ntk_record_lower(record, l)[p], upper = ntk_record_upper(record, l)[p];
        group->covered[l] += truth >= lower && truth <= upper;
        group->width[l] += upper - lower;
    }
}

static struct ntk_verified_group *find_group(struct ntk_verified *verified, int band)
{
    for (size_t g = 0; g < verified->n_groups; g++) {
        if (verified->groups[g].band == band)
            return &verified->groups[g];
    }
    if (verified->n_groups == 1 + NTK_RECORD_BANDS)
        return NULL;
    struct ntk_verified_group *group = &verified->groups[verified->n_groups++];
    *group = (struct ntk_verified_group){.band = band};
    return group;
}

static void divide(struct ntk_verified_group *group, size_t n_levels)
{
    double known = (double)group->known;
    group->crps /= known;
    for (size_t l = 0; l < n_levels; l++) {
        group->covered[l] /= known;
        group->width[l] /= known;
    }
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Keeps all of n sorted p-values, or evenly spaced order statistics of them. */
static void keep_p_values(double *p, size_t n, struct ntk_verified *out)
{
    qsort(p, n, sizeof *p, compare);
    out->n_p = n < NTK_RECORD_P_VALUES ? n : NTK_RECORD_P_VALUES;
    for (size_t i = 0; i < out->n_p; i++)
        out->p[i] = p[(2 * i + 1) * n / (2 * out->n_p)];
}

void ntk_record_verify(const struct ntk_record *record, const double *truth,
                       const struct ntk_interval_model *model, const int *bands,
                       struct ntk_verified *out)
{
    const double *forecast = ntk_record_forecast(record), *scale = ntk_record_scale(record);
    double *p_values = malloc((record->points + 1) * sizeof *p_values);
    double valid_time = (double)record->reference_time + 3600 * record->lead_hours;
    size_t n_p = 0;
    out->n_groups = 0;
    out->n_p = 0;
    for (size_t p = 0; p < record->points; p++) {
        double score = (forecast[p] - truth[p] - ntk_record_centre(record)[p]) / scale[p];
        if (isnan(score) || !isfinite(scale[p]) || scale[p] <= 0)
            continue; /* no truth, no forecast, or no interval */
        double crps =
            model ? scale[p] * ntk_interval_crps(model, NTK_FAMILY_CONFORMAL, score) : NAN;
        struct ntk_verified_group *band = NULL;
        add_place(find_group(out, -1), record, p, truth[p], crps);
        if (bands && (band = find_group(out, bands[p])))
            add_place(band, record, p, truth[p], crps);
        if (model && record->adaptable && p_values)
            p_values[n_p++] =
                ntk_group_p_value(model, ntk_group_of(model, valid_time, p), fabs(score));
    }
    for (size_t g = 0; g < out->n_groups; g++)
        divide(&out->groups[g], record->n_levels);
    if (n_p > 0)
        keep_p_values(p_values, n_p, out);
    free(p_values);
}
