/* ntkuq truths: what verified, as rows. A row is a sample at a lead time with any truth that is a
 * finite number, so the archive is read twice: which rows there are comes before the first. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "io/netcdf/archive.h"
#include "io/rows.h"

/* Truths read at a time stay within about this many bytes. */
static const size_t block_bytes = (size_t)64 << 20;

struct truths {
    const struct ntk_command_context *context;
    struct ntk_archive *archive;
    struct ntk_rows rows;  /* what is written: no arrays */
    size_t *variable;      /* of the archive, for each variable of rows */
    unsigned char **known; /* for each lead and row: is there any truth? */
    size_t block;          /* rows read at a time */
    float *read;           /* block x points of the largest field */
    double *values;        /* as many */
    struct ntk_rows_writer *writer;
};

static void truths_clear(struct truths *t)
{
    for (size_t l = 0; t->archive && t->known && l < t->archive->n_leads; l++)
        free(t->known[l]);
    free(t->known);
    free(t->read);
    free(t->values);
    free(t->variable);
    free(t->rows.variables);
    ntk_places_clear(&t->rows.places);
    ntk_archive_free(t->archive);
}

/* The variables that have truths. */
static enum ntk_status select_variables(struct truths *t, struct ntk_error *error)
{
    const struct ntk_archive *archive = t->archive;
    t->rows.kind = NTK_ROWS_TRUTHS;
    t->rows.variables = calloc(archive->n_variables + 1, sizeof *t->rows.variables);
    t->variable = calloc(archive->n_variables + 1, sizeof *t->variable);
    if (!t->rows.variables || !t->variable)
        return ntk_fail_memory(error, "the variables", archive->n_variables * sizeof *t->variable);
    for (size_t v = 0; v < archive->n_variables; v++) {
        if (!archive->variables[v].has_truth)
            continue;
        struct ntk_rows_variable *to = &t->rows.variables[t->rows.n_variables];
        strcpy(to->name, archive->variables[v].name);
        strcpy(to->units, archive->variables[v].units);
        to->points = archive->variables[v].points;
        t->variable[t->rows.n_variables++] = v;
    }
    if (t->rows.n_variables == 0)
        return ntk_fail(error, NTK_BAD_DATA,
                        "the archive has no truths: no variable v has a v_truth beside it");
    return ntk_archive_places(archive, 1, &t->rows.places, error);
}

static enum ntk_status create_block(struct truths *t, struct ntk_error *error)
{
    size_t points = 1, count, rows = 1;
    for (size_t v = 0; v < t->rows.n_variables; v++)
        points = t->rows.variables[v].points > points ? t->rows.variables[v].points : points;
    for (size_t l = 0; l < t->archive->n_leads; l++)
        rows = t->archive->leads[l].n > rows ? t->archive->leads[l].n : rows;
    t->block = block_bytes / sizeof(double) / points;
    t->block = t->block < 1 ? 1 : t->block < rows ? t->block : rows;
    if (!ntk_size_multiply(t->block, points, &count))
        return ntk_fail_memory(error, "a block of truths", SIZE_MAX);
    t->values = ntk_matrix_create(t->block, points);
    t->read = calloc(count, sizeof *t->read);
    t->known = calloc(t->archive->n_leads + 1, sizeof *t->known);
    if (!t->values || !t->read || !t->known)
        return ntk_fail_memory(error, "a block of truths", count * sizeof(double));
    for (size_t l = 0; l < t->archive->n_leads; l++) {
        if (!(t->known[l] = calloc(t->archive->leads[l].n + 1, 1)))
            return ntk_fail_memory(error, "the rows", t->archive->leads[l].n);
    }
    return NTK_OK;
}

/* One block of one variable at one lead: rows first .. first + count of it are in t->read. */
struct part {
    size_t variable, lead, first, count, points;
};

/* Calls `visit` for every part; `share` of the progress is done before. */
static enum ntk_status for_each_part(struct truths *t, double share, const char *doing,
                                     enum ntk_status (*visit)(struct truths *t,
                                                              const struct part *part,
                                                              struct ntk_error *error),
                                     struct ntk_error *error)
{
    enum ntk_status status = NTK_OK;
    for (size_t v = 0; v < t->rows.n_variables; v++) {
        struct part part = {.variable = v, .points = t->rows.variables[v].points};
        ntk_progress_report(t->context->progress,
                            share + (double)v / (2 * (double)t->rows.n_variables), doing);
        for (part.lead = 0; part.lead < t->archive->n_leads; part.lead++) {
            size_t n = t->archive->leads[part.lead].n;
            for (part.first = 0; part.first < n; part.first += part.count) {
                part.count = n - part.first < t->block ? n - part.first : t->block;
                if ((status = ntk_archive_read_variable(t->archive, part.lead, t->variable[v], 1,
                                                        part.first, part.count, t->read, error)) ||
                    (status = visit(t, &part, error)))
                    return status;
            }
        }
    }
    return NTK_OK;
}

