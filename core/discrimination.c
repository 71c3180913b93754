#include "core/discrimination.h"

#include <math.h>
#include <stdlib.h>

#include "core/bootstrap.h"
#include "core/random.h"

enum kind { ROUTINE, EVENT, KINDS };

struct sample {
    double value;
    size_t time, tie; /* places in time and in order of value; equal values share one tie */
    enum kind kind;
};

struct tie {
    double midrank;          /* from 1 */
    double influence[KINDS]; /* on the AUROC, of a sample with this value */
    double drawn[KINDS];     /* samples of a replicate with this value */
};

/* The samples in use, in time order, and room for the work. */
struct ranking {
    size_t n, n_event, n_ties;
    struct sample *samples;
    struct tie *ties;
    double *series;     /* n */
    double *replicates; /* as many as asked for */
};

static void ranking_clear(struct ranking *ranking)
{
    free(ranking->replicates);
    free(ranking->series);
    free(ranking->ties);
    free(ranking->samples);
}

static enum ntk_status ranking_init(size_t n, size_t replicates, struct ranking *ranking,
                                    struct ntk_error *error)
{
    *ranking = (struct ranking){.samples = calloc(n + 1, sizeof *ranking->samples),
                                .ties = calloc(n + 1, sizeof *ranking->ties),
                                .series = ntk_matrix_create(n, 1),
                                .replicates = ntk_matrix_create(replicates, 1)};
    if (ranking->samples && ranking->ties && ranking->series && ranking->replicates)
        return NTK_OK;
    ranking_clear(ranking);
    return ntk_fail_memory(error, "the ranks of samples",
                           n * (sizeof *ranking->samples + sizeof *ranking->ties));
}

static void take_samples(const double *value, const signed char *event, size_t n,
                         struct ranking *ranking)
{
    for (size_t i = 0; i < n; i++) {
        if (isnan(value[i]) || event[i] < 0)
            continue;
        ranking->samples[ranking->n] = (struct sample){
            .value = value[i], .time = ranking->n, .kind = event[i] ? EVENT : ROUTINE};
        ranking->n_event += event[i] > 0;
        ranking->n++;
    }
}

static int by_value(const void *a, const void *b)
{
    double x = ((const struct sample *)a)->value, y = ((const struct sample *)b)->value;
    return (x > y) - (x < y);
}

static int by_time(const void *a, const void *b)
{
    size_t x = ((const struct sample *)a)->time, y = ((const struct sample *)b)->time;
    return (x > y) - (x < y);
}

/* Finds the ties and their mean ranks, then returns to the order of time. */
static void rank_samples(struct ranking *ranking)
{
    struct sample *samples = ranking->samples;
    qsort(samples, ranking->n, sizeof *samples, by_value);
    for (size_t first = 0, end; first < ranking->n; first = end) {
        for (end = first; end < ranking->n && samples[end].value == samples[first].value; end++)
            samples[end].tie = ranking->n_ties;
        ranking->ties[ranking->n_ties++].midrank = (double)(first + end + 1) / 2;
    }
    qsort(samples, ranking->n, sizeof *samples, by_time);
}

static void clear_draw(struct ranking *ranking)
{
    for (size_t t = 0; t < ranking->n_ties; t++)
        ranking->ties[t].drawn[ROUTINE] = ranking->ties[t].drawn[EVENT] = 0;
}

static void draw_sample(struct ranking *ranking, size_t i)
{
    const struct sample *sample = &ranking->samples[i];
    ranking->ties[sample->tie].drawn[sample->kind]++;
}

/* AUROC of the samples drawn: an event wins over the routine samples below it and half over those
 * equal to it. NAN when one kind is missing. */
static double drawn_auroc(const struct ranking *ranking)
{
    double won = 0, events = 0, routine = 0;
    for (size_t t = 0; t < ranking->n_ties; t++) {
        const double *drawn = ranking->ties[t].drawn;
        won += drawn[EVENT] * (routine + drawn[ROUTINE] / 2);
        routine += drawn[ROUTINE];
        events += drawn[EVENT];
    }
    return events > 0 && routine > 0 ? won / (events * routine) : NAN;
}

static double mean_ratio(const struct ranking *ranking)
{
    double sums[KINDS] = {0, 0};
    for (size_t i = 0; i < ranking->n; i++)
        sums[ranking->samples[i].kind] += ranking->samples[i].value;
    double events = (double)ranking->n_event, routine = (double)ranking->n - events;
    return (sums[EVENT] / events) / (sums[ROUTINE] / routine);
}

