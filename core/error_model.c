#include "core/error_model.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/ridge.h"

enum { MOST_PREDICTORS = 256 };

/* Indices of z that some terms select; the first column of a design is the constant. */
struct selection {
    size_t n, index[MOST_PREDICTORS];
};

static void selection_make(const struct ntk_predictors *predictors, unsigned terms,
                           struct selection *out)
{
    assert(ntk_predictors_count(predictors) <= MOST_PREDICTORS);
    out->n = ntk_predictors_select(predictors, terms, out->index);
}

/* n x (1 + selected), to be freed. */
static double *design_create(const struct ntk_predictors *predictors,
                             const struct ntk_error_set *set, const struct selection *selection)
{
    size_t columns = 1 + selection->n, stride = ntk_predictors_count(predictors);
    double *design = ntk_matrix_create(set->n, columns);
    for (size_t i = 0; i < set->n && design; i++) {
        design[i * columns] = 1;
        for (size_t j = 0; j < selection->n; j++)
            design[i * columns + 1 + j] = set->z[i * stride + selection->index[j]];
    }
    return design;
}

enum ntk_status ntk_error_centre_fit(const struct ntk_predictors *predictors,
                                     const struct ntk_error_set *set,
                                     const struct ntk_error_terms *terms, double **centre,
                                     struct ntk_error *error)
{
    struct selection selection;
    selection_make(predictors, terms->centre_terms, &selection);
    double *design = design_create(predictors, set, &selection);
    double *made = ntk_matrix_create(1 + selection.n, set->points);
    enum ntk_status status;
    if (!design || !made)
        status = ntk_fail_memory(error, "the centre of the errors",
                                 (1 + selection.n) * (set->n + set->points) * sizeof(double));
    else
        status = ntk_ridge_fit(design, set->n, 1 + selection.n, set->errors, set->points,
                               terms->centre_penalty, made, error);
    free(design);
    if (status)
        free(made);
    else
        *centre = made;
    return status;
}

/* ---- scale --------------------------------------------------------------------------------- */

/* Mean of |error| / h_i over the samples of each place; its band's mean pulls with
 * NTK_PLACE_STRENGTH samples. 0 for a place without errors. */
static void cell_scales(const struct ntk_error_set *set, const double *h, double *g, double *count)
{
    memset(g, 0, set->points * sizeof *g);
    memset(count, 0, set->points * sizeof *count);
    for (size_t i = 0; i < set->n; i++) {
        const double *e = set->errors + i * set->points;
        double inverse = 1 / h[i];
        for (size_t p = 0; p < set->points; p++) {
            if (isnan(e[p]))
                continue;
            g[p] += fabs(e[p]) * inverse;
            count[p] += 1;
        }
    }
}

/* A place that was never wrong keeps a scale, a millionth of the mean, so that scores stay finite.
 */
static void lift_zeros(double *g, const double *count, size_t points, double mean)
{
    for (size_t p = 0; p < points; p++) {
        if (count[p] > 0)
            g[p] = mean > 0 ? fmax(g[p], 1e-6 * mean) : 1;
    }
}

static enum ntk_status place_scales(const struct ntk_error_set *set, enum ntk_locality locality,
                                    const double *h, double *g, struct ntk_error *error)
{
    size_t bands = set->band ? set->n_bands : 1;
    double *count = ntk_matrix_create(1, set->points), *sum = ntk_matrix_create(2, bands);
    if (!count || !sum) {
        free(count);
        free(sum);
        return ntk_fail_memory(error, "the places", set->points * sizeof(double));
    }
    double *number = sum + bands, total = 0, samples = 0;
    cell_scales(set, h, g, count);
    for (size_t p = 0; p < set->points; p++) {
        size_t b = set->band ? set->band[p] : 0;
        sum[b] += g[p];
        number[b] += count[p];
        total += g[p];
        samples += count[p];
    }
    for (size_t p = 0; p < set->points; p++) {
        size_t b = set->band ? set->band[p] : 0;
        double band = sum[b] / number[b], strength = NTK_PLACE_STRENGTH;
        if (count[p] == 0)
            g[p] = 0;
        else if (locality == NTK_LOCALITY_BAND)
            g[p] = band;
        else
            g[p] = (g[p] + strength * band) / (count[p] + strength);
    }
    lift_zeros(g, count, set->points, total / samples);
    free(count);
    free(sum);
    return NTK_OK;
}

/* y_i: mean over the places of |error| / g; NAN without errors. */
static void sample_sizes(const struct ntk_error_set *set, const double *g, double *y)
{
    for (size_t i = 0; i < set->n; i++) {
        const double *e = set->errors + i * set->points;
        double sum = 0;
        size_t count = 0;
        for (size_t p = 0; p < set->points; p++) {
            double size = fabs(e[p]) / (g ? g[p] : 1);
            if (isnan(size))
                continue;
            sum += size;
            count++;
        }
        y[i] = count ? sum / (double)count : NAN;
    }
}

