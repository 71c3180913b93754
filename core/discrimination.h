/* Can a value tell events from routine? AUROC over samples in time, with its uncertainty.
 *
 * AUROC = P(value of an event > value of a routine sample) + P(equal) / 2, by midranks (Mann and
 * Whitney 1947). Samples in time are autocorrelated and events come in spells, so the interval is
 * a circular block bootstrap of the pairs (value, event), and the p-value compares with the same
 * labels turned round the ring against the values, which keeps the autocorrelation of both.
 *
 * Plain functions: safe from any thread. The same seed gives the same result.
 */
#ifndef NTK_CORE_DISCRIMINATION_H
#define NTK_CORE_DISCRIMINATION_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

struct ntk_discrimination {
    size_t n_event, n_routine; /* samples used, both at least 1 */
    double auroc;              /* in [0, 1]; 1/2: no better than chance */
    double low, high;          /* 95 % percentile interval; [1, 1] when all replicates separate */
    double mean_ratio;         /* mean value of events over that of routine samples */
    double p_value;            /* two-sided about 1/2, in [1 / n, 1], n the samples used */
};

/* `value` and `event` (n, in time order): event > 0 is an event, 0 is routine. Samples whose value
 * is NAN or whose event is negative (unknown) are left out and the gap is closed; infinite values
 * have a rank but no mean. `block` as in core/bootstrap.h, 0: ntk_bootstrap_block's choice for the
 * samples' influence on the AUROC (DeLong et al. 1988). Replicates in which one kind is missing
 * are drawn again. With U the AUROC, U_s that with the labels turned by s of n,
 *   p = (1 + #{0 < s < n : |U_s - 1/2| >= |U - 1/2|}) / n.
 * O(n log n + replicates n + n^2) time.
 *
 * NTK_BAD_DATA: all samples are of one kind. NTK_USAGE: fewer than NTK_BOOTSTRAP_LEAST_REPLICATES
 * replicates, or two blocks do not fit. NTK_TRY_AGAIN: no memory. */
enum ntk_status ntk_discriminate(const double *value, const signed char *event, size_t n,
                                 size_t block, size_t replicates, uint64_t seed,
                                 struct ntk_discrimination *out, struct ntk_error *error);

#endif
