#include "cli/rescore/rescore_work.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "cli/evaluate.h"
#include "cli/query.h"
#include "core/processor.h"

/* Rows of a field of at least this many bytes are written one at a time, while they are in the
 * processor's cache; smaller ones block by block. */
static const size_t large_row_bytes = (size_t)64 << 10;

/* Forecasts, or features, that are read at a time. */
static const size_t block_bytes = (size_t)4 << 20;

enum phase { READING, COMPUTING, WRITING, PHASES };

/* One archive being worked on. */
struct shift {
    const struct ntk_rescore_work *work;
    struct ntk_query query;
    const struct ntk_interval_layout *layout;
    int output;           /* -1: none */
    int writes;           /* 0 while only measured */
    size_t lanes;         /* of the processor's vectors */
    size_t block_samples; /* at most */
    size_t staged_rows;   /* 1, or those of a block */
    struct ntk_evaluator *evaluator;
    struct ntk_evaluated *samples; /* of each lead */
    struct ntk_tally_plan **plans; /* leads x variables; NULL: none yet, or uncalibrated */
    float *forecast, *truth;       /* block_samples x points of the largest field */
    unsigned char *staged[NTK_LAYOUT_FIELDS]; /* planes x staged_rows x points */
    unsigned char *sample_values;             /* values x rows of a block x 8 */
    struct ntk_tally *tallies;                /* rows of a block */
    unsigned char *tally_values;              /* rows of a block x 8 */
    int64_t (*flagged)[NTK_FLAG_COUNT];       /* rows of a block: points with each flag */
    double seconds[PHASES];
    double since; /* when the present phase began */
};

/* ---- time ----------------------------------------------------------------------------------- */

double ntk_rescore_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* What has passed since the last call belongs to a phase. */
static void spend(struct shift *shift, enum phase phase)
{
    double t = ntk_rescore_now();
    shift->seconds[phase] += t - shift->since;
    shift->since = t;
}

/* ---- writing -------------------------------------------------------------------------------- */

static enum ntk_status write_at(const struct shift *shift, const void *bytes, size_t size,
                                uint64_t at, struct ntk_error *error)
{
    const unsigned char *next = bytes;
    while (shift->writes && size > 0) {
        ssize_t put = pwrite(shift->output, next, size, (off_t)at);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return ntk_fail(error, NTK_CANNOT_CREATE,
                            "cannot write the intervals of %s, %llu bytes: %s",
                            shift->work->archive, (unsigned long long)shift->layout->file_bytes,
                            strerror(put < 0 ? errno : ENOSPC));
        next += put;
        size -= (size_t)put;
        at += (uint64_t)put;
    }
    return NTK_OK;
}

/* `count` rows of all planes of a column, staged plane by plane with room for `room` rows each. */
static enum ntk_status write_column(const struct shift *shift, const struct ntk_column *column,
                                    const unsigned char *staged, size_t room, size_t row,
                                    size_t count, struct ntk_error *error)
{
    size_t row_bytes = column->per_row * column->width;
    enum ntk_status status = NTK_OK;
    for (size_t plane = 0; plane < column->planes && !status; plane++)
        status = write_at(shift, staged + plane * room * row_bytes, count * row_bytes,
                          ntk_column_at(shift->layout, column, plane, row), error);
    return status;
}

/* ---- blocks --------------------------------------------------------------------------------- */

/* Samples a .. b at all their lead times. */
struct block {
    size_t first, count; /* samples */
    size_t row, rows;    /* of the file */
};

/* Rows of one lead within a block; without a lead dimension a sample has one lead alone. */
static void find_rows(const struct shift *shift, size_t l, const struct block *block, size_t *first,
                      size_t *count)
{
    const struct ntk_archive_lead *lead = &shift->query.archive->leads[l];
    size_t low = 0, high = lead->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (lead->sample[middle] < block->first)
            low = middle + 1;
        else
            high = middle;
    }
    *first = low;
    while (high < lead->n && lead->sample[high] < block->first + block->count)
        high++;
    *count = high - low;
}

