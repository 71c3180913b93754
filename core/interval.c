#include "core/interval.h"

#include <math.h>

#include "core/conformal.h"
#include "core/groups.h"
#include "core/guarantee.h"
#include "core/scores.h"
#include "core/spectrum.h"
#include "core/student_t.h"

const char *const ntk_flag_names[NTK_FLAG_COUNT] = {
    "uncalibrated",       "nonfinite_input",    "outside_calibration_support",
    "interval_unbounded", "variance_collapsed", "limit_at_bound",
    "beyond_bound",       "features_alone"};

const struct ntk_interval_options ntk_interval_defaults = {.map_miss = -1};

static const struct ntk_reach unknown = {NAN, NAN}, unbounded = {-INFINITY, INFINITY};

static struct ntk_reach symmetric(double q)
{
    return (struct ntk_reach){-q, q};
}

const char *ntk_family_name(enum ntk_family family)
{
    static const char *const names[NTK_FAMILY_COUNT] = {"conformal", "asymmetric", "gaussian",
                                                        "student_t"};
    return names[family];
}

enum ntk_status ntk_interval_options_check(const struct ntk_interval_options *options,
                                           struct ntk_error *error)
{
    const char *family = ntk_family_name(options->family);
    if (options->confidence > 0 && options->family > NTK_FAMILY_ASYMMETRIC)
        return ntk_fail(error, NTK_USAGE,
                        "confidence %g of family %s was asked for, conformal or asymmetric was "
                        "expected",
                        options->confidence, family);
    if (options->map_miss >= 0 && options->family != NTK_FAMILY_CONFORMAL)
        return ntk_fail(error, NTK_USAGE,
                        "map_miss %g of family %s was asked for, conformal was expected",
                        options->map_miss, family);
    if (options->map_miss >= 0 && options->confidence > 0)
        return ntk_fail(error, NTK_USAGE,
                        "map_miss %g and confidence %g were asked for, one of them was expected",
                        options->map_miss, options->confidence);
    return NTK_OK;
}

/* The level that the calibration set covers with the confidence asked for: a rank of as many
 * samples as they are worth. Above 1: not to be had. */
static double confident_level(const struct ntk_interval_model *model, double level,
                              double confidence)
{
    size_t n = (size_t)fmax(floor(model->n_effective), 1);
    size_t rank = ntk_pac_rank(n, level, confidence);
    return rank > n ? 2 : (double)rank / (double)n;
}

/* q of ascending scores so that a share `level` of them is at most q: no place for a new sample. */
static double plain_quantile(const double *scores, size_t n, double level)
{
    size_t place = (size_t)ceil(level * (double)n - 1e-9);
    return scores[place < 1 ? 0 : place - 1];
}

static struct ntk_reach conformal_reach(const struct ntk_interval_model *model,
                                        const struct ntk_interval_options *options, double level)
{
    if (options->confidence <= 0)
        return symmetric(
            ntk_conformal_quantile(model->scores, model->n_scores, model->n_samples, level));
    level = confident_level(model, level, options->confidence);
    return level > 1 ? unbounded : symmetric(plain_quantile(model->scores, model->n_scores, level));
}

/* The conformal quantile of whole maps: no more than the share asked for is missed. */
static struct ntk_reach map_reach(const struct ntk_interval_model *model, double miss, double level)
{
    size_t row = 0;
    if (model->n_maps == 0)
        return symmetric(
            ntk_conformal_quantile(model->scores, model->n_scores, model->n_samples, level));
    while (row + 1 < NTK_MAP_MISSES && ntk_map_misses[row + 1] <= miss + 1e-12)
        row++;
    return symmetric(ntk_conformal_quantile(model->map_scores + row * model->n_maps, model->n_maps,
                                            model->n_maps, level));
}

/* The upper limit of the truth comes from the lower tail of r, and the other way round. */
static struct ntk_reach asymmetric_reach(const struct ntk_interval_model *model,
                                         const struct ntk_interval_options *options, double level)
{
    double tail = 1 - (1 - level) / 2;
    size_t place, n = model->n_scores;
    if (options->confidence > 0) {
        tail = confident_level(model, tail, options->confidence);
        place = (size_t)ceil(tail * (double)n - 1e-9);
    } else {
        place = ntk_conformal_place(n, model->n_samples, tail);
    }
    if (tail > 1 || place == 0)
        return unbounded;
    return (struct ntk_reach){-model->signed_scores[place - 1], -model->signed_scores[n - place]};
}

struct ntk_reach ntk_interval_reach(const struct ntk_interval_model *model,
                                    const struct ntk_interval_options *options, double level)
{
    if (model->n_samples == 0)
        return unknown;
    switch (options->family) {
    case NTK_FAMILY_ASYMMETRIC:
        return asymmetric_reach(model, options, level);
    case NTK_FAMILY_GAUSSIAN:
        return symmetric(model->gaussian_scale * ntk_normal_quantile(0.5 + level / 2));
    case NTK_FAMILY_STUDENT_T:
        return symmetric(model->student_scale *
                         ntk_student_t_quantile(0.5 + level / 2, model->student_nu));
    default:
        return options->map_miss >= 0 ? map_reach(model, options->map_miss, level)
                                      : conformal_reach(model, options, level);
    }
}

