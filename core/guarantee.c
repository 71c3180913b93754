#include "core/guarantee.h"

#include <assert.h>
#include <math.h>

/* A sum of terms of one sign with its rounding carried along (Kahan). */
struct sum {
    double value, carry;
};

static void add(struct sum *sum, double term)
{
    double corrected = term - sum->carry, next = sum->value + corrected;
    sum->carry = next - sum->value - corrected;
    sum->value = next;
}

/* P(j + 1) / P(j) of the binomial distribution. */
static double binomial_ratio(size_t j, size_t n, double level)
{
    return (double)(n - j) * level / ((double)(j + 1) * (1 - level));
}

/* Binomial probabilities are taken relative to the mode's and divided by their own sum: no
 * factorials of large n, whose logarithms would lose the digits. From the mode both ways the terms
 * fall like a bell of width sqrt(n); those below 1e-25 of the mode's cannot matter. The rank is
 * found coming down from the top, small terms first. */
size_t ntk_pac_rank(size_t n, double level, double confidence)
{
    static const double negligible = 1e-25;
    assert(level > 0 && level < 1 && confidence > 0 && confidence < 1);

    /* 1. The sum of all probabilities, mode = 1. */
    struct sum total = {1, 0};
    size_t mode = (size_t)((double)(n + 1) * level), top;
    mode = mode > n ? n : mode;
    double term = 1;
    for (size_t j = mode; j > 0 && term > negligible; j--)
        add(&total, term /= binomial_ratio(j - 1, n, level));
    term = 1;
    for (top = mode; top < n && term > negligible; top++)
        add(&total, term *= binomial_ratio(top, n, level));

    /* 2. Down while P(X >= k - 1) stays within 1 - confidence. */
    double allowed = (1 - confidence) * total.value;
    allowed += 1e-12 * allowed + 2e-16 * total.value;
    struct sum tail = {0, 0};
    size_t k = top + 1;
    while (k > 1) {
        add(&tail, term);
        if (tail.value > allowed)
            break;
        k--;
        term /= binomial_ratio(k - 1, n, level);
    }
    return k;
}

double ntk_shrinkage_weight(size_t n_group, double strength)
{
    assert(strength >= 0);
    return n_group ? (double)n_group / ((double)n_group + strength) : 0;
}

/* The tolerance is that of ntk_conformal_rank: a level is the decimal it was written as. */
double ntk_weighted_quantile(const double *scores, const double *weights, size_t n,
                             double infinity_weight, double level)
{
    assert(level > 0 && level < 1);
    struct sum total = {0, 0}, below = {0, 0};
    for (size_t i = 0; i < n; i++)
        add(&total, weights[i]);
    add(&total, infinity_weight);
    double needed = level * total.value - 1e-15 * total.value;
    for (size_t i = 0; i < n; i++) {
        add(&below, weights[i]);
        if (weights[i] > 0 && below.value >= needed)
            return scores[i];
    }
    return INFINITY;
}

static void swap(double *a, double *b)
{
    double kept = *a;
    *a = *b;
    *b = kept;
}

/* The element of rank `place`, from 0: Hoare's FIND. What is left of first is no greater than what
 * is right of it, what is right of last no smaller than what is left. */
static double select_place(double *values, size_t n, size_t place)
{
    ptrdiff_t first = 0, last = (ptrdiff_t)n - 1, wanted = (ptrdiff_t)place;
    while (first < last) {
        double pivot = values[first + (last - first) / 2];
        ptrdiff_t i = first, j = last;
        while (i <= j) {
            while (values[i] < pivot)
                i++;
            while (values[j] > pivot)
                j--;
            if (i <= j)
                swap(&values[i++], &values[j--]);
        }
        if (j < wanted)
            first = i;
        if (wanted < i)
            last = j;
    }
    return values[place];
}

double ntk_map_score(double *scores, size_t points, double miss)
{
    assert(miss >= 0 && miss < 1);
    size_t cells = 0;
    for (size_t p = 0; p < points; p++) {
        if (!isnan(scores[p]))
            scores[cells++] = fabs(scores[p]);
    }
    if (!cells)
        return NAN;
    double most = (double)cells * miss, nearest = nearbyint(most);
    if (fabs(most - nearest) > 1e-15 * (double)cells)
        nearest = floor(most);
    size_t missed = (size_t)nearest < cells ? (size_t)nearest : cells - 1;
    return select_place(scores, cells, cells - 1 - missed);
}
