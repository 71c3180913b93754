#include "io/netcdf/interval_writer.h"

#include <math.h>
#include <netcdf.h>
#include <stdlib.h>
#include <string.h>

#include "core/interval.h"
#include "io/netcdf/interval_schema.h"

struct ntk_interval_writer {
    const struct ntk_archive *archive;
    struct ntk_interval_schema schema;
    int ncid; /* -1: not open */
};

static enum ntk_status written(int code, const char *name, struct ntk_error *error)
{
    if (code == NC_NOERR)
        return NTK_OK;
    return ntk_fail(error, NTK_CANNOT_CREATE, "%s cannot be written: %s", name, nc_strerror(code));
}

static enum ntk_status put_coordinate(void *user, int variable, const double *values, size_t n,
                                      struct ntk_error *error)
{
    const struct ntk_interval_writer *w = user;
    (void)n;
    return written(nc_put_var_double(w->ncid, variable, values), "a coordinate", error);
}

/* ---- creating and closing
 * ------------------------------------------------------------------------ */

static void free_writer(struct ntk_interval_writer *writer)
{
    if (writer->ncid >= 0)
        nc_close(writer->ncid);
    ntk_interval_schema_clear(&writer->schema);
    free(writer);
}

static enum ntk_status create_file(struct ntk_interval_writer *w, const char *path,
                                   const struct ntk_interval_header *header,
                                   struct ntk_error *error)
{
    if (strstr(path, "://"))
        return ntk_fail(error, NTK_USAGE, "%s is a URL; only files are written", path);
    int code = nc_create(path, NC_NETCDF4 | NC_CLOBBER, &w->ncid);
    if (code != NC_NOERR) {
        w->ncid = -1;
        return ntk_fail(error, NTK_CANNOT_CREATE, "%s cannot be created: %s", path,
                        nc_strerror(code));
    }
    enum ntk_status status = ntk_schema_define(w->schema.schema, w->ncid, error);
    return status ? status
                  : ntk_interval_schema_coordinates(&w->schema, header->levels, put_coordinate, w,
                                                    error);
}

enum ntk_status ntk_interval_writer_create(const char *path, const struct ntk_archive *archive,
                                           const struct ntk_interval_header *header,
                                           struct ntk_interval_writer **out,
                                           struct ntk_error *error)
{
    struct ntk_interval_writer *made = calloc(1, sizeof *made);
    enum ntk_status status = ntk_units_load(error);
    if (!made)
        return ntk_fail_memory(error, "a writer", sizeof *made);
    *made = (struct ntk_interval_writer){.archive = archive, .ncid = -1};
    if (!status)
        status = ntk_interval_schema_init(&made->schema, archive, header, 0, error);
    if (!status)
        status = create_file(made, path, header, error);
    if (!status)
        *out = made;
    else
        free_writer(made);
    return status;
}

enum ntk_status ntk_interval_writer_close(struct ntk_interval_writer *writer,
                                          struct ntk_error *error)
{
    int code = nc_close(writer->ncid);
    writer->ncid = -1;
    free_writer(writer);
    return written(code, "the end of the intervals", error);
}

/* ---- values
 * --------------------------------------------------------------------------------------- */

/* How many rows from `first` on are consecutive samples. */
static size_t run_length(const struct ntk_archive_lead *lead, size_t first, size_t count)
{
    size_t length = 1;
    while (length < count && lead->sample[first + length] == lead->sample[first] + length)
        length++;
    return length;
}

/* Where a run of samples of one lead goes in a variable: [coverage,] sample[, lead][, place]. */
struct slab {
    size_t start[5], count[5];
};

static struct slab make_slab(const struct ntk_interval_writer *w, enum ntk_place place, size_t lead,
                             size_t sample, size_t count)
{
    struct slab slab = {{sample}, {count}};
    int rank = 1;
    if (w->archive->lead_dimension) {
        slab.start[rank] = lead;
        slab.count[rank++] = 1;
    }
    if (place == NTK_PLACE_GRID) {
        slab.count[rank++] = w->archive->n_latitude;
        slab.count[rank++] = w->archive->n_longitude;
    } else if (place == NTK_PLACE_STATION) {
        slab.count[rank++] = w->archive->n_station;
    }
    return slab;
}