static struct ntk_reach group_reach(const struct ntk_interval_model *model,
                                    const struct ntk_interval_options *options, double level,
                                    int group)
{
    if (model->n_samples == 0 || options->family != NTK_FAMILY_CONFORMAL ||
        options->confidence > 0 || options->map_miss >= 0)
        return ntk_interval_reach(model, options, level);
    return symmetric(ntk_group_quantile(model, group, level));
}

void ntk_interval_reaches(const struct ntk_interval_model *model,
                          const struct ntk_interval_options *options, double level,
                          struct ntk_reach *reach)
{
    reach[0] = ntk_interval_reach(model, options, level);
    for (int group = 0; group < NTK_GROUPS_MOST; group++)
        reach[1 + group] =
            model->group_scores ? group_reach(model, options, level, group) : reach[0];
}

/* The normal distribution's quantile of 0.95, ntk_normal_quantile(0.95): every query needs it. */
static const double normal_95 = 1.6448536269514722;

double ntk_interval_standard_scale(const struct ntk_interval_model *model, enum ntk_family family)
{
    double nu = model->student_nu;
    if (model->n_samples == 0)
        return NAN;
    if (family == NTK_FAMILY_GAUSSIAN)
        return model->gaussian_scale;
    if (family == NTK_FAMILY_STUDENT_T && isinf(nu))
        return model->student_scale;
    if (family == NTK_FAMILY_STUDENT_T)
        return nu > 2 ? model->student_scale * sqrt(nu / (nu - 2)) : nu > 0 ? INFINITY : NAN;
    return ntk_conformal_quantile(model->scores, model->n_scores, model->n_samples, 0.9) /
           normal_95;
}

/* How many of the ascending scores are below r, and how many are not above it; halved. */
static double middle_place(const double *scores, size_t n, double r)
{
    size_t places[2];
    for (int upto = 0; upto < 2; upto++) {
        size_t low = 0, high = n;
        while (low < high) {
            size_t middle = low + (high - low) / 2;
            if (scores[middle] < r || (upto && scores[middle] == r))
                low = middle + 1;
            else
                high = middle;
        }
        places[upto] = low;
    }
    return 0.5 * ((double)places[0] + (double)places[1]);
}

/* P(R < r) for the score R of a new sample. */
static double score_cdf(const struct ntk_interval_model *model, enum ntk_family family, double r)
{
    if (model->n_samples == 0 || isnan(r))
        return NAN;
    if (family == NTK_FAMILY_GAUSSIAN)
        return ntk_normal_cdf(r / model->gaussian_scale);
    if (family == NTK_FAMILY_STUDENT_T)
        return ntk_student_t_cdf(r / model->student_scale, model->student_nu);
    double n = (double)model->n_samples;
    double share = middle_place(model->signed_scores, model->n_scores, r) / (double)model->n_scores;
    return (share * n + 0.5) / (n + 1);
}

double ntk_interval_exceedance(const struct ntk_interval_model *model, enum ntk_family family,
                               double centred, double scale, double threshold)
{
    return score_cdf(model, family, (centred - threshold) / scale);
}

double ntk_interval_pit(const struct ntk_interval_model *model, enum ntk_family family, double r)
{
    return 1 - score_cdf(model, family, r);
}

double ntk_interval_crps(const struct ntk_interval_model *model, enum ntk_family family, double r)
{
    if (family == NTK_FAMILY_STUDENT_T)
        return ntk_crps_student_t(r, 0, model->student_scale, model->student_nu);
    return ntk_crps_gaussian(r, 0, ntk_interval_standard_scale(model, family));
}

unsigned ntk_interval_bound(const struct ntk_calibration_variable *variable, double *limit)
{
    double cut = fmin(fmax(*limit, variable->least), variable->most);
    if (isnan(*limit) || cut == *limit)
        return 0;
    *limit = cut;
    return NTK_FLAG_LIMIT_AT_BOUND;
}

/* Whether a model can answer with what is told. */
static int suffices(const struct ntk_interval_model *model, const struct ntk_told *told)
{
    const struct ntk_error_model *e = &model->error;
    unsigned needs = ntk_error_model_needs(e);
    int placed = e->points > 1 && (e->place_scale || e->local_season || e->centre);
    return model->n_samples > 0 && (told->date || !(needs & NTK_TERM_SEASON)) &&
           (told->covariates || !(needs & NTK_TERM_COVARIATES)) && (told->place || !placed);
}

const struct ntk_interval_model *
ntk_interval_model_for(const struct ntk_calibration_variable *variable, const struct ntk_told *told,
                       unsigned *flags)
{
    if (variable->model.n_samples == 0 || suffices(&variable->model, told))
        return &variable->model;
    *flags |= NTK_FLAG_FEATURES_ALONE;
    return suffices(&variable->plain, told) ? &variable->plain
                                            : &variable->baselines[NTK_BASELINE_SIGMA];
}

unsigned ntk_interval_sample_flags(const struct ntk_calibration_lead *lead, double prior)
{
    unsigned flags = 0;
    if (lead->n_prior > 0 && prior > lead->prior_reference[lead->n_prior - 1])
        flags |= NTK_FLAG_OUTSIDE_SUPPORT;
    if (lead->collapse_ratio >= NTK_COLLAPSE_LIMIT)
        flags |= NTK_FLAG_COLLAPSED;
    return flags;
}
