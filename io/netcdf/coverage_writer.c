#include "io/netcdf/coverage_writer.h"

#include <math.h>
#include <netcdf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What an axis is called and what is said of it. A dimension of values that differ among members is
 * called `index`: a variable of two dimensions must not have the name of one. */
static const struct {
    const char *name, *index, *units, *standard_name, *long_name, *axis;
} kinds[NTK_COVJSON_AXES] = {
    [NTK_COVJSON_T] = {"time", "time_index", "seconds since 1970-01-01 00:00:00", "time", NULL,
                       "T"},
    [NTK_COVJSON_QUANTILE] = {"quantile", "quantile_index", "1", NULL,
                              "probability of a value below it", NULL},
    [NTK_COVJSON_Y] = {"latitude", "latitude_index", "degrees_north", "latitude", NULL, "Y"},
    [NTK_COVJSON_X] = {"longitude", "longitude_index", "degrees_east", "longitude", NULL, "X"},
};

/* While a file is made, the first failure and what it was about; what follows it is skipped. */
struct making {
    const struct ntk_covjson *coverage;
    int ncid, code;
    char failed[NTK_NAME_SIZE];
    int member;                       /* dimension; -1: a single coverage */
    int dimensions[NTK_COVJSON_AXES]; /* -1: none */
    int axes[NTK_COVJSON_AXES];       /* variables; -1: none */
    int *parameters;                  /* variables */
};

static void keep_code(struct making *m, int code, const char *what)
{
    if (m->code != NC_NOERR || code == NC_NOERR)
        return;
    m->code = code;
    snprintf(m->failed, sizeof m->failed, "%s", what);
}

static int define_dimension(struct making *m, const char *name, size_t length)
{
    int id = -1;
    if (m->code == NC_NOERR)
        keep_code(m, nc_def_dim(m->ncid, name, length, &id), name);
    return id;
}

static int define_variable(struct making *m, const char *name, int rank, const int *dimensions)
{
    int id = -1;
    if (m->code == NC_NOERR)
        keep_code(m, nc_def_var(m->ncid, name, NC_DOUBLE, rank, dimensions, &id), name);
    return id;
}

static void put_text(struct making *m, int id, const char *name, const char *text)
{
    if (m->code == NC_NOERR && text && *text)
        keep_code(m, nc_put_att_text(m->ncid, id, name, strlen(text), text), name);
}

/* ---- definitions ---------------------------------------------------------------------------- */

static const char *member_name(const struct ntk_covjson *coverage)
{
    return coverage->is_points ? "point" : "field";
}

static void define_dimensions(struct making *m)
{
    m->member = -1;
    if (m->coverage->is_collection)
        m->member = define_dimension(m, member_name(m->coverage), m->coverage->n_members);
    for (int a = 0; a < NTK_COVJSON_AXES; a++) {
        const struct ntk_covjson_axis *axis = &m->coverage->axes[a];
        m->dimensions[a] = -1;
        if (axis->is_dimension)
            m->dimensions[a] =
                define_dimension(m, axis->shared ? kinds[a].name : kinds[a].index, axis->n);
    }
}

static void define_axes(struct making *m)
{
    for (int a = 0; a < NTK_COVJSON_AXES; a++) {
        const struct ntk_covjson_axis *axis = &m->coverage->axes[a];
        int dimensions[2], rank = 0;
        m->axes[a] = -1;
        if (axis->n == 0)
            continue;
        if (!axis->shared && m->member >= 0)
            dimensions[rank++] = m->member;
        if (axis->is_dimension)
            dimensions[rank++] = m->dimensions[a];
        int id = m->axes[a] = define_variable(m, kinds[a].name, rank, dimensions);
        put_text(m, id, "units", kinds[a].units);
        put_text(m, id, "standard_name", kinds[a].standard_name);
        put_text(m, id, "long_name", kinds[a].long_name);
        if (a == NTK_COVJSON_T)
            put_text(m, id, "calendar", "standard");
        if (axis->shared && axis->is_dimension)
            put_text(m, id, "axis", kinds[a].axis);
    }
}

/* Names of what is not found by the name of a dimension. */
static void put_coordinates(struct making *m, int id)
{
    char text[128] = "";
    for (int a = 0; a < NTK_COVJSON_AXES; a++) {
        const struct ntk_covjson_axis *axis = &m->coverage->axes[a];
        if (axis->n == 0 || (axis->is_dimension && axis->shared))
            continue;
        strcat(text, *text ? " " : "");
        strcat(text, kinds[a].name);
    }
    put_text(m, id, "coordinates", text);
}