static enum ntk_status note_known(struct truths *t, const struct part *part,
                                  struct ntk_error *error)
{
    (void)error;
    for (size_t i = 0; i < part->count; i++) {
        const float *row = t->read + i * part->points;
        for (size_t p = 0; p < part->points && !t->known[part->lead][part->first + i]; p++)
            t->known[part->lead][part->first + i] = isfinite(row[p]) != 0;
    }
    return NTK_OK;
}

/* Rows of the file before row `first` of a lead of the archive. */
static size_t count_before(const struct truths *t, size_t lead, size_t first)
{
    size_t n = 0;
    for (size_t l = 0; l <= lead && l < t->archive->n_leads; l++) {
        size_t end = l == lead ? first : t->archive->leads[l].n;
        for (size_t i = 0; i < end; i++)
            n += t->known[l][i];
    }
    return n;
}

/* What is not a finite number is not known. */
static enum ntk_status put_part(struct truths *t, const struct part *part, struct ntk_error *error)
{
    char name[NTK_NAME_SIZE + 8];
    size_t kept = 0;
    for (size_t i = 0; i < part->count; i++) {
        if (!t->known[part->lead][part->first + i])
            continue;
        const float *from = t->read + i * part->points;
        double *to = t->values + kept++ * part->points;
        for (size_t p = 0; p < part->points; p++)
            to[p] = isfinite(from[p]) ? (double)from[p] : NAN;
    }
    snprintf(name, sizeof name, "%s/truth", t->rows.variables[part->variable].name);
    return ntk_rows_writer_put(t->writer, name, count_before(t, part->lead, part->first), kept,
                               t->values, error);
}

static enum ntk_status put_times(struct truths *t, struct ntk_error *error)
{
    double *time = ntk_matrix_create(2, t->rows.n), *hours = time + t->rows.n;
    size_t n = 0;
    if (!time)
        return ntk_fail_memory(error, "the rows", 2 * t->rows.n * sizeof *time);
    for (size_t l = 0; l < t->archive->n_leads; l++) {
        const struct ntk_archive_lead *lead = &t->archive->leads[l];
        for (size_t i = 0; i < lead->n; i++) {
            if (!t->known[l][i])
                continue;
            time[n] = lead->reference_time[i];
            hours[n++] = lead->hours;
        }
    }
    enum ntk_status status =
        ntk_rows_writer_put(t->writer, "reference_time", 0, t->rows.n, time, error);
    if (!status)
        status = ntk_rows_writer_put(t->writer, "lead_hours", 0, t->rows.n, hours, error);
    free(time);
    return status;
}

static enum ntk_status write_rows(struct truths *t, struct ntk_error *error)
{
    enum ntk_status status =
        ntk_rows_writer_create(t->context->output, &t->rows, &t->writer, error);
    if (status)
        return status;
    status = put_times(t, error);
    if (!status)
        status = for_each_part(t, 0.5, "writing truths", put_part, error);
    enum ntk_status closed = ntk_rows_writer_close(t->writer, status ? NULL : error);
    return status ? status : closed;
}

static void print_summary(const struct truths *t)
{
    ntk_progress_clear(t->context->progress);
    if (t->context->arguments->json)
        printf("{\"rows\": %zu, \"variables\": %zu}\n", t->rows.n, t->rows.n_variables);
    else
        printf("truths of %zu variables in %zu rows\n", t->rows.n_variables, t->rows.n);
}

static enum ntk_status extract(struct truths *t, struct ntk_error *error)
{
    enum ntk_status status = select_variables(t, error);
    if (!status)
        status = create_block(t, error);
    if (!status)
        status = for_each_part(t, 0, "looking for truths", note_known, error);
    if (status)
        return status;
    t->rows.n = count_before(t, t->archive->n_leads, 0);
    if (t->rows.n == 0)
        return ntk_fail(error, NTK_BAD_DATA,
                        "none of the archive's truths is a finite number, one or more were "
                        "expected");
    return write_rows(t, error);
}

enum ntk_status ntk_truths_command(const struct ntk_command_context *context,
                                   struct ntk_error *error)
{
    const struct ntk_archive_options options = {.features_name = context->arguments->features};
    struct truths truths = {.context = context};
    enum ntk_status status = ntk_archive_open(context->files, context->arguments->n_files, &options,
                                              &truths.archive, error);
    if (!status)
        status = extract(&truths, error);
    if (!status)
        print_summary(&truths);
    truths_clear(&truths);
    return status;
}
