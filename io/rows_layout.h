/* The tensors of a rows file, by name: one list for writing and reading. Private to io/rows*.c. */
#ifndef NTK_IO_ROWS_LAYOUT_H
#define NTK_IO_ROWS_LAYOUT_H

#include <jansson.h>

#include "io/rows.h"
#include "io/safetensors.h"

/* One tensor: n rows of `values` numbers each, and where a reader puts it. */
struct ntk_rows_slot {
    struct ntk_tensor tensor; /* name and shape */
    size_t values;            /* of one row */
    const double **to;
};

/* Slots that rows of so many variables can have. */
size_t ntk_rows_slots_most(const struct ntk_rows *rows);

/* Lists the tensors with a row dimension of rows whose sizes are set, into `slots`; gives their
 * number, or 0 when the bytes of one of them are beyond size_t. */
size_t ntk_rows_slots(struct ntk_rows *rows, struct ntk_rows_slot *slots);

/* The description: JSON from a struct, and back with the checks of sizes. NULL without memory. */
json_t *ntk_rows_describe(const struct ntk_rows *rows);
enum ntk_status ntk_rows_parse(const json_t *json, const char *what, struct ntk_rows *rows,
                               struct ntk_error *error);

#define NTK_ROWS_FORMAT         "ntkuq-rows"
#define NTK_ROWS_SCHEMA_VERSION "1"

#endif
