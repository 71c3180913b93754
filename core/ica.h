/* FastICA: independent components of whitened data (Hyvarinen 1999; docs/method.md step 4).
 *
 * Finds an orthogonal m x m unmixing W so that the rows of y = W z are as non-Gaussian as possible,
 * by the symmetric fixed point iteration with the log cosh contrast:
 *
 *   W+ = E[tanh(W z) z'] - diag(E[1 - tanh^2(W z)]) W,   W = (W+ W+')^(-1/2) W+
 *
 * until max_i | |<w_i new, w_i old>| - 1 | < tolerance. The components are ordered by negentropy,
 * approximated by (E log cosh y - E log cosh nu)^2 with nu standard normal. Iterations run in
 * float32 until that resolves no more, and at least the last one in double. Deterministic: the same
 * seed gives the same answer on the same kind of processor. Thread-safe.
 */
#ifndef NTK_CORE_ICA_H
#define NTK_CORE_ICA_H

#include <stddef.h>
#include <stdint.h>

#include "core/reduce.h"
#include "core/status.h"

struct ntk_ica_options {
    double tolerance;        /* 1e-4 */
    unsigned max_iterations; /* 200 a start */
    unsigned starts; /* seeded random starts, at most: 5; the best is taken, and they end when
                        a second one leads to it */
    uint64_t seed;
    const double *initial; /* m x m first start, borrowed; NULL: random */
    int wide;              /* double throughout: what float32 adds depends on how samples are shared
                              out over processes */
    const struct ntk_reduce *reduce; /* over the processes that share the samples; NULL: alone */
};

extern const struct ntk_ica_options ntk_ica_defaults;

struct ntk_ica {
    size_t m;
    double *unmixing;        /* m x m, rows w_i, orthonormal, by descending negentropy */
    double *negentropy;      /* m */
    double *excess_kurtosis; /* m */
    unsigned iterations;     /* of the start that was taken */
    unsigned starts;         /* tried */
    int converged;
};

/* Fits to z (n x m, row-major): zero mean, identity covariance (mean of z z' is I). With `reduce` z
 * holds this process's own samples, maybe none, and every process gets the same answer.
 * Not converging in any start is NTK_NOT_CONVERGED with the counts in the sentence, and then *out
 * is nevertheless set, to the start that came closest, for callers that only need a subspace; with
 * every other failure it is untouched. Each sign makes the third moment of its component positive.
 * The caller frees *out with ntk_ica_free. */
enum ntk_status ntk_ica_fit(const double *z, size_t n, size_t m,
                            const struct ntk_ica_options *options, struct ntk_ica **out,
                            struct ntk_error *error);

void ntk_ica_free(struct ntk_ica *ica);

#endif
