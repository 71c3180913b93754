#include "cli/rescore/rescore_files.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/limits.h"

/* ---- sets of samples ------------------------------------------------------------------------ */

enum ntk_status ntk_ranges_add(struct ntk_ranges *ranges, size_t first, size_t end,
                               struct ntk_error *error)
{
    struct ntk_range *items = realloc(ranges->items, (ranges->n + 1) * sizeof *items);
    size_t from = 0, to;
    if (!items)
        return ntk_fail_memory(error, "the chunks that are done", ranges->n * sizeof *items);
    ranges->items = items;
    if (first >= end)
        return NTK_OK;
    while (from < ranges->n && items[from].end < first)
        from++;
    for (to = from; to < ranges->n && items[to].first <= end; to++) {
        first = items[to].first < first ? items[to].first : first;
        end = items[to].end > end ? items[to].end : end;
    }
    memmove(items + from + 1, items + to, (ranges->n - to) * sizeof *items);
    items[from] = (struct ntk_range){first, end};
    ranges->n = ranges->n - (to - from) + 1;
    return NTK_OK;
}

int ntk_ranges_gap(const struct ntk_ranges *ranges, size_t from, size_t end, struct ntk_range *out)
{
    size_t i = 0;
    while (i < ranges->n && ranges->items[i].end <= from)
        i++;
    if (i < ranges->n && ranges->items[i].first <= from)
        from = ranges->items[i++].end;
    if (from >= end)
        return 0;
    *out = (struct ntk_range){
        from, i < ranges->n && ranges->items[i].first < end ? ranges->items[i].first : end};
    return 1;
}

size_t ntk_ranges_count(const struct ntk_ranges *ranges)
{
    size_t n = 0;
    for (size_t i = 0; i < ranges->n; i++)
        n += ranges->items[i].end - ranges->items[i].first;
    return n;
}

/* ---- files ---------------------------------------------------------------------------------- */

void ntk_rescore_file_clear(struct ntk_rescore_file *file)
{
    free(file->survey);
    free(file->layout);
    free(file->done.items);
    free(file->taken.items);
    *file = (struct ntk_rescore_file){0};
}

static int is_taken(const char *name, const struct ntk_rescore_file *files, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(files[i].output, name))
            return 1;
    return 0;
}

enum ntk_status ntk_rescore_file_name(struct ntk_rescore_file *file,
                                      const struct ntk_rescore_file *files, size_t n,
                                      struct ntk_error *error)
{
    const char *slash = strrchr(file->input->path, '/'), *name = slash + 1;
    size_t length = strlen(name);
    if (length > 3 && !strcmp(name + length - 3, ".nc"))
        length -= 3;
    char made[2 * NAME_MAX];
    snprintf(made, sizeof made, "%.*s.intervals.nc", (int)length, name);
    for (size_t again = 2; is_taken(made, files, n); again++)
        snprintf(made, sizeof made, "%.*s-%zu.intervals.nc", (int)length, name, again);
    if (strlen(made) > NAME_MAX)
        return ntk_fail(error, NTK_CANNOT_CREATE,
                        "the name of %s is too long for one of its intervals", file->input->given);
    strcpy(file->output, made);
    return NTK_OK;
}

/* ---- layouts -------------------------------------------------------------------------------- */

json_t *ntk_layout_to_json(const struct ntk_interval_layout *layout)
{
    json_t *hours = json_array(), *variables = json_array();
    for (size_t l = 0; l < layout->n_hours; l++)
        json_array_append_new(hours, json_real(layout->hours[l]));
    for (size_t v = 0; v < layout->n_variables; v++) {
        const struct ntk_layout_variable *variable = &layout->variables[v];
        json_array_append_new(variables,
                              json_pack("[s,s,I,b]", variable->name, variable->units,
                                        (json_int_t)variable->points, variable->has_truth));
    }
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "samples",
                     (json_int_t)layout->n_samples, "leads", (json_int_t)layout->n_leads, "levels",
                     (json_int_t)layout->n_levels, "header", (json_int_t)layout->header_bytes,
                     "preface", (json_int_t)layout->preface_bytes, "hours", hours, "variables",
                     variables);
}

static enum ntk_status unreadable(struct ntk_error *error)
{
    return ntk_fail(error, NTK_BAD_DATA, "a line of the journal says nothing of an archive");
}

