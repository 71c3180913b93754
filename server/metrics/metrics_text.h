/* Prometheus text exposition, version 0.0.4: families of samples written into a text.
 *
 *   ntk_metrics_family(text, "ntkuqd_width", "Mean width.", "gauge");
 *   ntk_metrics_sample(text, "ntkuqd_width", (struct ntk_metrics_label[]){{"level", "0.9"}},
 * 1, 2.5);
 *
 * The samples of a family follow it, no two with the same labels; a family is begun once. Names are
 * the program's own and not escaped, label values and help texts are. One thread at a time; lack of
 * memory shows in text->failed.
 */
#ifndef NTK_SERVER_METRICS_TEXT_H
#define NTK_SERVER_METRICS_TEXT_H

#include <stddef.h>

#include "server/text.h"

struct ntk_metrics_label {
    const char *name, *value;
};

/* # HELP and # TYPE; `type` is counter, gauge or histogram. */
void ntk_metrics_family(struct ntk_text *text, const char *name, const char *help,
                        const char *type);

/* One line. A label value that is not UTF-8, which would cost the whole scrape, has '?' for every
 * byte that is not ASCII. NaN and the infinities are written as Prometheus reads them. */
void ntk_metrics_sample(struct ntk_text *text, const char *name,
                        const struct ntk_metrics_label *labels, size_t n, double value);

#endif