/* The AUROC is nearly the mean of its samples' influences: the share of the other kind that a
 * sample wins over, less the AUROC, over the share of its own kind. Their autocorrelation is what
 * the blocks must keep. Expects every sample drawn once. */
static size_t choose_block(struct ranking *ranking, double auroc)
{
    double n = (double)ranking->n, n_event = (double)ranking->n_event, n_routine = n - n_event;
    double event_below = 0, routine_below = 0;
    for (size_t t = 0; t < ranking->n_ties; t++) {
        struct tie *tie = &ranking->ties[t];
        double over = (routine_below + tie->drawn[ROUTINE] / 2) / n_routine;
        double under = 1 - (event_below + tie->drawn[EVENT] / 2) / n_event;
        tie->influence[EVENT] = (over - auroc) * n / n_event;
        tie->influence[ROUTINE] = (under - auroc) * n / n_routine;
        event_below += tie->drawn[EVENT];
        routine_below += tie->drawn[ROUTINE];
    }
    for (size_t i = 0; i < ranking->n; i++) {
        const struct sample *sample = &ranking->samples[i];
        ranking->series[i] = ranking->ties[sample->tie].influence[sample->kind];
    }
    return ntk_bootstrap_block(ranking->series, ranking->n);
}

/* One kind alone comes up in at most three replicates of four, with a single event or routine
 * sample in all: drawing again ends soon. */
static double replicate_auroc(struct ranking *ranking, size_t block, struct ntk_random *random)
{
    double auroc;
    do {
        clear_draw(ranking);
        for (size_t filled = 0; filled < ranking->n; filled += block) {
            size_t length = ranking->n - filled < block ? ranking->n - filled : block;
            size_t start = (size_t)(ntk_random_uniform(random) * (double)ranking->n);
            for (size_t i = start; i < start + length; i++)
                draw_sample(ranking, i < ranking->n ? i : i - ranking->n);
        }
        auroc = drawn_auroc(ranking);
    } while (isnan(auroc));
    return auroc;
}

/* The rank sum of the events' labels turned by `shift` against the values, from what chance
 * expects. Whole halves throughout, so equal turns compare equal. */
static double rank_sum_excess(const struct ranking *ranking, size_t shift)
{
    const struct sample *samples = ranking->samples;
    double sum = 0;
    for (size_t i = 0; i < ranking->n; i++) {
        if (samples[i].kind == EVENT)
            sum += ranking->series[i + shift < ranking->n ? i + shift : i + shift - ranking->n];
    }
    return fabs(sum - (double)ranking->n_event * (double)(ranking->n + 1) / 2);
}

static double turned_p_value(struct ranking *ranking)
{
    for (size_t i = 0; i < ranking->n; i++)
        ranking->series[i] = ranking->ties[ranking->samples[i].tie].midrank;
    double observed = rank_sum_excess(ranking, 0);
    size_t as_far = 1;
    for (size_t shift = 1; shift < ranking->n; shift++)
        as_far += rank_sum_excess(ranking, shift) >= observed;
    return (double)as_far / (double)ranking->n;
}

enum ntk_status ntk_discriminate(const double *value, const signed char *event, size_t n,
                                 size_t block, size_t replicates, uint64_t seed,
                                 struct ntk_discrimination *out, struct ntk_error *error)
{
    struct ranking ranking;
    struct ntk_random random;
    struct ntk_discrimination found;
    enum ntk_status status = ranking_init(n, replicates, &ranking, error);
    if (status)
        return status;

    take_samples(value, event, n, &ranking);
    found.n_event = ranking.n_event;
    found.n_routine = ranking.n - ranking.n_event;
    if (!found.n_event || !found.n_routine) {
        status = ntk_fail(error, NTK_BAD_DATA,
                          "events cannot be told from routine: %zu of %zu samples are marked as "
                          "events; both kinds are needed",
                          found.n_event, ranking.n);
        goto done;
    }
    rank_samples(&ranking);
    for (size_t i = 0; i < ranking.n; i++)
        draw_sample(&ranking, i);
    found.auroc = drawn_auroc(&ranking);
    found.mean_ratio = mean_ratio(&ranking);
    if (!block)
        block = choose_block(&ranking, found.auroc);
    status = ntk_bootstrap_check(ranking.n, block, replicates, error);
    if (status)
        goto done;

    ntk_random_init(&random, seed);
    for (size_t r = 0; r < replicates; r++)
        ranking.replicates[r] = replicate_auroc(&ranking, block, &random);
    ntk_bootstrap_interval(ranking.replicates, replicates, &found.low, &found.high);
    found.p_value = turned_p_value(&ranking);

done:
    if (!status)
        *out = found;
    ranking_clear(&ranking);
    return status;
}
