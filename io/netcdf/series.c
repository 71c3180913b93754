#include "io/netcdf/series.h"

#include <assert.h>
#include <stdlib.h>

enum ntk_status ntk_series_add(struct ntk_series *series, const struct ntk_source *source,
                               struct ntk_field *field, struct ntk_error *error)
{
    size_t bytes = (series->n_pieces + 1) * sizeof *series->pieces;
    struct ntk_piece *pieces = realloc(series->pieces, bytes);
    if (!pieces) {
        ntk_field_clear(field);
        return ntk_fail_memory(error, "the parts of an archive", bytes);
    }
    pieces[series->n_pieces++] = (struct ntk_piece){source, *field};
    series->pieces = pieces;
    return NTK_OK;
}

void ntk_series_clear(struct ntk_series *series)
{
    for (size_t i = 0; i < series->n_pieces; i++)
        ntk_field_clear(&series->pieces[i].field);
    free(series->pieces);
    free(series->where);
    *series = (struct ntk_series){0};
}

struct ntk_where ntk_series_locate(const struct ntk_series *series,
                                   const struct ntk_archive_lead *lead, size_t row)
{
    size_t sample = lead->sample[row];
    return series->where ? series->where[sample] : (struct ntk_where){0, (uint32_t)sample};
}

/* How many of the `count` rows from `first` on follow one another in one file. */
static size_t run_length(const struct ntk_series *series, const struct ntk_archive_lead *lead,
                         size_t first, size_t count)
{
    struct ntk_where start = ntk_series_locate(series, lead, first);
    size_t length = 1;
    while (length < count) {
        struct ntk_where next = ntk_series_locate(series, lead, first + length);
        if (next.piece != start.piece || next.sample != start.sample + length)
            break;
        length++;
    }
    return length;
}

enum ntk_status ntk_series_read(const struct ntk_series *series, const struct ntk_archive *archive,
                                size_t lead, size_t first, size_t count, double *doubles,
                                float *floats, struct ntk_error *error)
{
    const struct ntk_archive_lead *rows = &archive->leads[lead];
    enum ntk_status status = NTK_OK;
    assert(first <= rows->n && count <= rows->n - first && series->n_pieces > 0);
    for (size_t done = 0; done < count && !status;) {
        struct ntk_where start = ntk_series_locate(series, rows, first + done);
        const struct ntk_piece *piece = &series->pieces[start.piece];
        size_t run = run_length(series, rows, first + done, count - done);
        size_t file_lead = piece->field.has_lead ? piece->source->lead_order[lead] : 0;
        size_t offset = done * piece->field.points;
        if (doubles)
            status = ntk_field_read(&piece->field, file_lead, start.sample, run, doubles + offset,
                                    error);
        else
            status = ntk_field_read_float(&piece->field, file_lead, start.sample, run,
                                          floats + offset, error);
        done += run;
    }
    return status;
}