/* Where row i of some samples is in the block. */
static size_t slot_of(const struct shift *shift, const struct block *block,
                      const struct ntk_evaluated *samples, size_t i)
{
    const struct ntk_archive *archive = shift->query.archive;
    size_t sample = archive->leads[samples->lead].sample[samples->first + i] - block->first;
    return archive->lead_dimension ? sample * archive->n_leads + samples->lead : sample;
}

static double sample_value(const struct ntk_evaluated *samples, size_t i, int which)
{
    const struct ntk_variance *v = &samples->variance[i];
    const double values[NTK_LAYOUT_SAMPLE_VALUES] = {
        v->prior, v->correction, v->posterior, v->residual, v->sigma, samples->novelty[i]};
    return values[which];
}

static enum ntk_status put_samples(struct shift *shift, const struct block *block,
                                   struct ntk_error *error)
{
    enum ntk_status status = NTK_OK;
    for (int which = 0; which < NTK_LAYOUT_SAMPLE_VALUES && !status; which++) {
        for (size_t l = 0; l < shift->query.archive->n_leads; l++) {
            const struct ntk_evaluated *samples = &shift->samples[l];
            for (size_t i = 0; i < samples->count; i++) {
                double value = sample_value(samples, i, which);
                ntk_layout_encode_doubles(
                    &value, 1, shift->sample_values + 8 * slot_of(shift, block, samples, i));
            }
        }
        status = write_column(shift, &shift->layout->samples[which], shift->sample_values,
                              block->rows, block->row, block->rows, error);
    }
    return status;
}

/* ---- one row of a variable ------------------------------------------------------------------ */

static void count_flags(const unsigned char *flag, size_t points, int64_t out[NTK_FLAG_COUNT])
{
    unsigned any = 0, all = 0xff;
    for (size_t p = 0; p < points; p++) {
        any |= flag[p];
        all &= flag[p];
    }
    for (int bit = 0; bit < NTK_FLAG_COUNT; bit++) {
        size_t n = all >> bit & 1 ? points : 0;
        for (size_t p = 0; p < points && (any & ~all) >> bit & 1; p++)
            n += flag[p] >> bit & 1;
        out[bit] = (int64_t)n;
    }
}

/* The sums of a row with truths; of one without an interval, zeros. */
static enum ntk_status count_tally(struct shift *shift, size_t v, size_t lead,
                                   const struct ntk_evaluated_row *row, const float *truth,
                                   struct ntk_tally *out, struct ntk_error *error)
{
    const struct ntk_arguments *arguments = shift->work->arguments;
    struct ntk_tally_plan **plan = &shift->plans[lead * shift->layout->n_variables + v];
    enum ntk_status status = NTK_OK;
    *out = (struct ntk_tally){.n_levels = shift->layout->n_levels};
    if (!row->model)
        return NTK_OK;
    if (!*plan)
        status = ntk_tally_plan_create(row->model, &arguments->interval, arguments->levels,
                                       arguments->n_levels, plan, error);
    if (status)
        return status;
    const struct ntk_tally_row counted = {.points = shift->layout->variables[v].points,
                                          .forecast = row->forecast,
                                          .truth = truth,
                                          .centre = row->centre,
                                          .scale = row->scale,
                                          .valid_time = row->valid_time};
    ntk_tally_count(*plan, &counted, out);
    return NTK_OK;
}

static float *staged_floats(const struct shift *shift, int field)
{
    return (float *)(void *)shift->staged[field];
}

/* Turns `rows` staged rows from `from` on into what the file holds. */
static void encode_staged(struct shift *shift, size_t v, size_t from, size_t rows)
{
    const struct ntk_layout_variable *variable = &shift->layout->variables[v];
    for (int f = NTK_LAYOUT_STD; f <= NTK_LAYOUT_UPPER; f++) {
        for (size_t plane = 0; plane < variable->fields[f].planes; plane++) {
            float *values =
                staged_floats(shift, f) + (plane * shift->staged_rows + from) * variable->points;
            ntk_layout_encode_floats(shift->lanes, values, rows * variable->points, values);
        }
    }
}

