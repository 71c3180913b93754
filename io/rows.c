/* Loading: the description says which tensors there are and how large, io/rows_layout.c lists them,
 * and each must be there in that shape. Only what has a meaning if it is finite must be finite. */
#include "io/rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/interval.h"
#include "io/file.h"
#include "io/limits.h"
#include "io/places.h"
#include "io/rows_layout.h"

static enum ntk_status take_tensor(const struct ntk_safetensors *file, const char *what,
                                   const struct ntk_rows_slot *slot, struct ntk_error *error)
{
    const struct ntk_tensor *expected = &slot->tensor;
    const struct ntk_tensor *found = ntk_safetensors_lookup(file, expected->name);
    if (!found)
        return ntk_fail(error, NTK_BAD_DATA, "%s: tensor %s is missing", what, expected->name);
    int same = found->dimensions == expected->dimensions;
    for (size_t i = 0; i < expected->dimensions && same; i++)
        same = found->shape[i] == expected->shape[i];
    if (!same)
        return ntk_fail(error, NTK_BAD_DATA,
                        "%s: tensor %s has shape [%zu, %zu, %zu] in %zu dimensions, [%zu, %zu, "
                        "%zu] in %zu was described",
                        what, expected->name, found->shape[0], found->shape[1], found->shape[2],
                        found->dimensions, expected->shape[0], expected->shape[1],
                        expected->shape[2], expected->dimensions);
    *slot->to = found->values;
    return NTK_OK;
}

static enum ntk_status take_tensors(const struct ntk_safetensors *file, const char *what,
                                    struct ntk_rows *rows, struct ntk_error *error)
{
    struct ntk_rows_slot *slots = calloc(ntk_rows_slots_most(rows), sizeof *slots);
    if (!slots)
        return ntk_fail_memory(error, "the tensors", rows->n_variables * sizeof *slots);
    size_t n = ntk_rows_slots(rows, slots);
    enum ntk_status status = NTK_OK;
    if (n == 0)
        status = ntk_fail(error, NTK_BAD_DATA, "%s describes tensors beyond its %zu bytes of data",
                          what, file->data_size);
    for (size_t i = 0; i < n && !status; i++)
        status = take_tensor(file, what, &slots[i], error);
    free(slots);
    return status;
}

static enum ntk_status verify_rows(const struct ntk_rows *rows, const char *what,
                                   struct ntk_error *error)
{
    for (size_t i = 0; i < rows->n; i++) {
        if (!isfinite(rows->reference_time[i]) || !isfinite(rows->lead_hours[i]))
            return ntk_fail(error, NTK_BAD_DATA,
                            "%s: row %zu has reference time %g and lead time %g h, finite numbers "
                            "were expected",
                            what, i, rows->reference_time[i], rows->lead_hours[i]);
    }
    return NTK_OK;
}

static enum ntk_status verify_variable(const struct ntk_rows_variable *variable, size_t n,
                                       const char *what, struct ntk_error *error)
{
    const double beyond = 1u << NTK_FLAG_COUNT;
    for (size_t i = 0; i < n && variable->flags; i++) {
        double flags = variable->flags[i];
        if (!(flags >= 0 && flags < beyond && flags == floor(flags)))
            return ntk_fail(error, NTK_BAD_DATA,
                            "%s: flags of %s in row %zu are %g, a whole number below %g was "
                            "expected",
                            what, variable->name, i, flags, beyond);
    }
    return NTK_OK;
}

static enum ntk_status verify(const struct ntk_rows *rows, const char *what,
                              struct ntk_error *error)
{
    int placed = rows->places.kind == NTK_PLACE_NONE;
    enum ntk_status status = verify_rows(rows, what, error);
    for (size_t v = 0; v < rows->n_variables && !status; v++) {
        placed = placed || ntk_places_fit(&rows->places, rows->variables[v].points);
        status = verify_variable(&rows->variables[v], rows->n, what, error);
    }
    if (!status && !placed)
        status = ntk_fail(error, NTK_BAD_DATA,
                          "%s has %zu places, none of its variables has as many points", what,
                          ntk_places_count(&rows->places));
    return status;
}

/* The description, once the metadata say that these are rows; to be freed. */
static enum ntk_status read_description(const struct ntk_safetensors *file, const char *what,
                                        json_t **out, struct ntk_error *error)
{
    json_error_t e;
    const char *format, *schema, *text;
    if (json_unpack_ex(file->metadata, &e, 0, "{s:s, s:s, s:s !}", "format", &format,
                       "schema_version", &schema, "description", &text) ||
        strcmp(format, NTK_ROWS_FORMAT))
        return ntk_fail(error, NTK_BAD_DATA,
                        "%s is a safetensors file but not rows: its metadata lack format \"%s\"",
                        what, NTK_ROWS_FORMAT);
    if (strcmp(schema, NTK_ROWS_SCHEMA_VERSION))
        return ntk_fail(error, NTK_BAD_DATA, "%s has schema version %.20s, this program reads %s",
                        what, schema, NTK_ROWS_SCHEMA_VERSION);
    if (!(*out = json_loads(text, JSON_REJECT_DUPLICATES, &e)))
        return ntk_fail(error, NTK_BAD_DATA, "%s has a description that is not JSON: %s", what,
                        e.text);
    return NTK_OK;
}

enum ntk_status ntk_rows_decode(void *bytes, size_t size, const char *what, struct ntk_rows **out,
                                struct ntk_error *error)
{
    struct ntk_safetensors file = {0};
    json_t *description = NULL;
    struct ntk_rows *made = NULL;
    enum ntk_status status = ntk_safetensors_decode(bytes, size, what, &file, error);
    if (status || (status = read_description(&file, what, &description, error)))
        goto done;
    if (!(made = calloc(1, sizeof *made))) {
        status = ntk_fail_memory(error, "the rows", sizeof *made);
        goto done;
    }
    if ((status = ntk_rows_parse(description, what, made, error)) ||
        (status = take_tensors(&file, what, made, error)) ||
        (status = ntk_places_parse(json_object_get(description, "places"), &file, what,
                                   &made->places, error)) ||
        (status = verify(made, what, error)))
        goto done;
    made->bytes = bytes;
    *out = made;
    made = NULL;
done:
    ntk_rows_free(made);
    json_decref(description);
    ntk_safetensors_clear(&file);
    return status;
}

enum ntk_status ntk_rows_load(const char *path, struct ntk_rows **out, struct ntk_error *error)
{
    void *bytes = NULL;
    size_t size;
    enum ntk_status status =
        ntk_file_read(path, "a rows file", ntk_limits.rows_bytes, &bytes, &size, error);
    if (status)
        return status;
    status = ntk_rows_decode(bytes, size, path, out, error);
    if (status)
        free(bytes);
    return status;
}

void ntk_rows_free(struct ntk_rows *rows)
{
    if (!rows)
        return;
    ntk_places_clear(&rows->places);
    free(rows->variables);
    free(rows->bytes);
    free(rows);
}

const struct ntk_rows_variable *ntk_rows_find(const struct ntk_rows *rows, const char *name)
{
    for (size_t v = 0; v < rows->n_variables; v++) {
        if (!strcmp(rows->variables[v].name, name))
            return &rows->variables[v];
    }
    return NULL;
}
