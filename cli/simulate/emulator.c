#include "cli/simulate/emulator.h"

#include <assert.h>
#include <cblas.h>
#include <lapacke.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"

enum { FIELD = NTK_EMULATOR_FIELD, BLOCK = 512 };

/* What the normal equations need of the training pairs: with h the hidden units and the constant, y
 * the change of z in six hours, sums over pairs of h h' and h y'. */
struct moments {
    double *hidden_hidden; /* m x m, upper triangle; m = hidden + 1 */
    double *hidden_change; /* m x inputs */
    size_t pairs;
};

static enum ntk_status moments_init(struct moments *moments, size_t m, size_t inputs,
                                    struct ntk_error *error)
{
    moments->hidden_hidden = ntk_matrix_create(m, m);
    moments->hidden_change = ntk_matrix_create(m, inputs);
    if (!moments->hidden_hidden || !moments->hidden_change)
        return ntk_fail_memory(error, "the training of the network", m * (m + inputs) * 8);
    return NTK_OK;
}

static void moments_clear(struct moments *moments)
{
    free(moments->hidden_hidden);
    free(moments->hidden_change);
}

/* Weights of size 1/2 on average over a field of standardised inputs: units bend, few saturate. */
static void draw_weights(struct ntk_emulator *emulator, uint64_t seed)
{
    struct ntk_random random;
    ntk_random_init(&random, seed);
    for (size_t u = 0; u < emulator->hidden; u++) {
        emulator->first[u] = u % emulator->inputs;
        emulator->bias[u] = 2 * ntk_random_uniform(&random) - 1;
        for (size_t i = 0; i < FIELD; i++)
            emulator->weights[u * FIELD + i] = 0.5 / sqrt(FIELD) * ntk_random_normal(&random);
    }
}

static void fit_scaling(struct ntk_emulator *emulator, const double *series, size_t count)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < count; i++)
        sum += series[i];
    emulator->mean = sum / (double)count;
    for (size_t i = 0; i < count; i++)
        squares += (series[i] - emulator->mean) * (series[i] - emulator->mean);
    emulator->scale = sqrt(squares / (double)count);
}

/* h = tanh(W z + b) of one state x. */
static void hidden_units(const struct ntk_emulator *emulator, const double *x, double *h)
{
    for (size_t u = 0; u < emulator->hidden; u++) {
        const double *weights = emulator->weights + u * FIELD;
        double sum = emulator->bias[u];
        for (size_t i = 0; i < FIELD; i++) {
            double z = x[(emulator->first[u] + i) % emulator->inputs] - emulator->mean;
            sum += weights[i] * z / emulator->scale;
        }
        h[u] = tanh(sum);
    }
}

/* Adds the pairs (series[t], series[t + 1]) for t = 0 .. pairs - 1, in blocks, to bound memory. */
static enum ntk_status add_pairs(const struct ntk_emulator *emulator, const double *series,
                                 size_t pairs, struct moments *moments, struct ntk_error *error)
{
    const size_t inputs = emulator->inputs, m = emulator->hidden + 1;
    double *h = ntk_matrix_create(BLOCK, m), *change = ntk_matrix_create(BLOCK, inputs);
    enum ntk_status status = NTK_OK;
    if (!h || !change) {
        status = ntk_fail_memory(error, "a block of training pairs", BLOCK * (m + inputs) * 8);
        goto done;
    }
    for (size_t begin = 0; begin < pairs; begin += BLOCK) {
        size_t rows = pairs - begin < BLOCK ? pairs - begin : BLOCK;
        for (size_t r = 0; r < rows; r++) {
            const double *x = series + (begin + r) * inputs;
            hidden_units(emulator, x, h + r * m);
            h[r * m + m - 1] = 1;
            for (size_t i = 0; i < inputs; i++)
                change[r * inputs + i] = (x[inputs + i] - x[i]) / emulator->scale;
        }
        cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, (int)m, (int)rows, 1, h, (int)m, 1,
                    moments->hidden_hidden, (int)m);
        cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)m, (int)inputs, (int)rows, 1, h,
                    (int)m, change, (int)inputs, 1, moments->hidden_change, (int)inputs);
    }
    moments->pairs += pairs;
done:
    free(change);
    free(h);
    return status;
}

/* A = (H'H + pairs penalty I)^-1 H'Y; the constant is not penalised. `work` is m x m. */
static enum ntk_status solve_ridge(const struct moments *moments, size_t m, size_t inputs,
                                   double penalty, double *work, double *readout,
                                   struct ntk_error *error)
{
    memcpy(work, moments->hidden_hidden, m * m * sizeof *work);
    memcpy(readout, moments->hidden_change, m * inputs * sizeof *readout);
    for (size_t i = 0; i + 1 < m; i++)
        work[i * m + i] += (double)moments->pairs * penalty;
    int info = LAPACKE_dposv(LAPACK_ROW_MAJOR, 'U', (int)m, (int)inputs, work, (int)m, readout,
                             (int)inputs);
    if (info)
        return ntk_fail(error, NTK_NOT_CONVERGED,
                        "the network's %zu normal equations are singular at penalty %g (row %d)", m,
                        penalty, info);
    return NTK_OK;
}

/* Root mean square error of forecasts from every twentieth state of `series`, averaged over all
 * steps up to NTK_EMULATOR_VALIDATION_STEPS. The error of one step alone would favour read-outs
 * that drift away when they are applied again. */
