/* Writing: sizes are known from the beginning, so the header goes first and every tensor has its
 * place in the file, where its rows are put as they come. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/limits.h"
#include "io/places.h"
#include "io/rows_layout.h"

struct target {
    char name[sizeof(((struct ntk_tensor *)NULL)->name)];
    size_t offset, values; /* in the file, in bytes; of one row */
    size_t put;            /* rows */
};

struct ntk_rows_writer {
    int file; /* -1: not open */
    size_t n, n_targets, last;
    struct target *targets;
};

static enum ntk_status cannot_write(int reason, struct ntk_error *error)
{
    return ntk_fail(error, NTK_CANNOT_CREATE, "the rows cannot be written: %s", strerror(reason));
}

static enum ntk_status write_at(int file, const void *bytes, size_t size, size_t offset,
                                struct ntk_error *error)
{
    const unsigned char *next = bytes;
    while (size > 0) {
        ssize_t put = pwrite(file, next, size, (off_t)offset);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return cannot_write(put < 0 ? errno : ENOSPC, error);
        next += put;
        offset += (size_t)put;
        size -= (size_t)put;
    }
    return NTK_OK;
}

/* ---- creating ------------------------------------------------------------------------------- */

/* What the header is made of. */
struct plan {
    size_t n_slots, n_tensors, data_size;
    struct ntk_rows_slot *slots;
    struct ntk_tensor *tensors; /* the slots', then the places' */
};

static enum ntk_status too_large(struct ntk_error *error)
{
    return ntk_fail(error, NTK_BAD_DATA,
                    "the rows would have more than the %zu bytes that a rows file may have; give "
                    "fewer forecasts, levels or points at a time",
                    ntk_limits.rows_bytes);
}

/* The slots point into `rows`, but nothing is written there. */
static enum ntk_status make_plan(const struct ntk_rows *rows, struct plan *plan,
                                 struct ntk_error *error)
{
    size_t most = ntk_rows_slots_most(rows);
    plan->slots = calloc(most, sizeof *plan->slots);
    plan->tensors = calloc(most + NTK_PLACES_TENSORS, sizeof *plan->tensors);
    if (!plan->slots || !plan->tensors)
        return ntk_fail_memory(error, "the rows", most * sizeof *plan->slots);
    plan->n_slots = ntk_rows_slots((struct ntk_rows *)rows, plan->slots);
    if (plan->n_slots == 0)
        return too_large(error);
    for (size_t i = 0; i < plan->n_slots; i++)
        plan->tensors[i] = plan->slots[i].tensor;
    plan->n_tensors = plan->n_slots + ntk_places_list(&rows->places, plan->tensors + plan->n_slots);
    for (size_t i = 0; i < plan->n_tensors; i++) {
        size_t bytes = ntk_tensor_bytes(&plan->tensors[i]);
        if (bytes > ntk_limits.rows_bytes - plan->data_size)
            return too_large(error);
        plan->data_size += bytes;
    }
    return NTK_OK;
}

static enum ntk_status make_header(const struct ntk_rows *rows, const struct plan *plan,
                                   void **bytes, size_t *size, struct ntk_error *error)
{
    json_t *description = ntk_rows_describe(rows);
    char *text = description ? json_dumps(description, JSON_COMPACT) : NULL;
    json_t *metadata =
        text ? json_pack("{s:s, s:s, s:s}", "format", NTK_ROWS_FORMAT, "schema_version",
                         NTK_ROWS_SCHEMA_VERSION, "description", text)
             : NULL;
    enum ntk_status status = metadata
                                 ? ntk_safetensors_encode_header(plan->tensors, plan->n_tensors,
                                                                 metadata, bytes, size, error)
                                 : ntk_fail_memory(error, "the description of rows", 0);
    free(text);
    json_decref(description);
    json_decref(metadata);
    return status;
}