static enum ntk_status fill_layout(const json_t *json, struct ntk_interval_layout *layout,
                                   struct ntk_error *error)
{
    json_int_t samples, leads, levels, header, preface, points;
    json_t *hours, *variables;
    if (json_unpack((json_t *)json, "{s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "samples", &samples,
                    "leads", &leads, "levels", &levels, "header", &header, "preface", &preface,
                    "hours", &hours, "variables", &variables) ||
        json_array_size(hours) > NTK_LAYOUT_LEADS ||
        json_array_size(variables) > NTK_LAYOUT_VARIABLES)
        return unreadable(error);
    layout->n_samples = (size_t)samples;
    layout->n_leads = (size_t)leads;
    layout->n_levels = (size_t)levels;
    layout->header_bytes = (uint64_t)header;
    layout->preface_bytes = (uint64_t)preface;
    layout->n_hours = json_array_size(hours);
    layout->n_variables = json_array_size(variables);
    for (size_t l = 0; l < layout->n_hours; l++)
        layout->hours[l] = json_number_value(json_array_get(hours, l));
    for (size_t v = 0; v < layout->n_variables; v++) {
        struct ntk_layout_variable *variable = &layout->variables[v];
        const char *name, *units;
        if (json_unpack(json_array_get(variables, v), "[s,s,I,b]", &name, &units, &points,
                        &variable->has_truth) ||
            strlen(name) >= NTK_NAME_SIZE || strlen(units) >= NTK_NAME_SIZE)
            return unreadable(error);
        strcpy(variable->name, name);
        strcpy(variable->units, units);
        variable->points = (size_t)points;
    }
    return ntk_interval_layout_place(layout, error);
}

enum ntk_status ntk_layout_from_json(const json_t *json, struct ntk_interval_layout **out,
                                     struct ntk_error *error)
{
    struct ntk_interval_layout *made = calloc(1, sizeof *made);
    if (!made)
        return ntk_fail_memory(error, "a layout", sizeof *made);
    enum ntk_status status = fill_layout(json, made, error);
    if (status)
        free(made);
    else
        *out = made;
    return status;
}

/* Ends within its room and is text that JSON can hold. */
static int is_text(const char text[NTK_NAME_SIZE])
{
    json_t *json = memchr(text, 0, NTK_NAME_SIZE) ? json_string(text) : NULL;
    json_decref(json);
    return json != NULL;
}

enum ntk_status ntk_layout_accept(const struct ntk_interval_layout *told, size_t n_levels,
                                  struct ntk_interval_layout **out, struct ntk_error *error)
{
    struct ntk_interval_layout *made = malloc(sizeof *made);
    if (!made)
        return ntk_fail_memory(error, "a layout", sizeof *made);
    *made = *told;
    enum ntk_status status = NTK_OK;
    if (made->n_levels != n_levels || made->preface_bytes < made->header_bytes ||
        made->preface_bytes > INT64_MAX / 2)
        status = ntk_fail(error, NTK_BAD_DATA, "the work gives a layout that does not fit the job");
    if (!status)
        status = ntk_interval_layout_place(made, error);
    for (size_t v = 0; v < made->n_variables && !status; v++)
        if (!is_text(made->variables[v].name) || !is_text(made->variables[v].units))
            status = ntk_fail(error, NTK_BAD_DATA, "the work gives a name that is no text");
    for (size_t l = 0; l < made->n_hours && !status; l++)
        if (!isfinite(made->hours[l]))
            status = ntk_fail(error, NTK_BAD_DATA, "the work gives a lead time that is no number");
    if (status)
        free(made);
    else
        *out = made;
    return status;
}

/* ---- sums ----------------------------------------------------------------------------------- */

enum { SUM_ROWS = 1024 };

struct summing {
    const struct ntk_interval_layout *layout;
    const char *path;
    int descriptor;
    unsigned char bytes[8 * SUM_ROWS];
    size_t hour[SUM_ROWS]; /* index of the lead time of each row */
    struct ntk_tally tallies[SUM_ROWS];
};

static enum ntk_status read_column(struct summing *summing, const struct ntk_column *column,
                                   size_t plane, size_t row, size_t rows, struct ntk_error *error)
{
    size_t size = 8 * rows, have = 0;
    uint64_t at = ntk_column_at(summing->layout, column, plane, row);
    while (have < size) {
        ssize_t got =
            pread(summing->descriptor, summing->bytes + have, size - have, (off_t)(at + have));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return ntk_fail(error, NTK_BAD_DATA, "cannot read the sums in %s: %s", summing->path,
                            got ? strerror(errno) : "the file is too short");
        have += (size_t)got;
    }
    return NTK_OK;
}

/* Which lead time rows have: that of their place, or the one the file gives for their sample. */
static enum ntk_status find_hours(struct summing *summing, size_t row, size_t rows,
                                  struct ntk_error *error)
{
    const struct ntk_interval_layout *layout = summing->layout;
    enum ntk_status status = NTK_OK;
    if (layout->n_leads == layout->n_hours) {
        for (size_t i = 0; i < rows; i++)
            summing->hour[i] = (row + i) % layout->n_leads;
        return NTK_OK;
    }
    status = read_column(summing, &layout->period, 0, row, rows, error);
    for (size_t i = 0; i < rows && !status; i++) {
        double hours = ntk_layout_decode_double(summing->bytes + 8 * i);
        size_t l = 0;
        while (l < layout->n_hours && layout->hours[l] != hours)
            l++;
        summing->hour[i] = l; /* n_hours: none, which a sound file does not have */
    }
    return status;
}