static double rollout_error(const struct ntk_emulator *emulator, const double *series, size_t n,
                            double *x, double *h)
{
    enum { STEPS = NTK_EMULATOR_VALIDATION_STEPS };
    const size_t inputs = emulator->inputs;
    double squares[STEPS] = {0}, mean = 0;
    size_t count = 0;
    for (size_t start = 0; start + STEPS < n; start += 20) {
        const double *truth = series + start * inputs;
        memcpy(x, truth, inputs * sizeof *x);
        for (size_t step = 0; step < STEPS; step++) {
            ntk_emulator_step(emulator, x, h);
            truth += inputs;
            for (size_t i = 0; i < inputs; i++)
                squares[step] += (x[i] - truth[i]) * (x[i] - truth[i]);
        }
        count += inputs;
    }
    for (size_t step = 0; step < STEPS; step++)
        mean += sqrt(squares[step] / (double)count) / STEPS;
    return mean;
}

/* The penalty with the smallest error on `held_out` (n states) when fitted on the other pairs. */
static enum ntk_status choose_penalty(struct ntk_emulator *emulator, const struct moments *fitted,
                                      const double *held_out, size_t n, double *square,
                                      struct ntk_error *error)
{
    static const double penalties[] = {1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1};
    const size_t inputs = emulator->inputs, hidden = emulator->hidden;
    double *work = ntk_matrix_create(inputs + hidden, 1);
    if (!work)
        return ntk_fail_memory(error, "a forecast", (inputs + hidden) * sizeof *work);
    emulator->validation_error = INFINITY;
    for (size_t i = 0; i < sizeof penalties / sizeof *penalties; i++) {
        if (solve_ridge(fitted, hidden + 1, inputs, penalties[i], square, emulator->readout, NULL))
            continue;
        double found = rollout_error(emulator, held_out, n, work, work + inputs);
        if (found < emulator->validation_error) {
            emulator->validation_error = found;
            emulator->penalty = penalties[i];
        }
    }
    free(work);
    if (emulator->validation_error < INFINITY)
        return NTK_OK;
    return ntk_fail(error, NTK_NOT_CONVERGED, "no ridge penalty gave a usable network");
}

/* Chooses the penalty with the last fifth held out, then fits to everything. */
static enum ntk_status train(struct ntk_emulator *emulator, const double *series, size_t n,
                             struct ntk_error *error)
{
    const size_t inputs = emulator->inputs, m = emulator->hidden + 1;
    const size_t held_out = n / 5, fitted = n - held_out;
    double *square = ntk_matrix_create(m, m);
    struct moments moments = {0};
    enum ntk_status status = moments_init(&moments, m, inputs, error);
    if (!status && !square)
        status = ntk_fail_memory(error, "the network's equations", m * m * sizeof *square);
    if (!status)
        status = add_pairs(emulator, series, fitted - 1, &moments, error);
    if (!status)
        status =
            choose_penalty(emulator, &moments, series + fitted * inputs, held_out, square, error);
    if (!status)
        status = add_pairs(emulator, series + (fitted - 1) * inputs, held_out, &moments, error);
    if (!status)
        status =
            solve_ridge(&moments, m, inputs, emulator->penalty, square, emulator->readout, error);
    moments_clear(&moments);
    free(square);
    return status;
}

static struct ntk_emulator *allocate(size_t inputs, size_t hidden)
{
    struct ntk_emulator *emulator = calloc(1, sizeof *emulator);
    if (!emulator)
        return NULL;
    emulator->inputs = inputs;
    emulator->hidden = hidden;
    emulator->weights = ntk_matrix_create(hidden, FIELD);
    emulator->first = calloc(hidden, sizeof *emulator->first);
    emulator->bias = ntk_matrix_create(hidden, 1);
    emulator->readout = ntk_matrix_create(hidden + 1, inputs);
    if (emulator->weights && emulator->first && emulator->bias && emulator->readout)
        return emulator;
    ntk_emulator_free(emulator);
    return NULL;
}

enum ntk_status ntk_emulator_train(const double *series, size_t n, size_t inputs, size_t hidden,
                                   uint64_t seed, struct ntk_emulator **out,
                                   struct ntk_error *error)
{
    const size_t fewest = 50 * NTK_EMULATOR_VALIDATION_STEPS;
    assert(inputs >= FIELD && hidden > 0);
    if (n < fewest)
        return ntk_fail(error, NTK_USAGE, "%zu states to train on; at least %zu are needed", n,
                        fewest);
    struct ntk_emulator *emulator = allocate(inputs, hidden);
    if (!emulator)
        return ntk_fail_memory(error, "the network", (hidden + 1) * (inputs + FIELD + 2) * 8);
    fit_scaling(emulator, series, n * inputs);
    draw_weights(emulator, seed);
    enum ntk_status status = train(emulator, series, n, error);
    if (status)
        ntk_emulator_free(emulator);
    else
        *out = emulator;
    return status;
}

void ntk_emulator_step(const struct ntk_emulator *emulator, double *x, double *h)
{
    const size_t inputs = emulator->inputs, hidden = emulator->hidden;
    hidden_units(emulator, x, h);
    cblas_daxpy((int)inputs, emulator->scale, emulator->readout + hidden * inputs, 1, x, 1);
    cblas_dgemv(CblasRowMajor, CblasTrans, (int)hidden, (int)inputs, emulator->scale,
                emulator->readout, (int)inputs, h, 1, 1, x, 1);
}

void ntk_emulator_free(struct ntk_emulator *emulator)
{
    if (!emulator)
        return;
    free(emulator->readout);
    free(emulator->bias);
    free(emulator->first);
    free(emulator->weights);
    free(emulator);
}