static void define_parameters(struct making *m)
{
    const double fill = NC_FILL_DOUBLE;
    for (size_t p = 0; p < m->coverage->n_parameters; p++) {
        const struct ntk_covjson_parameter *parameter = &m->coverage->parameters[p];
        int dimensions[1 + NTK_COVJSON_AXES], rank = 0;
        if (m->member >= 0)
            dimensions[rank++] = m->member;
        for (int i = 0; i < parameter->rank; i++)
            dimensions[rank++] = m->dimensions[parameter->axes[i]];
        int id = m->parameters[p] = define_variable(m, parameter->name, rank, dimensions);
        if (m->code == NC_NOERR)
            keep_code(m, nc_put_att_double(m->ncid, id, "_FillValue", NC_DOUBLE, 1, &fill),
                      "_FillValue");
        put_text(m, id, "units", parameter->units);
        put_text(m, id, "standard_name", parameter->standard_name);
        put_text(m, id, "long_name", parameter->long_name);
        put_coordinates(m, id);
    }
}

/* ---- values --------------------------------------------------------------------------------- */

static void put_axes(struct making *m)
{
    for (int a = 0; a < NTK_COVJSON_AXES && m->code == NC_NOERR; a++) {
        if (m->axes[a] >= 0)
            keep_code(m, nc_put_var_double(m->ncid, m->axes[a], m->coverage->axes[a].values),
                      kinds[a].name);
    }
}

/* `work` has room for the values of all members. */
static void put_parameters(struct making *m, double *work)
{
    size_t n = m->coverage->n_members * m->coverage->n_values;
    for (size_t p = 0; p < m->coverage->n_parameters && m->code == NC_NOERR; p++) {
        const struct ntk_covjson_parameter *parameter = &m->coverage->parameters[p];
        for (size_t i = 0; i < n; i++)
            work[i] = isnan(parameter->values[i]) ? NC_FILL_DOUBLE : parameter->values[i];
        keep_code(m, nc_put_var_double(m->ncid, m->parameters[p], work), parameter->name);
    }
}

static void make(struct making *m, const char *program, double *work)
{
    define_dimensions(m);
    define_axes(m);
    define_parameters(m);
    put_text(m, NC_GLOBAL, "Conventions", "CF-1.11");
    put_text(m, NC_GLOBAL, "source", program);
    if (m->code == NC_NOERR)
        keep_code(m, nc_enddef(m->ncid), "the header");
    put_axes(m);
    put_parameters(m, work);
}

/* A parameter must not be taken for a coordinate, nor a dimension for its coordinate. */
static enum ntk_status check_names(const struct ntk_covjson *coverage, struct ntk_error *error)
{
    for (size_t p = 0; p < coverage->n_parameters; p++) {
        const char *name = coverage->parameters[p].name;
        int taken = coverage->is_collection && !strcmp(name, member_name(coverage));
        for (int a = 0; a < NTK_COVJSON_AXES; a++)
            taken = taken || !strcmp(name, kinds[a].name) || !strcmp(name, kinds[a].index);
        if (taken)
            return ntk_fail(error, NTK_BAD_DATA,
                            "a parameter is called %s, another name was expected: it is that of an "
                            "axis",
                            name);
    }
    return NTK_OK;
}

enum ntk_status ntk_coverage_write(const char *path, const struct ntk_covjson *coverage,
                                   const char *program, struct ntk_error *error)
{
    struct making m = {.coverage = coverage, .ncid = -1};
    double *work = NULL;
    enum ntk_status status = check_names(coverage, error);
    if (status)
        return status;
    m.parameters = calloc(coverage->n_parameters, sizeof *m.parameters);
    work = ntk_matrix_create(coverage->n_members, coverage->n_values);
    if (!m.parameters || !work) {
        status = ntk_fail_memory(error, "a coverage",
                                 coverage->n_members * coverage->n_values * sizeof *work);
        goto done;
    }
    keep_code(&m, nc_create(path, NC_NETCDF4 | NC_CLOBBER, &m.ncid), path);
    int created = m.code == NC_NOERR;
    if (created) {
        make(&m, program, work);
        keep_code(&m, nc_close(m.ncid), "the end of the file");
    }
    if (m.code != NC_NOERR)
        status = ntk_fail(error, NTK_CANNOT_CREATE, "the coverage cannot be written: %s: %s",
                          m.failed, nc_strerror(m.code));
done:
    free(work);
    free(m.parameters);
    return status;
}
