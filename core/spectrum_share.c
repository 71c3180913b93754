#include "core/spectrum_share.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* The numbers of a spectrum as doubles, which hold them exactly. */
enum { ROUTE, SAMPLES, FEATURES, COUNT, RANK, KNOWN, TRACE, KEPT, NUMBERS };

static void put_numbers(const struct ntk_spectrum *spectrum, double *numbers)
{
    numbers[ROUTE] = spectrum->route;
    numbers[SAMPLES] = (double)spectrum->n;
    numbers[FEATURES] = (double)spectrum->d;
    numbers[COUNT] = (double)spectrum->count;
    numbers[RANK] = (double)spectrum->rank;
    numbers[KNOWN] = (double)spectrum->known;
    numbers[TRACE] = spectrum->trace;
    numbers[KEPT] = (double)spectrum->kept;
}

/* Other processes may have read a file that means harm. */
static int are_sound(const double *numbers, size_t d)
{
    return numbers[FEATURES] == (double)d && numbers[ROUTE] >= NTK_ROUTE_AUTO &&
           numbers[ROUTE] <= NTK_ROUTE_GRAM_FEATURES && numbers[SAMPLES] >= 1 &&
           numbers[SAMPLES] <= INT_MAX && numbers[COUNT] <= (double)d &&
           numbers[RANK] <= numbers[COUNT] && numbers[KEPT] <= numbers[RANK] &&
           numbers[KEPT] >= 1 && numbers[KNOWN] <= numbers[COUNT] && numbers[KNOWN] >= 1;
}

/* Room for such a spectrum; NULL without memory. */
static struct ntk_spectrum *create(const double *numbers)
{
    struct ntk_spectrum *spectrum = calloc(1, sizeof *spectrum);
    if (!spectrum)
        return NULL;
    *spectrum = (struct ntk_spectrum){.route = (enum ntk_decompose_route)numbers[ROUTE],
                                      .n = (size_t)numbers[SAMPLES],
                                      .d = (size_t)numbers[FEATURES],
                                      .count = (size_t)numbers[COUNT],
                                      .rank = (size_t)numbers[RANK],
                                      .known = (size_t)numbers[KNOWN],
                                      .trace = numbers[TRACE],
                                      .kept = (size_t)numbers[KEPT]};
    spectrum->eigenvalues = ntk_matrix_create(1, spectrum->count);
    spectrum->directions = ntk_matrix_create(spectrum->kept, spectrum->d);
    if (spectrum->eigenvalues && spectrum->directions)
        return spectrum;
    ntk_spectrum_free(spectrum);
    return NULL;
}

enum ntk_status ntk_spectrum_share(const struct ntk_reduce *reduce, size_t d,
                                   struct ntk_spectrum **spectrum, struct ntk_error *error)
{
    double numbers[NUMBERS] = {0};
    struct ntk_spectrum *shared = *spectrum;
    if (!reduce)
        return NTK_OK;
    if (shared)
        put_numbers(shared, numbers);
    enum ntk_status status = ntk_reduce_sum(reduce, numbers, NUMBERS, error);
    if (status || numbers[FEATURES] == 0)
        return status;
    if (!are_sound(numbers, d))
        return ntk_fail(error, NTK_BAD_DATA,
                        "the processes of the job do not agree on a spectrum of %zu features", d);
    if (!shared && !(shared = create(numbers)))
        return ntk_fail_memory(error, "a fold's directions",
                               (size_t)(numbers[KEPT] * numbers[FEATURES]) * sizeof(double));
    *spectrum = shared;
    status = ntk_reduce_sum(reduce, shared->eigenvalues, shared->count, error);
    if (!status)
        status = ntk_reduce_sum(reduce, shared->directions, shared->kept * shared->d, error);
    return status;
}
