#include "io/tally_json.h"

#include "io/json.h"

static json_t *describe_level(const struct ntk_tally_level_scores *scores, double level)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:I}", "level", ntk_json_real(level), "coverage",
                     ntk_json_real(scores->coverage), "width", ntk_json_real(scores->width),
                     "interval_score", ntk_json_real(scores->interval_score), "unbounded",
                     (json_int_t)scores->unbounded);
}

json_t *ntk_tally_json(const struct ntk_tally_scores *scores, const char *variable,
                       const char *units, double lead_hours, const double *levels)
{
    json_t *list = json_array(), *pit = json_array();
    int failed = 0;
    for (size_t l = 0; l < scores->n_levels; l++)
        failed |= json_array_append_new(list, describe_level(&scores->levels[l], levels[l]));
    for (size_t b = 0; b < NTK_PIT_BINS; b++)
        failed |= json_array_append_new(pit, ntk_json_real(scores->pit[b]));
    json_t *json =
        json_pack("{s:s, s:s, s:o, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "variable",
                  variable, "units", units, "lead_time_hours", ntk_json_real(lead_hours), "rows",
                  (json_int_t)scores->rows, "verified", (json_int_t)scores->verified, "bias",
                  ntk_json_real(scores->bias), "mean_absolute_error",
                  ntk_json_real(scores->mean_absolute_error), "rmse", ntk_json_real(scores->rmse),
                  "crps", ntk_json_real(scores->crps), "spread", ntk_json_real(scores->spread),
                  "levels", list, "pit", pit);
    if (failed) {
        json_decref(json);
        return NULL;
    }
    return json;
}