static enum ntk_status write_staged(struct shift *shift, size_t v, size_t row, size_t rows,
                                    struct ntk_error *error)
{
    const struct ntk_layout_variable *variable = &shift->layout->variables[v];
    enum ntk_status status = NTK_OK;
    spend(shift, COMPUTING);
    for (int f = 0; f < NTK_LAYOUT_FIELDS && !status; f++)
        status = write_column(shift, &variable->fields[f], shift->staged[f], shift->staged_rows,
                              row, rows, error);
    spend(shift, WRITING);
    return status;
}

static enum ntk_status fill_row(struct shift *shift, const struct block *block, size_t v,
                                const struct ntk_evaluated *samples, size_t i,
                                struct ntk_error *error)
{
    const struct ntk_layout_variable *variable = &shift->layout->variables[v];
    size_t points = variable->points, slot = slot_of(shift, block, samples, i);
    size_t at = shift->staged_rows == 1 ? 0 : slot;
    struct ntk_evaluated_row row = {.forecast = shift->forecast + i * points,
                                    .std = staged_floats(shift, NTK_LAYOUT_STD) + at * points,
                                    .lower = staged_floats(shift, NTK_LAYOUT_LOWER) + at * points,
                                    .upper = staged_floats(shift, NTK_LAYOUT_UPPER) + at * points,
                                    .level_stride = shift->staged_rows * points,
                                    .flag = shift->staged[NTK_LAYOUT_FLAG] + at * points};
    enum ntk_status status = ntk_evaluator_row(shift->evaluator, samples, i, v, &row, error);
    if (!status && variable->has_truth)
        status = count_tally(shift, v, samples->lead, &row, shift->truth + i * points,
                             &shift->tallies[slot], error);
    if (status)
        return status;
    count_flags(row.flag, points, shift->flagged[slot]);
    ntk_layout_encode_floats(shift->lanes, row.forecast, points,
                             staged_floats(shift, NTK_LAYOUT_FORECAST) + at * points);
    encode_staged(shift, v, at, 1);
    return shift->staged_rows == 1 ? write_staged(shift, v, block->row + slot, 1, error) : NTK_OK;
}

static enum ntk_status put_tallies(struct shift *shift, const struct block *block, size_t v,
                                   struct ntk_error *error)
{
    const struct ntk_layout_variable *variable = &shift->layout->variables[v];
    enum ntk_status status = NTK_OK;
    for (size_t bit = 0; bit < NTK_FLAG_COUNT && !status; bit++) {
        for (size_t row = 0; row < block->rows; row++)
            ntk_layout_encode_count(shift->flagged[row][bit], shift->tally_values + 8 * row);
        status = write_at(shift, shift->tally_values, 8 * block->rows,
                          ntk_column_at(shift->layout, &variable->flagged, bit, block->row), error);
    }
    for (int t = 0; t < NTK_LAYOUT_TALLIES && variable->has_truth && !status; t++) {
        const struct ntk_column *column = &variable->tallies[t];
        for (size_t plane = 0; plane < column->planes && !status; plane++) {
            for (size_t row = 0; row < block->rows; row++)
                ntk_layout_encode_tally(&shift->tallies[row], t, plane,
                                        shift->tally_values + 8 * row);
            status = write_at(shift, shift->tally_values, 8 * block->rows,
                              ntk_column_at(shift->layout, column, plane, block->row), error);
        }
    }
    spend(shift, WRITING);
    return status;
}

/* ---- a chunk -------------------------------------------------------------------------------- */

static enum ntk_status read_fields(struct shift *shift, size_t v,
                                   const struct ntk_evaluated *samples, struct ntk_error *error)
{
    const struct ntk_archive *archive = shift->query.archive;
    enum ntk_status status = ntk_archive_read_variable(archive, samples->lead, v, 0, samples->first,
                                                       samples->count, shift->forecast, error);
    if (!status && archive->variables[v].has_truth)
        status = ntk_archive_read_variable(archive, samples->lead, v, 1, samples->first,
                                           samples->count, shift->truth, error);
    spend(shift, READING);
    return status;
}

