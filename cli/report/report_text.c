#include "cli/report/report_text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/calibration.h"
#include "core/shift.h"

enum { LINE = 100, EXAMPLES = 4 };

double ntk_report_number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

const char *ntk_report_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static int is_true(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

/* ---- one row --------------------------------------------------------------------------------- */

int ntk_report_coverage(const json_t *report, const json_t *row, int *judged)
{
    double level = ntk_report_number(row, "level"), low = ntk_report_number(row, "expected_low");
    double high = ntk_report_number(row, "expected_high");
    *judged = isfinite(low) && isfinite(high) && !is_true(row, "unbounded") &&
              !json_is_number(json_object_get(report, "map_miss"));
    if (!*judged)
        return 0;
    if (high < level)
        return -1;
    return low > level && !json_is_number(json_object_get(report, "confidence"));
}

const json_t *ntk_report_best_baseline(const json_t *row)
{
    const json_t *best = NULL;
    double least = INFINITY;
    size_t i;
    json_t *baseline;
    json_array_foreach(json_object_get(row, "baselines"), i, baseline)
    {
        double score = ntk_report_number(baseline, "interval_score");
        if (score < least) {
            least = score;
            best = baseline;
        }
    }
    return best;
}

struct ntk_report_difference ntk_report_difference(const json_t *baseline)
{
    const json_t *found = json_object_get(baseline, "interval_score_difference");
    double theirs = ntk_report_number(baseline, "interval_score");
    double p_value = ntk_report_number(found, "p_value");
    struct ntk_report_difference made = {.relative = ntk_report_number(found, "relative"),
                                         .low = ntk_report_number(found, "low") / theirs,
                                         .high = ntk_report_number(found, "high") / theirs};
    if (p_value < NTK_REPORT_ALPHA && made.relative != 0)
        made.verdict = made.relative < 0 ? -1 : 1;
    return made;
}

/* ---- all rows -------------------------------------------------------------------------------- */

/* Adds a row; `relative` is the sum of logarithms until finish_comparison. */
static void compare(struct ntk_report_comparison *comparison, const json_t *baseline)
{
    struct ntk_report_difference difference = ntk_report_difference(baseline);
    if (!isfinite(difference.relative) || difference.relative <= -1)
        return;
    comparison->rows++;
    comparison->relative += log1p(difference.relative);
    comparison->better += difference.verdict < 0;
    comparison->worse += difference.verdict > 0;
    comparison->equal += difference.relative == 0;
}

static void finish_comparison(struct ntk_report_comparison *comparison)
{
    if (comparison->rows == 0)
        comparison->name = NULL;
    else
        comparison->relative = expm1(comparison->relative / (double)comparison->rows);
}

/* Baselines over all rows; of those that most rows have, the one that comes closest to ours. */
static void summarise_scores(const json_t *rows, struct ntk_report_summary *out)
{
    struct ntk_report_comparison all[NTK_BASELINE_COUNT] = {{0}};
    size_t i, j;
    json_t *row, *baseline;
    out->hindsight.name = "";
    json_array_foreach(rows, i, row)
    {
        const json_t *best = ntk_report_best_baseline(row);
        if (best)
            compare(&out->hindsight, best);
        json_array_foreach(json_object_get(row, "baselines"), j, baseline)
        {
            for (size_t b = 0; b < NTK_BASELINE_COUNT; b++) {
                const char *name = ntk_baseline_name((enum ntk_baseline)b);
                all[b].name = name;
                if (!strcmp(name, ntk_report_text(baseline, "name")))
                    compare(&all[b], baseline);
            }
        }
    }
    finish_comparison(&out->hindsight);
    for (size_t b = 0; b < NTK_BASELINE_COUNT; b++) {
        finish_comparison(&all[b]);
        int first = all[b].rows > out->best.rows;
        if (first || (all[b].rows == out->best.rows && all[b].relative > out->best.relative))
            out->best = all[b];
    }
    out->constant = all[NTK_BASELINE_CONSTANT];
}

static void count_centre(int centred, unsigned terms, struct ntk_report_summary *out)
{
    const int season = (terms & NTK_TERM_SEASON) != 0, features = (terms & NTK_TERM_FEATURES) != 0;
    out->centred += centred;
    out->centre_season += season;
    out->centre_features += features;
    out->centre_both += season && features;
    out->centre_neither += centred && !season && !features;
}

static void count_scale(unsigned terms, struct ntk_report_summary *out)
{
    const int season = (terms & NTK_TERM_SEASON) != 0, sigma = (terms & NTK_TERM_SIGMA) != 0;
    const int features = (terms & NTK_TERM_FEATURES) != 0;
    out->scale_season += season;
    out->scale_sigma += sigma;
    out->scale_features += features;
    out->scale_two += season + sigma + features == 2;
    out->scale_three += season + sigma + features == 3;
    out->scale_none += season + sigma + features == 0;
}

static void summarise_model(const json_t *row, struct ntk_report_summary *out)
{
    const json_t *model = json_object_get(json_object_get(row, "model"), "model");
    unsigned centre = (unsigned)json_integer_value(json_object_get(model, "centre_terms"));
    unsigned scale = (unsigned)json_integer_value(json_object_get(model, "scale_terms"));
    int centred = strcmp(ntk_report_text(model, "centre"), "none") != 0;
    if (!centred)
        centre = 0;
    if (is_true(model, "proportional"))
        scale = NTK_TERM_SIGMA;
    out->models++;
    count_centre(centred, centre, out);
    count_scale(scale, out);
    out->covariates += ((centre | scale) & NTK_TERM_COVARIATES) != 0;
    out->local_season += is_true(model, "local_season");
    out->with_features += ((centre | scale) & NTK_TERM_FEATURES) != 0;
}

/* -1: the wrong way round. */
static int tells_apart(const json_t *discrimination)
{
    if (!(ntk_report_number(discrimination, "p_value") < NTK_REPORT_ALPHA))
        return 0;
    if (ntk_report_number(discrimination, "auroc_low") > 0.5)
        return 1;
    return ntk_report_number(discrimination, "auroc_high") < 0.5 ? -1 : 0;
}

static void summarise_lead(const json_t *lead, struct ntk_report_summary *out)
{
    const json_t *shift = json_object_get(lead, "shift");
    const json_t *discrimination = json_object_get(lead, "discrimination");
    out->leads++;
    out->shifted += is_true(shift, "shifted");
    out->shift_untested += !json_is_object(shift);
    out->leads_with_events += isfinite(ntk_report_number(discrimination, "auroc"));
    out->told_apart += tells_apart(discrimination) > 0;
}

void ntk_report_summarise(const json_t *report, struct ntk_report_summary *out)
{
    const json_t *rows = json_object_get(report, "rows");
    struct ntk_report_summary made = {.rows = json_array_size(rows)};
    const json_t *first = json_array_get(rows, 0);
    size_t i;
    json_t *row, *lead;
    json_array_foreach(rows, i, row)
    {
        int judged, side = ntk_report_coverage(report, row, &judged);
        made.unbounded += is_true(row, "unbounded") != 0;
        made.judged += judged != 0;
        made.within += judged && side == 0;
        made.low += side < 0;
        made.high += side > 0;
        if (ntk_report_number(row, "level") == ntk_report_number(first, "level"))
            summarise_model(row, &made);
    }
    summarise_scores(rows, &made);
    json_array_foreach(json_object_get(report, "leads"), i, lead) summarise_lead(lead, &made);
    *out = made;
}

/* ---- sentences ------------------------------------------------------------------------------- */

/* "t2m at 24 h and 90 % (88.1 %, 95 % interval 85.0 to 89.7 %)", a few of them. */
static void list_outside(FILE *out, const json_t *report)
{
    size_t i, n = 0;
    json_t *row;
    json_array_foreach(json_object_get(report, "rows"), i, row)
    {
        int judged, side = ntk_report_coverage(report, row, &judged);
        if (!side)
            continue;
        if (n++ < EXAMPLES)
            fprintf(out, "%s%s at %g h and %g %% (%.1f %%, interval %.1f to %.1f)",
                    n > 1 ? "; " : "", ntk_report_text(row, "variable"),
                    ntk_report_number(row, "lead_time_hours"),
                    100 * ntk_report_number(row, "level"), 100 * ntk_report_number(row, "coverage"),
                    100 * ntk_report_number(row, "expected_low"),
                    100 * ntk_report_number(row, "expected_high"));
    }
    if (n > EXAMPLES)
        fprintf(out, "; and %zu more", n - EXAMPLES);
}

static void say_coverage(FILE *out, const json_t *report, const struct ntk_report_summary *summary)
{
    size_t outside = summary->judged - summary->within;
    double miss = ntk_report_number(report, "map_miss");
    double confidence = ntk_report_number(report, "confidence");
    if (isfinite(miss))
        fprintf(out,
                "The level is promised to whole maps, of which at most %g %% of the points are "
                "missed, so that the coverage of points is not compared with it.",
                100 * miss);
    else if (summary->judged == 0)
        fprintf(out, "Coverage cannot be judged: no row has an interval for it.");
    else
        fprintf(out,
                "Coverage %s: in %zu of %zu rows (a variable at a lead time and a level) %s the "
                "95 %% interval of the coverage observed.",
                outside * 10 <= summary->judged  ? "holds"
                : outside * 4 <= summary->judged ? "holds in most rows"
                                                 : "does not hold",
                summary->within, summary->judged,
                isfinite(confidence) ? "the level lies within or below"
                                     : "the nominal level lies within");
    if (outside) {
        fprintf(out, " It is too low in %zu and too high in %zu: ", summary->low, summary->high);
        list_outside(out, report);
        fprintf(out, ". By chance alone it would be about one row in twenty.");
    }
    if (summary->unbounded)
        fprintf(out,
                " In %zu of %zu rows the calibration set is too small for the level and the "
                "interval is unbounded.",
                summary->unbounded, summary->rows);
}

static void say_relative(FILE *out, double relative)
{
    if (fabs(relative) < 0.0005)
        fprintf(out, "equal to within 0.05 %%");
    else
        fprintf(out, "%.1f %% %s", 100 * fabs(relative), relative < 0 ? "lower" : "higher");
}

static void say_counts(FILE *out, const struct ntk_report_comparison *comparison)
{
    const struct ntk_report_comparison *c = comparison;
    fprintf(out,
            "significantly lower in %zu of %zu rows, higher in %zu, different by no more than "
            "chance in %zu",
            c->better, c->rows, c->worse, c->rows - c->better - c->worse - c->equal);
    if (c->equal)
        fprintf(out, ", the same in %zu", c->equal);
}

static void say_scores(FILE *out, const struct ntk_report_summary *summary)
{
    if (!summary->best.name) {
        fprintf(out, "There is no baseline to compare with.");
        return;
    }
    fprintf(out, "The interval score (lower is better) is ");
    say_relative(out, summary->best.relative);
    fprintf(out, " than that of the best simple baseline over all rows, %s: ", summary->best.name);
    say_counts(out, &summary->best);
    fprintf(out, " (paired block bootstrap, 95 %%).");
    if (summary->constant.name && strcmp(summary->constant.name, summary->best.name)) {
        fprintf(out, " Against one constant width it is ");
        say_relative(out, summary->constant.relative);
        fprintf(out, ": ");
        say_counts(out, &summary->constant);
        fputc('.', out);
    }
    fprintf(out, " Against whichever baseline is best in each row, picked with hindsight, it is ");
    say_relative(out, summary->hindsight.relative);
    fprintf(out, ": ");
    say_counts(out, &summary->hindsight);
    fputc('.', out);
}

static void say_models(FILE *out, const struct ntk_report_summary *summary)
{
    size_t n = summary->models;
    fprintf(out,
            "Of %zu models (a variable at a lead time), the width follows the season in %zu, sigma "
            "in %zu and the features in %zu (two of them in %zu, all three in %zu, none in %zu); "
            "the bias "
            "taken off follows the season in %zu and the features in %zu (both in %zu, neither in "
            "%zu), and there is none in %zu.",
            n, summary->scale_season, summary->scale_sigma, summary->scale_features,
            summary->scale_two, summary->scale_three, summary->scale_none, summary->centre_season,
            summary->centre_features, summary->centre_both, summary->centre_neither,
            n - summary->centred);
    if (summary->local_season)
        fprintf(out, " Each place has a season of its own in %zu.", summary->local_season);
    if (summary->covariates)
        fprintf(out, " Covariates are used in %zu.", summary->covariates);
    if (summary->with_features)
        fprintf(out,
                " So the features tell something that the date does not in %zu of %zu (as "
                "cross-validation within the calibration set chose, unless told otherwise).",
                summary->with_features, n);
    else if (summary->scale_sigma)
        fprintf(out, " So the features enter through sigma alone.");
    else
        fprintf(out, " So the features add nothing to what the date and the place tell.");
}

/* "The features have shifted at 24 h: component 3 by 1.2 standard deviations (p = 1e-9); ": the
 * leads whose coordinates moved, each with a semicolon. */
static void list_moved(FILE *out, const json_t *report)
{
    size_t i, n = 0;
    json_t *lead;
    json_array_foreach(json_object_get(report, "leads"), i, lead)
    {
        const json_t *shift = json_object_get(lead, "shift");
        double p_value = ntk_report_number(shift, "p_value");
        if (p_value < NTK_SHIFT_ALPHA)
            fprintf(out, "%s %g h: component %.0f by %.2g standard deviations (p = %.2g);",
                    n++ ? " at" : "The features have shifted at",
                    ntk_report_number(lead, "lead_time_hours"),
                    ntk_report_number(shift, "component"),
                    ntk_report_number(shift, "component_shift_sd"), p_value);
    }
    if (n)
        fputc(' ', out);
}

/* "90 to 95 % of the samples at 6, 12 h are from weeks of the year not calibrated on; ". */
static void list_unseen(FILE *out, const json_t *report)
{
    size_t i, n = 0;
    double least = 1, most = 0;
    json_t *lead;
    for (int listing = 0; listing < 2; listing++) {
        json_array_foreach(json_object_get(report, "leads"), i, lead)
        {
            double unseen = ntk_report_number(json_object_get(lead, "shift"), "season_unseen");
            if (!(unseen > NTK_SHIFT_UNSEEN))
                continue;
            least = fmin(least, unseen);
            most = fmax(most, unseen);
            if (listing)
                fprintf(out, "%s%g", n++ ? ", " : "", ntk_report_number(lead, "lead_time_hours"));
        }
        if (!listing && most > 0)
            fprintf(out, "%.0f to %.0f %% of the samples at ", 100 * least, 100 * most);
    }
    if (n)
        fputs(" h are from weeks of the year not calibrated on; ", out);
}

static void say_shift(FILE *out, const json_t *report, const struct ntk_report_summary *summary)
{
    size_t i, tested = summary->leads - summary->shift_untested;
    double least = INFINITY, unseen = 0;
    json_t *lead;
    json_array_foreach(json_object_get(report, "leads"), i, lead)
    {
        const json_t *shift = json_object_get(lead, "shift");
        least = fmin(least, ntk_report_number(shift, "p_value"));
        unseen = fmax(unseen, ntk_report_number(shift, "season_unseen"));
    }
    if (tested == 0) {
        fprintf(out, "Whether the features have shifted could not be tested.");
        return;
    }
    if (summary->shifted == 0) {
        fprintf(out,
                "The features have not shifted from the calibration set at any lead time tested "
                "(smallest p = %.2g, limit %g; at most %.0f %% of the samples are from weeks of "
                "the year not calibrated on).",
                least, NTK_SHIFT_ALPHA, 100 * unseen);
        return;
    }
    list_moved(out, report);
    list_unseen(out, report);
    fprintf(out, "coverage cannot be promised on these samples.");
}

/* "24 h (AUROC 0.80, 0.60 to 0.93)" for the leads of a kind; gives their number. */
static size_t list_events(FILE *out, const json_t *report, int kind, const char *before)
{
    size_t i, n = 0;
    json_t *lead;
    json_array_foreach(json_object_get(report, "leads"), i, lead)
    {
        const json_t *d = json_object_get(lead, "discrimination");
        if (!isfinite(ntk_report_number(d, "auroc")) || tells_apart(d) != kind)
            continue;
        fprintf(out, "%s%g h (AUROC %.2f, %.2f to %.2f; mean sigma %.2f times the routine one)",
                n++ ? ", " : before, ntk_report_number(lead, "lead_time_hours"),
                ntk_report_number(d, "auroc"), ntk_report_number(d, "auroc_low"),
                ntk_report_number(d, "auroc_high"), ntk_report_number(d, "mean_ratio"));
    }
    if (n)
        fputc('.', out);
    return n;
}

static void say_events(FILE *out, const json_t *report, const struct ntk_report_summary *summary)
{
    if (summary->leads_with_events == 0) {
        fprintf(out, "The archive marks no events, so that nothing is said about them.");
        return;
    }
    size_t told = list_events(out, report, 1, "Sigma tells events from routine at ");
    size_t wrong =
        list_events(out, report, -1,
                    told ? " It is lower for events than for routine at "
                         : "Sigma is lower for events than for routine, the wrong way round, at ");
    size_t rest = summary->leads_with_events - told - wrong;
    if (told + wrong == 0)
        fprintf(out,
                "Sigma does not tell events from routine beyond chance at any of %zu lead times.",
                rest);
    else if (rest)
        fprintf(out, " At %zu other lead time%s it is not told from chance.", rest,
                rest == 1 ? "" : "s");
}

void ntk_report_say(FILE *out, const json_t *report, const struct ntk_report_summary *summary,
                    enum ntk_report_topic topic)
{
    switch (topic) {
    case NTK_REPORT_COVERAGE:
        say_coverage(out, report, summary);
        return;
    case NTK_REPORT_SCORES:
        say_scores(out, summary);
        return;
    case NTK_REPORT_MODELS:
        say_models(out, summary);
        return;
    case NTK_REPORT_SHIFT:
        say_shift(out, report, summary);
        return;
    case NTK_REPORT_EVENTS:
        say_events(out, report, summary);
        return;
    }
}

/* ---- the table ------------------------------------------------------------------------------- */

enum style { SHORT, WHOLE, DECIMALS, SIGNED }; /* %.4g, %.0f, %.3f, %+.1f */

static void print_number(FILE *out, int width, enum style style, double value)
{
    if (!isfinite(value))
        fprintf(out, " %*s", width, "-");
    else if (style == SHORT)
        fprintf(out, " %*.4g", width, value);
    else if (style == SIGNED)
        fprintf(out, " %+*.1f", width, value);
    else
        fprintf(out, " %*.*f", width, style == WHOLE ? 0 : 3, value);
}

static void print_row(FILE *out, const json_t *report, const json_t *row)
{
    const json_t *best = ntk_report_best_baseline(row);
    struct ntk_report_difference difference = ntk_report_difference(best);
    double low = ntk_report_number(row, "expected_low");
    double high = ntk_report_number(row, "expected_high");
    int judged, side = ntk_report_coverage(report, row, &judged);
    char interval[40] = "-";
    if (isfinite(low) && isfinite(high))
        snprintf(interval, sizeof interval, "[%.3f, %.3f]", low, high);
    fprintf(out, "%-10s", ntk_report_text(row, "variable"));
    print_number(out, 6, SHORT, ntk_report_number(row, "lead_time_hours"));
    print_number(out, 5, SHORT, ntk_report_number(row, "level"));
    print_number(out, 5, WHOLE, ntk_report_number(row, "n"));
    print_number(out, 8, DECIMALS, ntk_report_number(row, "coverage"));
    fprintf(out, " %-14s %c", interval, " +-"[side < 0 ? 2 : side]);
    print_number(out, 10, SHORT, ntk_report_number(row, "width"));
    print_number(out, 10, SHORT, ntk_report_number(row, "interval_score"));
    print_number(out, 10, SHORT, ntk_report_number(row, "crps"));
    fprintf(out, " %-8s %-11s", ntk_report_text(row, "units"),
            best ? ntk_report_text(best, "name") : "-");
    print_number(out, 6, SIGNED, 100 * difference.relative);
    fprintf(out, "%s\n", difference.verdict < 0 ? " *" : difference.verdict > 0 ? " !" : "");
}

static void print_table(FILE *out, const json_t *report)
{
    size_t i;
    json_t *row;
    fprintf(out, "\n%-10s %6s %5s %5s %8s %-16s %10s %10s %10s %-8s %-11s %6s\n", "variable",
            "lead h", "level", "n", "coverage", "95 % interval", "width", "int. score", "CRPS",
            "units", "best of", "diff %");
    json_array_foreach(json_object_get(report, "rows"), i, row) print_row(out, report, row);
    fprintf(out,
            "+ -     coverage above, below the level: it is not within the 95 %% interval of the "
            "coverage\n        expected over calibration sets\n"
            "best of the simple baselines by interval score; diff %%: our score against it\n"
            "* !     significantly lower (better), higher (paired block bootstrap, 95 %%)\n");
}

/* A paragraph in lines of at most LINE bytes. */
static void print_wrapped(FILE *out, const char *text)
{
    size_t used = 0;
    while (*text) {
        size_t length = strcspn(text, " ");
        if (used && used + 1 + length > LINE) {
            fputc('\n', out);
            used = 0;
        }
        used += (size_t)fprintf(out, "%s%.*s", used ? " " : "", (int)length, text);
        text += length;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

static void print_sentences(FILE *out, const json_t *report)
{
    struct ntk_report_summary summary;
    char *text = NULL;
    size_t size;
    FILE *paragraph = open_memstream(&text, &size);
    if (!paragraph)
        return;
    ntk_report_summarise(report, &summary);
    for (int topic = 0; topic < NTK_REPORT_TOPICS; topic++) {
        fputs(topic ? " " : "", paragraph);
        ntk_report_say(paragraph, report, &summary, (enum ntk_report_topic)topic);
    }
    if (!fclose(paragraph)) {
        fputc('\n', out);
        print_wrapped(out, text);
    }
    free(text);
}

void ntk_report_print(FILE *out, const json_t *report)
{
    size_t i;
    json_t *lead;
    fprintf(out, "calibration %s (%.12s) on %s\n", ntk_report_text(report, "calibration"),
            ntk_report_text(report, "sha256"), ntk_report_text(report, "test"));
    json_array_foreach(json_object_get(report, "leads"), i, lead)
    {
        fprintf(out, "lead %g h: %s, rank %.0f, R_k = %.3f: %s\n",
                ntk_report_number(lead, "lead_time_hours"), ntk_report_text(lead, "method"),
                ntk_report_number(lead, "rank"), ntk_report_number(lead, "collapse_ratio"),
                ntk_report_text(lead, "method_reason"));
    }
    print_table(out, report);
    print_sentences(out, report);
}
