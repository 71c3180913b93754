#include "tests/support/netcdf.h"

#include <check.h>
#include <string.h>

void ntk_test_nc_must(int code)
{
    ck_assert_msg(code == NC_NOERR, "netcdf: %s", nc_strerror(code));
}

static void add_text(int file, int id, const char *name, const char *text)
{
    if (text)
        ntk_test_nc_must(nc_put_att_text(file, id, name, strlen(text), text));
}

void ntk_test_nc_add(int file, const char *name, nc_type type, int rank, const int *dimensions,
                     const char *units, const char *standard_name, const void *values)
{
    int id;
    ntk_test_nc_must(nc_def_var(file, name, type, rank, dimensions, &id));
    add_text(file, id, "units", units);
    add_text(file, id, "standard_name", standard_name);
    ntk_test_nc_must(nc_put_var(file, id, values));
}