static enum ntk_status do_variable(struct shift *shift, const struct block *block, size_t v,
                                   struct ntk_error *error)
{
    enum ntk_status status = NTK_OK;
    for (size_t l = 0; l < shift->query.archive->n_leads && !status; l++) {
        const struct ntk_evaluated *samples = &shift->samples[l];
        if (samples->count == 0)
            continue;
        status = read_fields(shift, v, samples, error);
        if (!status)
            status = ntk_evaluator_check(shift->evaluator, v, samples, shift->forecast, error);
        for (size_t i = 0; i < samples->count && !status; i++)
            status = fill_row(shift, block, v, samples, i, error);
        spend(shift, COMPUTING);
    }
    if (!status && shift->staged_rows > 1)
        status = write_staged(shift, v, block->row, block->rows, error);
    return status ? status : put_tallies(shift, block, v, error);
}

static enum ntk_status do_block(struct shift *shift, size_t first, size_t count,
                                struct ntk_error *error)
{
    const struct ntk_interval_layout *layout = shift->layout;
    const struct block block = {first, count, first * layout->n_leads, count * layout->n_leads};
    enum ntk_status status = NTK_OK;
    for (size_t l = 0; l < shift->query.archive->n_leads && !status; l++) {
        size_t first_row, rows;
        find_rows(shift, l, &block, &first_row, &rows);
        shift->samples[l].count = 0;
        shift->samples[l].lead = l;
        if (rows)
            status = ntk_evaluator_samples(shift->evaluator, l, first_row, rows, &shift->samples[l],
                                           error);
        spend(shift, READING);
    }
    if (!status)
        status = put_samples(shift, &block, error);
    spend(shift, WRITING);
    for (size_t v = 0; v < layout->n_variables && !status; v++)
        status = do_variable(shift, &block, v, error);
    return status;
}

static enum ntk_status do_chunk(struct shift *shift, size_t first, size_t count,
                                struct ntk_error *error)
{
    enum ntk_status status = NTK_OK;
    const size_t cached = shift->query.archive->cached_samples;
    for (size_t done = 0; done < count && !status;) {
        size_t n = count - done < shift->block_samples ? count - done : shift->block_samples;
        size_t together = cached ? cached - (first + done) % cached : n;
        n = n < together ? n : together;
        status = do_block(shift, first + done, n, error);
        done += n;
    }
    /* The disk begins now, rather than when the flush waits for it. */
    if (!status && shift->writes)
        sync_file_range(shift->output, 0, 0, SYNC_FILE_RANGE_WRITE);
    spend(shift, WRITING);
    return status;
}

/* ---- how much at a time --------------------------------------------------------------------- */

static size_t most_points(const struct ntk_interval_layout *layout)
{
    size_t points = 1;
    for (size_t v = 0; v < layout->n_variables; v++)
        points = layout->variables[v].points > points ? layout->variables[v].points : points;
    return points;
}

static size_t staged_rows(const struct ntk_interval_layout *layout, size_t samples)
{
    return most_points(layout) * sizeof(float) >= large_row_bytes ? 1 : samples * layout->n_leads;
}

/* Of everything that depends on the samples of a block. */
static size_t bytes_of_block(const struct shift *shift, size_t samples)
{
    const struct ntk_interval_layout *layout = shift->layout;
    size_t points = most_points(layout), rows = samples * layout->n_leads;
    size_t field = points * (sizeof(float) * (2 + 2 * layout->n_levels) + 1);
    return ntk_evaluator_bytes(&shift->query, shift->work->arguments, samples,
                               shift->query.archive->n_leads) +
           2 * samples * points * sizeof(float) + staged_rows(layout, samples) * field +
           rows * (sizeof(struct ntk_tally) + sizeof *shift->flagged + 2 * 8);
}

