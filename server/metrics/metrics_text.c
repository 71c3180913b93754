#include "server/metrics/metrics_text.h"

#include <math.h>

static void append_character(struct ntk_text *text, char c)
{
    ntk_text_append(text, (const char[]){c, 0});
}

/* Backslash and newline, and in label values the quote, are escaped; nothing else may be. */
static void append_escaped(struct ntk_text *text, const char *string, int quoted, int utf8)
{
    for (const char *c = string; *c; c++) {
        if (*c == '\\')
            ntk_text_append(text, "\\\\");
        else if (*c == '\n')
            ntk_text_append(text, "\\n");
        else if (*c == '"' && quoted)
            ntk_text_append(text, "\\\"");
        else
            append_character(text, utf8 || (unsigned char)*c < 128 ? *c : '?');
    }
}

void ntk_metrics_family(struct ntk_text *text, const char *name, const char *help, const char *type)
{
    ntk_text_append(text, "# HELP ");
    ntk_text_append(text, name);
    ntk_text_append(text, " ");
    append_escaped(text, help, 0, 1);
    ntk_text_append(text, "\n# TYPE ");
    ntk_text_append(text, name);
    ntk_text_append(text, " ");
    ntk_text_append(text, type);
    ntk_text_append(text, "\n");
}

static void append_labels(struct ntk_text *text, const struct ntk_metrics_label *labels, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ntk_text_append(text, i ? "," : "{");
        ntk_text_append(text, labels[i].name);
        ntk_text_append(text, "=\"");
        append_escaped(text, labels[i].value, 1, ntk_text_is_utf8(labels[i].value));
        ntk_text_append(text, "\"");
    }
    if (n > 0)
        ntk_text_append(text, "}");
}

void ntk_metrics_sample(struct ntk_text *text, const char *name,
                        const struct ntk_metrics_label *labels, size_t n, double value)
{
    ntk_text_append(text, name);
    append_labels(text, labels, n);
    ntk_text_append(text, " ");
    ntk_text_append_real(text, value, isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf");
    ntk_text_append(text, "\n");
}