/* What a jailed process wrote may be anything; counts of points are at most the points. */
static int is_sound(const struct ntk_tally *tally, size_t points)
{
    const int64_t most = tally->verified;
    int sound = most >= 0 && (uint64_t)most <= points;
    for (size_t b = 0; b < NTK_PIT_BINS; b++)
        sound &= tally->pit[b] >= 0 && tally->pit[b] <= most;
    for (size_t l = 0; l < tally->n_levels; l++)
        sound &= tally->levels[l].covered >= 0 && tally->levels[l].covered <= most &&
                 tally->levels[l].unbounded >= 0 && tally->levels[l].unbounded <= most;
    return sound;
}

static enum ntk_status sum_rows(struct summing *summing, size_t v, size_t row, size_t rows,
                                struct ntk_tally_total **totals, struct ntk_error *error)
{
    const struct ntk_interval_layout *layout = summing->layout;
    enum ntk_status status = find_hours(summing, row, rows, error);
    memset(summing->tallies, 0, rows * sizeof *summing->tallies);
    for (int t = 0; t < NTK_LAYOUT_TALLIES && !status; t++) {
        const struct ntk_column *column = &layout->variables[v].tallies[t];
        for (size_t plane = 0; plane < column->planes && !status; plane++) {
            status = read_column(summing, column, plane, row, rows, error);
            for (size_t i = 0; i < rows && !status; i++)
                ntk_layout_decode_tally(summing->bytes + 8 * i, t, plane, &summing->tallies[i]);
        }
    }
    for (size_t i = 0; i < rows && !status; i++) {
        struct ntk_tally *tally = &summing->tallies[i];
        tally->n_levels = layout->n_levels;
        if (summing->hour[i] >= layout->n_hours || !is_sound(tally, layout->variables[v].points))
            return ntk_fail(error, NTK_BAD_DATA, "%s has sums that cannot be", summing->path);
        tally->rows = tally->verified > 0;
        ntk_tally_add(totals[v * layout->n_hours + summing->hour[i]], tally);
    }
    return status;
}

static enum ntk_status sum_flags(struct summing *summing, size_t v, size_t row, size_t rows,
                                 int64_t flagged[NTK_FLAG_COUNT], struct ntk_error *error)
{
    const struct ntk_layout_variable *variable = &summing->layout->variables[v];
    enum ntk_status status = NTK_OK;
    for (size_t bit = 0; bit < NTK_FLAG_COUNT && !status; bit++) {
        status = read_column(summing, &variable->flagged, bit, row, rows, error);
        for (size_t i = 0; i < rows && !status; i++) {
            int64_t n = ntk_layout_decode_count(summing->bytes + 8 * i);
            if (n < 0 || (uint64_t)n > variable->points)
                status = ntk_fail(error, NTK_BAD_DATA, "%s has sums that cannot be", summing->path);
            else
                flagged[bit] += n;
        }
    }
    return status;
}

static enum ntk_status make_totals(const struct ntk_interval_layout *layout, size_t v,
                                   struct ntk_tally_total **totals, struct ntk_error *error)
{
    for (size_t l = 0; l < layout->n_hours && layout->variables[v].has_truth; l++) {
        struct ntk_tally_total **total = &totals[v * layout->n_hours + l];
        if (!*total && !(*total = ntk_tally_total_create(layout->n_levels)))
            return ntk_fail_memory(error, "sums", ntk_tally_total_size(layout->n_levels));
    }
    return NTK_OK;
}

enum ntk_status ntk_rescore_file_sum(const struct ntk_interval_layout *layout, const char *path,
                                     struct ntk_tally_total **totals,
                                     int64_t flagged[NTK_FLAG_COUNT], struct ntk_error *error)
{
    struct summing *summing = malloc(sizeof *summing);
    enum ntk_status status = NTK_OK;
    if (!summing)
        return ntk_fail_memory(error, "sums", sizeof *summing);
    summing->layout = layout;
    summing->path = path;
    summing->descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (summing->descriptor < 0)
        status = ntk_fail(error, NTK_NO_INPUT, "cannot open %s: %s", path, strerror(errno));
    for (size_t v = 0; v < layout->n_variables && !status; v++) {
        status = make_totals(layout, v, totals, error);
        for (size_t row = 0; row < layout->rows && !status;) {
            size_t rows = layout->rows - row < SUM_ROWS ? layout->rows - row : SUM_ROWS;
            status = sum_flags(summing, v, row, rows, flagged, error);
            if (!status && layout->variables[v].has_truth)
                status = sum_rows(summing, v, row, rows, totals, error);
            row += rows;
        }
    }
    if (summing->descriptor >= 0)
        close(summing->descriptor);
    free(summing);
    return status;
}
