/* Rows files: every value that a loaded file promises is read. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "io/rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static double sum(const double *values, size_t n)
{
    double total = 0;
    for (size_t i = 0; i < n && values; i++)
        total += values[i];
    return total;
}

static volatile double sink;

static void read_all(const struct ntk_rows *rows)
{
    sink = sum(rows->reference_time, rows->n) + sum(rows->lead_hours, rows->n) +
           sum(rows->sigma, rows->n) + sum(rows->coordinates, rows->n * rows->n_coordinates);
    for (size_t v = 0; v < rows->n_variables; v++) {
        const struct ntk_rows_variable *one = &rows->variables[v];
        size_t size = rows->n * one->points;
        sink = sum(one->truth, size) + sum(one->forecast, size) + sum(one->centre, size) +
               sum(one->scale, size) + sum(one->lower, size * rows->n_levels) +
               sum(one->upper, size * rows->n_levels) + sum(one->flags, rows->n);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct ntk_rows *rows = NULL;
    void *copy = malloc(size + 1);
    memcpy(copy, bytes, size);
    if (ntk_rows_decode(copy, size, "it", &rows, NULL) == NTK_OK) {
        read_all(rows);
        ntk_rows_free(rows);
    } else {
        free(copy);
    }
    return 0;
}