/* The log-linear model of y on the samples that have a size; sigma's coefficient is not negative.
 */
static enum ntk_status fit_shared(const struct ntk_predictors *predictors,
                                  const struct ntk_error_set *set, const double *y,
                                  struct ntk_error_model *model, struct ntk_error *error)
{
    struct selection selection;
    size_t used = 0, at_sigma = predictors->n_season;
    selection_make(predictors, model->terms.scale_terms, &selection);
    size_t columns = 1 + selection.n, sigma_column = 0;
    double *design = design_create(predictors, set, &selection);
    double *sizes = ntk_matrix_create(1, set->n);
    enum ntk_status status;
    if (!design || !sizes) {
        status = ntk_fail_memory(error, "the scale of the errors", set->n * columns * 8);
        goto done;
    }
    for (size_t i = 0; i < set->n; i++) {
        if (isnan(y[i]))
            continue;
        memmove(design + used * columns, design + i * columns, columns * sizeof *design);
        sizes[used++] = y[i];
    }
    status = ntk_ridge_fit_log(design, used, columns, sizes, NULL, model->terms.scale_penalty,
                               model->scale, error);
    for (size_t j = 0; j < selection.n; j++)
        sigma_column = selection.index[j] == at_sigma ? 1 + j : sigma_column;
    if (!status && sigma_column && model->scale[sigma_column] < 0) {
        for (size_t i = 0; i < used; i++)
            design[i * columns + sigma_column] = 0;
        status = ntk_ridge_fit_log(design, used, columns, sizes, NULL,
                                   fmax(model->terms.scale_penalty, 1e-6), model->scale, error);
        model->scale[sigma_column] = 0;
    }
done:
    free(design);
    free(sizes);
    return status;
}

static void shared_scales(const struct ntk_error_model *model,
                          const struct ntk_predictors *predictors, const struct ntk_error_set *set,
                          double *h)
{
    size_t stride = ntk_predictors_count(predictors);
    for (size_t i = 0; i < set->n; i++)
        h[i] = ntk_error_shared_scale(model, predictors, set->z + i * stride, set->sigma[i]);
}

/* u: relative residuals |e| / (g h) - 1 regressed on the season, place by place. */
static enum ntk_status fit_local_season(const struct ntk_predictors *predictors,
                                        const struct ntk_error_set *set, const double *h,
                                        struct ntk_error_model *model, struct ntk_error *error)
{
    struct selection season;
    selection_make(predictors, NTK_TERM_SEASON, &season);
    size_t columns = 1 + season.n, points = set->points;
    double *design = design_create(predictors, set, &season);
    double *relative = ntk_matrix_create(set->n, points), *b = ntk_matrix_create(columns, points);
    enum ntk_status status;
    if (!design || !relative || !b) {
        status = ntk_fail_memory(error, "the local season", set->n * points * sizeof(double));
        goto done;
    }
    for (size_t i = 0; i < set->n; i++) {
        for (size_t p = 0; p < points; p++) {
            double g = model->place_scale ? model->place_scale[p] : 1;
            relative[i * points + p] = fabs(set->errors[i * points + p]) / (g * h[i]) - 1;
        }
    }
    status = ntk_ridge_fit(design, set->n, columns, relative, points, model->terms.local_penalty, b,
                           error);
    if (!status)
        memcpy(model->local_season, b + points, season.n * points * sizeof *b);
done:
    free(design);
    free(relative);
    free(b);
    return status;
}

static enum ntk_status model_create(const struct ntk_predictors *predictors, size_t points,
                                    const struct ntk_error_terms *terms,
                                    struct ntk_error_model *out, struct ntk_error *error)
{
    struct selection selection;
    selection_make(predictors, terms->scale_terms, &selection);
    *out = (struct ntk_error_model){.terms = *terms, .points = points};
    if (!terms->proportional) {
        out->n_scale = 1 + selection.n;
        out->scale = ntk_matrix_create(1, out->n_scale);
    }
    if (terms->locality != NTK_LOCALITY_NONE)
        out->place_scale = ntk_matrix_create(1, points);
    if (terms->local_season) {
        out->n_local = predictors->n_season;
        out->local_season = ntk_matrix_create(out->n_local, points);
    }
    if ((!terms->proportional && !out->scale) ||
        (terms->locality != NTK_LOCALITY_NONE && !out->place_scale) ||
        (terms->local_season && !out->local_season)) {
        ntk_error_model_clear(out);
        return ntk_fail_memory(error, "a model of the errors", points * sizeof(double));
    }
    return NTK_OK;
}

