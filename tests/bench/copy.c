/* What rescoring an archive costs at the least: the NetCDF library alone reads the same variables
 * and writes the same ones, and nothing is computed.
 *
 *   bench_copy ARCHIVE OUT
 *
 * Read: features, and each variable v that has a v_truth, both float32 with `sample` first.
 * Written: v, v_std, v_lower and v_upper (with one coverage first) float32 and v_flag bytes, CDF-5
 * without fill values. A stretch of samples at a time, synced to the disk at the end.
 */
#include <fcntl.h>
#include <netcdf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STRETCH = 16 << 20, MOST = 16, DIMENSIONS = 8 };

struct field {
    int forecast, truth, written, std, limits[2], flag;
    size_t points;
};

struct copy {
    int in, out, features, sample, coverage;
    size_t samples, columns, rows; /* rows: of a stretch */
    size_t n_fields;
    struct field fields[MOST];
    float *values;
    signed char *flags;
};

static void must(int status)
{
    if (!status)
        return;
    fprintf(stderr, "bench_copy: %s\n", nc_strerror(status));
    exit(1);
}

/* The values of one sample: the product of the lengths but the first. `lengths` may be NULL. */
static size_t shape_of(int file, int variable, int *n_dimensions, size_t *lengths)
{
    int dimensions[DIMENSIONS];
    size_t points = 1;
    must(nc_inq_varndims(file, variable, n_dimensions));
    must(nc_inq_vardimid(file, variable, dimensions));
    for (int i = 0; i < *n_dimensions; i++) {
        size_t length;
        must(nc_inq_dimlen(file, dimensions[i], &length));
        points *= i ? length : 1;
        if (lengths)
            lengths[i] = length;
    }
    return points;
}

/* ---- definitions ---------------------------------------------------------------------------- */

static int define(struct copy *copy, const char *name, const char *suffix, nc_type type, int rank,
                  const int *dimensions)
{
    char full[NC_MAX_NAME + 1];
    int made;
    snprintf(full, sizeof full, "%s%s", name, suffix);
    must(nc_def_var(copy->out, full, type, rank, dimensions, &made));
    return made;
}

/* coverage, sample, then the field's own dimensions. */
static void define_dimensions(struct copy *copy, const char *name, int rank, const size_t *lengths,
                              int *dimensions)
{
    dimensions[0] = copy->coverage;
    dimensions[1] = copy->sample;
    for (int i = 1; i < rank; i++) {
        char full[NC_MAX_NAME + 1];
        snprintf(full, sizeof full, "%s_%d", name, i);
        must(nc_def_dim(copy->out, full, lengths[i], &dimensions[i + 1]));
    }
}

static void define_field(struct copy *copy, int forecast, int truth, const char *name)
{
    int rank, dimensions[DIMENSIONS + 1];
    size_t lengths[DIMENSIONS];
    struct field *field = &copy->fields[copy->n_fields++];
    *field = (struct field){.forecast = forecast, .truth = truth};
    field->points = shape_of(copy->in, forecast, &rank, lengths);
    define_dimensions(copy, name, rank, lengths, dimensions);
    field->written = define(copy, name, "", NC_FLOAT, rank, dimensions + 1);
    field->std = define(copy, name, "_std", NC_FLOAT, rank, dimensions + 1);
    field->limits[0] = define(copy, name, "_lower", NC_FLOAT, rank + 1, dimensions);
    field->limits[1] = define(copy, name, "_upper", NC_FLOAT, rank + 1, dimensions);
    field->flag = define(copy, name, "_flag", NC_BYTE, rank, dimensions + 1);
}

