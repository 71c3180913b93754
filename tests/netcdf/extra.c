#include "tests/netcdf/extra.h"
#include "tests/support/netcdf.h"

#include <check.h>
#include <string.h>

/* Multiples of 1/4 within +-8191: a short packed with 1/4 holds them. */
double extra_value(enum extra_role role, double hour, double lead_hours, size_t index)
{
    return (role == EXTRA_MAP ? 100 : -100) + hour / 24 + lead_hours / 96 + 8 * (double)index;
}

static void define_names(int ncid, int dimension, const struct extra *extra)
{
    int ids[2] = {dimension}, id, is_text = extra->name_length > 0;
    if (is_text)
        ntk_test_nc_must(nc_def_dim(ncid, "length", extra->name_length, &ids[1]));
    ntk_test_nc_must(
        nc_def_var(ncid, "covariate", is_text ? NC_CHAR : NC_STRING, 1 + is_text, ids, &id));
}

static void put_names(int ncid, const struct extra *extra)
{
    int id;
    ntk_test_nc_must(nc_inq_varid(ncid, "covariate", &id));
    for (size_t i = 0; i < extra->columns; i++) {
        const char *text = extra->names[i];
        if (extra->name_length)
            ntk_test_nc_must(nc_put_vara_text(ncid, id, (const size_t[]){i, 0},
                                              (const size_t[]){1, strlen(text)}, text));
        else
            ntk_test_nc_must(nc_put_var1_string(ncid, id, &i, &text));
    }
}

static int define(int ncid, const struct make *make, const struct extra *extra)
{
    int ids[5], rank = 0, id;
    int is_map = extra->role == EXTRA_MAP;
    const char *name = is_map ? "features_map" : "covariates";
    ntk_test_nc_must(nc_inq_dimid(ncid, "sample", &ids[rank++]));
    if (make->n_lead && !extra->without_lead)
        ntk_test_nc_must(nc_inq_dimid(ncid, "lead", &ids[rank++]));
    if (nc_inq_dimid(ncid, is_map ? "channel" : "covariate", &ids[rank]) != NC_NOERR)
        ntk_test_nc_must(
            nc_def_dim(ncid, is_map ? "channel" : "covariate", extra->columns, &ids[rank]));
    rank++;
    if (extra->names)
        define_names(ncid, ids[rank - 1], extra);
    if (is_map) {
        ntk_test_nc_must(nc_inq_dimid(ncid, "latitude", &ids[rank++]));
        ntk_test_nc_must(nc_inq_dimid(ncid, "longitude", &ids[rank++]));
    }
    ntk_test_nc_must(nc_def_var(ncid, name, extra->type ? extra->type : NC_FLOAT, rank, ids, &id));
    ntk_test_nc_must(nc_put_att_text(ncid, id, "units", 1, "1"));
    if (extra->scale != 0) {
        ntk_test_nc_must(nc_put_att_double(ncid, id, "scale_factor", NC_DOUBLE, 1, &extra->scale));
        ntk_test_nc_must(nc_put_att_double(ncid, id, "add_offset", NC_DOUBLE, 1, &extra->offset));
    }
    if (extra->chunk)
        ntk_test_nc_must(nc_def_var_chunking(ncid, id, NC_CHUNKED, extra->chunk));
    if (extra->deflate)
        ntk_test_nc_must(nc_def_var_deflate(ncid, id, 1, 1, extra->deflate));
    return id;
}

static void put_row(int ncid, int id, const struct make *make, const struct extra *extra,
                    size_t sample, size_t lead)
{
    double hour = make->first_hour + make->step_hours * (double)sample;
    double hours = make->n_lead ? 24 * (1 + (double)lead) : 24 * (1 + (double)(sample % 2));
    size_t points = extra->role == EXTRA_MAP ? 6 : 1;
    for (size_t i = 0; i < extra->columns * points; i++) {
        size_t index[5] = {sample}, rank = 1;
        if (make->n_lead && !extra->without_lead)
            index[rank++] = lead;
        index[rank++] = i / points;
        index[rank++] = i % points / 3;
        index[rank] = i % 3;
        double value = extra_value(extra->role, hour, hours, i);
        if (extra->scale != 0)
            value = (value - extra->offset) / extra->scale;
        ntk_test_nc_must(nc_put_var1_double(ncid, id, index, &value));
    }
}

void add_extra(const char *path, const struct make *make, const struct extra *extra)
{
    int ncid;
    ntk_test_nc_must(nc_open(path, NC_WRITE, &ncid));
    nc_redef(ncid); /* refused where it is not needed */
    int id = define(ncid, make, extra);
    ntk_test_nc_must(nc_enddef(ncid));
    size_t n_lead = make->n_lead && !extra->without_lead ? make->n_lead : 1;
    for (size_t sample = 0; sample < make->n_sample; sample++)
        for (size_t lead = 0; lead < n_lead; lead++)
            put_row(ncid, id, make, extra, sample, lead);
    if (extra->names)
        put_names(ncid, extra);
    ntk_test_nc_must(nc_close(ncid));
}
