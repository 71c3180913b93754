/* Flat rows for dashboards, as JSON {"rows": [{...}]} or as CSV, from the same calls. One thread at
 * a time; memory is checked at the end (struct ntk_text). */
#ifndef NTK_SERVER_TABLE_H
#define NTK_SERVER_TABLE_H

#include <stdint.h>

#include "server/text.h"

struct ntk_table {
    struct ntk_text *text; /* borrowed */
    const char *const *columns;
    int csv;
    size_t rows, cell; /* so far */
};

/* `columns` ends with NULL and outlives the table. */
void ntk_table_begin(struct ntk_table *table, struct ntk_text *text, const char *const *columns,
                     int csv);

/* A row is as many cells as there are columns, in their order. What is not finite, NULL, or the
 * time INT64_MIN is null, or empty in CSV. A text with a comma, quote or line break is quoted. */
void ntk_table_string(struct ntk_table *table, const char *value);
void ntk_table_real(struct ntk_table *table, double value);
void ntk_table_count(struct ntk_table *table, size_t value);
void ntk_table_flag(struct ntk_table *table, int value);
void ntk_table_time(struct ntk_table *table, int64_t value);

/* Numbers as an array, or separated by spaces in CSV. */
void ntk_table_counts(struct ntk_table *table, const size_t *values, size_t n);

void ntk_table_end(struct ntk_table *table);

#endif