/* As many as are worth reading at once, and no more than fit. */
static enum ntk_status choose_block(struct shift *shift, struct ntk_rescore_survey *survey,
                                    struct ntk_error *error)
{
    const struct ntk_archive *archive = shift->query.archive;
    size_t widest = most_points(shift->layout) * sizeof(float);
    widest = archive->d * sizeof(double) > widest ? archive->d * sizeof(double) : widest;
    size_t samples = block_bytes / widest;
    samples = samples < 1 ? 1 : samples > 4096 ? 4096 : samples;
    samples = samples < archive->n_samples ? samples : archive->n_samples;
    while (samples > 1 &&
           bytes_of_block(shift, samples) + archive->chunk_bytes > shift->work->memory_bytes)
        samples /= 2;
    survey->memory_bytes = bytes_of_block(shift, samples) + archive->chunk_bytes;
    if (survey->memory_bytes > shift->work->memory_bytes)
        return ntk_fail(error, NTK_BAD_DATA,
                        "%s takes %zu bytes of memory in each process and %zu are there for it; "
                        "more --memory or fewer --jobs were expected",
                        shift->work->archive, survey->memory_bytes, shift->work->memory_bytes);
    shift->block_samples = samples;
    shift->staged_rows = staged_rows(shift->layout, samples);
    return NTK_OK;
}

static enum ntk_status create_buffers(struct shift *shift, struct ntk_error *error)
{
    const struct ntk_interval_layout *layout = shift->layout;
    const struct ntk_archive *archive = shift->query.archive;
    size_t points = most_points(layout), rows = shift->block_samples * layout->n_leads;
    enum ntk_status status = ntk_evaluator_create(
        &shift->query, shift->work->arguments, shift->block_samples, 0, &shift->evaluator, error);
    if (status)
        return status;
    shift->samples = calloc(archive->n_leads, sizeof *shift->samples);
    shift->plans = calloc(archive->n_leads * archive->n_variables + 1, sizeof *shift->plans);
    shift->forecast = malloc(shift->block_samples * points * sizeof(float));
    shift->truth = malloc(shift->block_samples * points * sizeof(float));
    shift->sample_values = malloc(rows * 8);
    shift->tallies = calloc(rows, sizeof *shift->tallies);
    shift->tally_values = malloc(rows * 8);
    shift->flagged = calloc(rows, sizeof *shift->flagged);
    int complete = shift->samples && shift->plans && shift->forecast && shift->truth &&
                   shift->sample_values && shift->tallies && shift->tally_values && shift->flagged;
    for (int f = 0; f < NTK_LAYOUT_FIELDS && complete; f++) {
        int limits = f == NTK_LAYOUT_LOWER || f == NTK_LAYOUT_UPPER;
        complete = (shift->staged[f] = malloc((limits ? layout->n_levels : 1) * points *
                                              shift->staged_rows * sizeof(float))) != NULL;
    }
    if (!complete)
        return ntk_fail_memory(error, "a block of forecasts",
                               bytes_of_block(shift, shift->block_samples));
    for (size_t l = 0; l < archive->n_leads && !status; l++)
        status = ntk_evaluated_init(&shift->samples[l], shift->evaluator, error);
    return status;
}

/* ---- opening -------------------------------------------------------------------------------- */

static uint64_t bytes_read(const struct ntk_archive *archive,
                           const struct ntk_interval_layout *layout)
{
    uint64_t row = (archive->d + archive->n_covariates) * sizeof(float);
    for (size_t v = 0; v < archive->n_variables; v++)
        row += archive->variables[v].points * sizeof(float) *
               (archive->variables[v].has_truth ? 2 : 1);
    return row * layout->rows;
}

static enum ntk_status prepare_output(struct shift *shift, const unsigned char *preface,
                                      struct ntk_error *error)
{
    const struct ntk_rescore_work *work = shift->work;
    if (!work->output)
        return NTK_OK;
    shift->output = open(work->output, O_WRONLY);
    if (shift->output < 0)
        return ntk_fail(error, NTK_CANNOT_CREATE, "cannot write %s: %s", work->output,
                        strerror(errno));
    shift->writes = 1;
    if (!work->prepares)
        return NTK_OK;
    if (ftruncate(shift->output, (off_t)shift->layout->file_bytes))
        return ntk_fail(error, NTK_CANNOT_CREATE, "cannot write %s: %s", work->output,
                        strerror(errno));
    return write_at(shift, preface, shift->layout->preface_bytes, 0, error);
}