/* Places are written now, all others have their room. */
static enum ntk_status lay_out(struct ntk_rows_writer *w, const struct plan *plan,
                               size_t header_size, struct ntk_error *error)
{
    size_t offset = header_size;
    enum ntk_status status = NTK_OK;
    w->targets = calloc(plan->n_slots, sizeof *w->targets);
    if (!w->targets)
        return ntk_fail_memory(error, "the rows", plan->n_slots * sizeof *w->targets);
    w->n_targets = plan->n_slots;
    for (size_t i = 0; i < plan->n_tensors && !status; i++) {
        const struct ntk_tensor *tensor = &plan->tensors[i];
        if (i < plan->n_slots) {
            strcpy(w->targets[i].name, tensor->name);
            w->targets[i].offset = offset;
            w->targets[i].values = plan->slots[i].values;
        } else {
            status = write_at(w->file, tensor->values, ntk_tensor_bytes(tensor), offset, error);
        }
        offset += ntk_tensor_bytes(tensor);
    }
    if (!status && ftruncate(w->file, (off_t)offset))
        status = cannot_write(errno, error);
    return status;
}

static enum ntk_status begin(struct ntk_rows_writer *w, const char *path,
                             const struct ntk_rows *rows, struct ntk_error *error)
{
    struct plan plan = {0};
    void *header = NULL;
    size_t size;
    enum ntk_status status = make_plan(rows, &plan, error);
    if (!status)
        status = make_header(rows, &plan, &header, &size, error);
    if (!status && (w->file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)) < 0)
        status = ntk_fail(error, NTK_CANNOT_CREATE, "cannot write %s: %s", path, strerror(errno));
    if (!status)
        status = write_at(w->file, header, size, 0, error);
    if (!status)
        status = lay_out(w, &plan, size, error);
    free(header);
    free(plan.slots);
    free(plan.tensors);
    return status;
}

enum ntk_status ntk_rows_writer_create(const char *path, const struct ntk_rows *rows,
                                       struct ntk_rows_writer **out, struct ntk_error *error)
{
    assert(rows->n > 0 && rows->n_variables > 0);
    struct ntk_rows_writer *made = calloc(1, sizeof *made);
    if (!made)
        return ntk_fail_memory(error, "a writer", sizeof *made);
    made->file = -1;
    made->n = rows->n;
    enum ntk_status status = begin(made, path, rows, error);
    if (status)
        ntk_rows_writer_close(made, NULL);
    else
        *out = made;
    return status;
}

/* ---- rows ----------------------------------------------------------------------------------- */

/* Puts come in the order of the list, again and again: the search goes on where the last ended. */
static struct target *find_target(struct ntk_rows_writer *w, const char *name)
{
    for (size_t i = 0; i < w->n_targets; i++) {
        size_t at = (w->last + i) % w->n_targets;
        if (!strcmp(w->targets[at].name, name)) {
            w->last = at;
            return &w->targets[at];
        }
    }
    return NULL;
}

enum ntk_status ntk_rows_writer_put(struct ntk_rows_writer *writer, const char *tensor,
                                    size_t first, size_t count, const double *values,
                                    struct ntk_error *error)
{
    struct target *target = find_target(writer, tensor);
    assert(target && first <= writer->n && count <= writer->n - first);
    size_t row = target->values * sizeof(double);
    target->put += count;
    return write_at(writer->file, values, count * row, target->offset + first * row, error);
}

enum ntk_status ntk_rows_writer_close(struct ntk_rows_writer *writer, struct ntk_error *error)
{
    enum ntk_status status = NTK_OK;
    if (!writer)
        return NTK_OK;
    for (size_t i = 0; i < writer->n_targets && !status; i++) {
        const struct target *target = &writer->targets[i];
        if (target->put != writer->n)
            status = ntk_fail(error, NTK_CANNOT_CREATE, "the rows lack %s: %zu of %zu were written",
                              target->name, target->put, writer->n);
    }
    if (writer->file >= 0 && close(writer->file) && !status)
        status = cannot_write(errno, error);
    free(writer->targets);
    free(writer);
    return status;
}
