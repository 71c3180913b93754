/* Scores of an archive, or of many, as an entry of a manifest. Safe from any thread. */
#ifndef NTK_IO_TALLY_JSON_H
#define NTK_IO_TALLY_JSON_H

#include <jansson.h>

#include "core/tally.h"

/* {"variable", "units", "lead_time_hours", "rows" (forecasts with a truth), "verified" (points),
 * "bias", "mean_absolute_error", "rmse", "crps", "spread", "levels": [{"level", "coverage",
 * "width", "interval_score", "unbounded" (points)}], "pit": [10 shares]}; what is not finite is
 * null. `levels`: as many as the scores have. The caller's; NULL without memory, or when a text is
 * not UTF-8. */
json_t *ntk_tally_json(const struct ntk_tally_scores *scores, const char *variable,
                       const char *units, double lead_hours, const double *levels);

#endif