static enum ntk_status open_archive(struct shift *shift, struct ntk_error *error)
{
    const struct ntk_rescore_work *work = shift->work;
    const struct ntk_arguments *arguments = work->arguments;
    struct ntk_archive_options options = {.features_name = arguments->features
                                                               ? arguments->features
                                                               : work->calibration->features_name,
                                          .no_digest = 1,
                                          .cache_bytes = work->memory_bytes / 2};
    enum ntk_status status =
        ntk_archive_open(&work->archive, 1, &options, &shift->query.archive, error);
    return status ? status : ntk_query_check(&shift->query, error);
}

static enum ntk_status begin(struct shift *shift, struct ntk_error *error)
{
    const struct ntk_rescore_work *work = shift->work;
    struct ntk_rescore_survey *survey = work->survey;
    struct ntk_header_texts texts;
    unsigned char *preface = NULL;
    enum ntk_status status = open_archive(shift, error);
    if (status)
        return status;
    const struct ntk_interval_header header =
        ntk_query_header(&shift->query, work->arguments, &texts);
    status =
        ntk_interval_layout_create(shift->query.archive, &header, &survey->layout, &preface, error);
    if (!status)
        status = prepare_output(shift, preface, error);
    free(preface);
    if (status)
        return status;
    survey->stored_samples = shift->query.archive->chunk_samples;
    survey->read_bytes = bytes_read(shift->query.archive, &survey->layout);
    status = choose_block(shift, survey, error);
    return status ? status : create_buffers(shift, error);
}

/* ---- orders --------------------------------------------------------------------------------- */

static int report(const struct shift *shift, const struct ntk_rescore_report *report)
{
    ssize_t put;
    do
        put = write(shift->work->channel, report, sizeof *report);
    while (put < 0 && errno == EINTR);
    return put == (ssize_t)sizeof *report;
}

static int take_order(const struct shift *shift, struct ntk_rescore_order *order)
{
    ssize_t got;
    do
        got = read(shift->work->channel, order, sizeof *order);
    while (got < 0 && errno == EINTR);
    return got == (ssize_t)sizeof *order && order->kind != NTK_ORDER_END;
}

static enum ntk_status do_order(struct shift *shift, const struct ntk_rescore_order *order,
                                struct ntk_rescore_report *done)
{
    memset(shift->seconds, 0, sizeof shift->seconds);
    shift->since = ntk_rescore_now();
    if (order->kind == NTK_ORDER_FLUSH) {
        if (fsync(shift->output))
            return ntk_fail(&done->error, NTK_CANNOT_CREATE, "cannot flush %s: %s",
                            shift->work->output, strerror(errno));
        spend(shift, WRITING);
    } else {
        shift->writes = order->kind == NTK_ORDER_CHUNK;
        assert(order->first + order->count <= shift->layout->n_samples);
        enum ntk_status status = do_chunk(shift, order->first, order->count, &done->error);
        if (status)
            return status;
    }
    done->order = *order;
    done->reading = shift->seconds[READING];
    done->computing = shift->seconds[COMPUTING];
    done->writing = shift->seconds[WRITING];
    return NTK_OK;
}

int ntk_rescore_work(void *argument)
{
    const struct ntk_rescore_work *work = argument;
    struct shift shift = {.work = work,
                          .output = -1,
                          .lanes = ntk_processor_lanes(),
                          .layout = &work->survey->layout};
    struct ntk_rescore_report told = {.kind = NTK_REPORT_READY};
    struct ntk_rescore_order order;
    /* Not freed: the process ends with its work, and the calibration is the parent's. */
    shift.query.calibration = (struct ntk_calibration *)work->calibration;
    memcpy(shift.query.sha256, work->sha256, sizeof shift.query.sha256);
    told.status = begin(&shift, &told.error);
    while (!told.status && report(&shift, &told) && take_order(&shift, &order)) {
        told = (struct ntk_rescore_report){.kind = NTK_REPORT_DONE};
        told.status = do_order(&shift, &order, &told);
    }
    told.kind = NTK_REPORT_FAILED;
    return told.status && !report(&shift, &told) ? EX_OSERR : EX_OK;
}