static struct slab below_level(const struct slab *slab, size_t level)
{
    struct slab below = {{level}, {1}};
    memcpy(below.start + 1, slab->start, 4 * sizeof *below.start);
    memcpy(below.count + 1, slab->count, 4 * sizeof *below.count);
    return below;
}

/* A value that is not a number becomes the fill value; work holds n. */
static int put_floats(const struct ntk_interval_writer *w, int id, const struct slab *slab,
                      const float *values, float *work, size_t n)
{
    for (size_t i = 0; i < n; i++)
        work[i] = isnan(values[i]) ? NC_FILL_FLOAT : values[i];
    return nc_put_vara_float(w->ncid, id, slab->start, slab->count, work);
}

enum ntk_status ntk_interval_writer_put_samples(struct ntk_interval_writer *writer, size_t lead,
                                                size_t first, size_t count,
                                                const struct ntk_variance *variance,
                                                const double *novelty, struct ntk_error *error)
{
    const struct ntk_archive_lead *rows = &writer->archive->leads[lead];
    double *work = ntk_matrix_create(count, 1);
    int code = NC_NOERR;
    if (!work)
        return ntk_fail_memory(error, "values of samples", count * sizeof *work);
    for (int which = 0; which < NTK_INTERVAL_SAMPLE_VALUES && code == NC_NOERR; which++) {
        for (size_t i = 0; i < count; i++) {
            double value = ntk_interval_sample_value(&variance[i], novelty[i], which);
            work[i] = isnan(value) ? NC_FILL_DOUBLE : value;
        }
        for (size_t done = 0; done < count && code == NC_NOERR;) {
            size_t run = run_length(rows, first + done, count - done);
            struct slab slab =
                make_slab(writer, NTK_PLACE_NONE, lead, rows->sample[first + done], run);
            code = nc_put_vara_double(writer->ncid, writer->schema.sample_variables[which],
                                      slab.start, slab.count, work + done);
            done += run;
        }
    }
    free(work);
    return written(code, "the variance of samples", error);
}

struct fields {
    const float *forecast, *std, *lower, *upper;
    const unsigned char *flag;
    size_t stride; /* values from one level to the next */
};

/* One run of consecutive samples, `offset` values into the fields. */
static int put_run(const struct ntk_interval_writer *w, const struct ntk_interval_outputs *outputs,
                   const struct fields *fields, const struct slab *slab, size_t offset, float *work,
                   size_t n)
{
    int code = put_floats(w, outputs->forecast, slab, fields->forecast + offset, work, n);
    if (code == NC_NOERR)
        code = put_floats(w, outputs->std, slab, fields->std + offset, work, n);
    if (code == NC_NOERR)
        code = nc_put_vara_uchar(w->ncid, outputs->flag, slab->start, slab->count,
                                 fields->flag + offset);
    for (size_t level = 0; level < w->schema.n_levels && code == NC_NOERR; level++) {
        struct slab below = below_level(slab, level);
        size_t at = level * fields->stride + offset;
        code = put_floats(w, outputs->lower, &below, fields->lower + at, work, n);
        if (code == NC_NOERR)
            code = put_floats(w, outputs->upper, &below, fields->upper + at, work, n);
    }
    return code;
}

enum ntk_status ntk_interval_writer_put_variable(struct ntk_interval_writer *writer, size_t lead,
                                                 size_t variable, size_t first, size_t count,
                                                 const float *forecast, const float *std,
                                                 const float *lower, const float *upper,
                                                 const unsigned char *flag, struct ntk_error *error)
{
    const struct ntk_archive_variable *v = &writer->archive->variables[variable];
    const struct ntk_archive_lead *rows = &writer->archive->leads[lead];
    const struct fields fields = {forecast, std, lower, upper, flag, count * v->points};
    float *work = malloc((fields.stride + 1) * sizeof *work);
    int code = NC_NOERR;
    if (!work)
        return ntk_fail_memory(error, "values of a field", fields.stride * sizeof *work);
    for (size_t done = 0; done < count && code == NC_NOERR;) {
        size_t run = run_length(rows, first + done, count - done);
        struct slab slab = make_slab(writer, v->place, lead, rows->sample[first + done], run);
        code = put_run(writer, &writer->schema.outputs[variable], &fields, &slab, done * v->points,
                       work, run * v->points);
        done += run;
    }
    free(work);
    return written(code, v->name, error);
}