static void open_files(struct copy *copy, const char *archive, const char *out)
{
    int n_variables, sample, rank, dimensions[DIMENSIONS], mode;
    must(nc_open(archive, NC_NOWRITE, &copy->in));
    must(nc_inq_varid(copy->in, "features", &copy->features));
    must(nc_inq_vardimid(copy->in, copy->features, dimensions));
    sample = dimensions[0];
    must(nc_inq_dimlen(copy->in, sample, &copy->samples));
    copy->columns = shape_of(copy->in, copy->features, &rank, NULL);
    must(nc_create(out, NC_CLOBBER | NC_64BIT_DATA, &copy->out));
    must(nc_set_fill(copy->out, NC_NOFILL, &mode));
    must(nc_def_dim(copy->out, "coverage", 1, &copy->coverage));
    must(nc_def_dim(copy->out, "sample", copy->samples, &copy->sample));
    must(nc_inq_nvars(copy->in, &n_variables));
    for (int i = 0, truth; i < n_variables && copy->n_fields < MOST; i++) {
        char name[NC_MAX_NAME + 1], full[NC_MAX_NAME + 8];
        must(nc_inq_varname(copy->in, i, name));
        snprintf(full, sizeof full, "%s_truth", name);
        if (!nc_inq_varid(copy->in, full, &truth))
            define_field(copy, i, truth, name);
    }
    must(nc_enddef(copy->out));
}

/* ---- data ----------------------------------------------------------------------------------- */

static void copy_field(struct copy *copy, const struct field *field, size_t first, size_t count)
{
    int rank;
    size_t lengths[DIMENSIONS], start[DIMENSIONS + 1] = {0}, size[DIMENSIONS + 1] = {1};
    shape_of(copy->in, field->forecast, &rank, lengths);
    memcpy(size + 1, lengths, (size_t)rank * sizeof *lengths);
    start[1] = first;
    size[1] = count;
    must(nc_get_vara_float(copy->in, field->truth, start + 1, size + 1, copy->values));
    must(nc_get_vara_float(copy->in, field->forecast, start + 1, size + 1, copy->values));
    must(nc_put_vara_float(copy->out, field->written, start + 1, size + 1, copy->values));
    must(nc_put_vara_float(copy->out, field->std, start + 1, size + 1, copy->values));
    must(nc_put_vara_float(copy->out, field->limits[0], start, size, copy->values));
    must(nc_put_vara_float(copy->out, field->limits[1], start, size, copy->values));
    must(nc_put_vara_schar(copy->out, field->flag, start + 1, size + 1, copy->flags));
}

static void copy_rows(struct copy *copy, size_t first, size_t count)
{
    int rank;
    size_t start[DIMENSIONS] = {first}, size[DIMENSIONS];
    shape_of(copy->in, copy->features, &rank, size);
    size[0] = count;
    must(nc_get_vara_float(copy->in, copy->features, start, size, copy->values));
    for (size_t i = 0; i < copy->n_fields; i++)
        copy_field(copy, &copy->fields[i], first, count);
}

/* So that the widest variable's stretch has some 16 MiB. */
static void make_buffers(struct copy *copy)
{
    size_t widest = copy->columns;
    for (size_t i = 0; i < copy->n_fields; i++)
        widest = copy->fields[i].points > widest ? copy->fields[i].points : widest;
    copy->rows = STRETCH / (widest * sizeof *copy->values) + 1;
    copy->values = calloc(copy->rows * widest, sizeof *copy->values);
    copy->flags = calloc(copy->rows * widest, 1);
    if (!copy->values || !copy->flags)
        must(NC_ENOMEM);
}

int main(int argc, char **argv)
{
    struct copy copy = {0};
    if (argc != 3) {
        fprintf(stderr, "usage: bench_copy ARCHIVE OUT\n");
        return 64;
    }
    open_files(&copy, argv[1], argv[2]);
    make_buffers(&copy);
    for (size_t first = 0; first < copy.samples; first += copy.rows) {
        size_t left = copy.samples - first;
        copy_rows(&copy, first, left < copy.rows ? left : copy.rows);
    }
    must(nc_close(copy.in));
    must(nc_close(copy.out));
    int file = open(argv[2], O_RDONLY);
    if (file < 0 || fsync(file) || close(file)) {
        perror("bench_copy");
        return 1;
    }
    free(copy.values), free(copy.flags);
    return 0;
}