enum ntk_status ntk_error_places_fit(const struct ntk_predictors *predictors,
                                     const struct ntk_error_set *set, struct ntk_error_model *model,
                                     struct ntk_error *error)
{
    enum ntk_status status = NTK_OK;
    double *h = ntk_matrix_create(1, set->n);
    if (!h)
        return ntk_fail_memory(error, "the scale of the errors", set->n * sizeof(double));
    shared_scales(model, predictors, set, h);
    if (model->place_scale)
        status = place_scales(set, model->terms.locality, h, model->place_scale, error);
    if (!status && model->local_season)
        status = fit_local_season(predictors, set, h, model, error);
    free(h);
    return status;
}

enum ntk_status ntk_error_scale_fit(const struct ntk_predictors *predictors,
                                    const struct ntk_error_set *set,
                                    const struct ntk_error_terms *terms,
                                    struct ntk_error_model *out, struct ntk_error *error)
{
    struct ntk_error_model model;
    enum ntk_status status = model_create(predictors, set->points, terms, &model, error);
    if (status)
        return status;
    double *y = ntk_matrix_create(1, set->n), *h = ntk_matrix_create(1, set->n);
    int rounds = model.place_scale && !terms->proportional ? 2 : 1;
    if (!y || !h) {
        status = ntk_fail_memory(error, "the scale of the errors", 2 * set->n * sizeof(double));
        goto done;
    }
    for (size_t i = 0; i < set->n; i++)
        h[i] = 1;
    for (int round = 0; round < rounds && !status && !terms->proportional; round++) {
        if (model.place_scale)
            status = place_scales(set, terms->locality, h, model.place_scale, error);
        sample_sizes(set, model.place_scale, y);
        if (!status)
            status = fit_shared(predictors, set, y, &model, error);
        if (!status)
            shared_scales(&model, predictors, set, h);
    }
    if (!status)
        status = ntk_error_places_fit(predictors, set, &model, error);
done:
    free(y);
    free(h);
    if (status)
        ntk_error_model_clear(&model);
    else
        *out = model;
    return status;
}

/* ---- evaluation ---------------------------------------------------------------------------- */

double ntk_error_shared_scale(const struct ntk_error_model *model,
                              const struct ntk_predictors *predictors, const double *z,
                              double sigma)
{
    struct selection selection;
    if (model->terms.proportional)
        return sigma;
    selection_make(predictors, model->terms.scale_terms, &selection);
    double log_scale = model->scale[0];
    for (size_t j = 0; j < selection.n; j++)
        log_scale += model->scale[1 + j] * z[selection.index[j]];
    return exp(log_scale);
}

static void eval_centre(const struct ntk_error_model *model,
                        const struct ntk_predictors *predictors, const double *z, size_t first,
                        size_t count, double *centre)
{
    struct selection selection;
    if (!model->centre) {
        memset(centre, 0, count * sizeof *centre);
        return;
    }
    selection_make(predictors, model->terms.centre_terms, &selection);
    memcpy(centre, model->centre + first, count * sizeof *centre);
    for (size_t j = 0; j < selection.n; j++) {
        const double *row = model->centre + (1 + j) * model->points + first;
        double factor = z[selection.index[j]];
        for (size_t p = 0; p < count; p++)
            centre[p] += factor * row[p];
    }
}

/* A local season changes the scale by a factor between 1/e and e. */
static double local_factor(const struct ntk_error_model *model, const double *z, size_t p)
{
    double log_factor = 0;
    for (size_t j = 0; j < model->n_local; j++)
        log_factor += model->local_season[j * model->points + p] * z[j];
    return exp(fmin(fmax(log_factor, -1), 1));
}

void ntk_error_model_eval(const struct ntk_error_model *model,
                          const struct ntk_predictors *predictors, const double *z, double sigma,
                          size_t first, size_t count, double *centre, double *scale)
{
    double shared = ntk_error_shared_scale(model, predictors, z, sigma);
    eval_centre(model, predictors, z, first, count, centre);
    for (size_t p = 0; p < count; p++) {
        double g = model->place_scale ? model->place_scale[first + p] : 1;
        scale[p] = g > 0 ? shared * g : NAN;
    }
    for (size_t p = 0; p < count && model->local_season; p++)
        scale[p] *= local_factor(model, z, first + p);
}

unsigned ntk_error_model_needs(const struct ntk_error_model *model)
{
    unsigned needs = model->terms.centred ? model->terms.centre_terms : 0;
    needs |= model->terms.scale_terms;
    return model->terms.local_season ? needs | NTK_TERM_SEASON : needs;
}

void ntk_error_model_clear(struct ntk_error_model *model)
{
    free(model->centre);
    free(model->scale);
    free(model->place_scale);
    free(model->local_season);
    *model = (struct ntk_error_model){0};
}

const char *ntk_locality_name(enum ntk_locality locality)
{
    static const char *const names[] = {"none", "band", "cell", "mask"};
    return names[locality];
}
