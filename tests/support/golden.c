#include "tests/support/golden.h"

#include <check.h>
#include <glob.h>
#include <netcdf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/support.h"

static int open_file(const char *path)
{
    int file;
    ck_assert_msg(nc_open(path, NC_NOWRITE, &file) == NC_NOERR, "cannot open %s", path);
    return file;
}

double *ntk_test_read_doubles(const char *path, const char *variable, size_t *count)
{
    int file = open_file(path), id, dimensions, ids[NC_MAX_VAR_DIMS];
    size_t n = 1;
    ck_assert_msg(nc_inq_varid(file, variable, &id) == NC_NOERR, "%s has no %s", path, variable);
    ck_assert_int_eq(nc_inq_varndims(file, id, &dimensions), NC_NOERR);
    ck_assert_int_eq(nc_inq_vardimid(file, id, ids), NC_NOERR);
    for (int i = 0; i < dimensions; i++) {
        size_t length;
        ck_assert_int_eq(nc_inq_dimlen(file, ids[i], &length), NC_NOERR);
        n *= length;
    }
    double *values = malloc((n + 1) * sizeof *values);
    ck_assert_int_eq(nc_get_var_double(file, id, values), NC_NOERR);
    nc_close(file);
    *count = n;
    return values;
}

size_t ntk_test_read_dimension(const char *path, const char *dimension)
{
    int file = open_file(path), id;
    size_t length;
    ck_assert_msg(nc_inq_dimid(file, dimension, &id) == NC_NOERR, "%s has no %s", path, dimension);
    ck_assert_int_eq(nc_inq_dimlen(file, id, &length), NC_NOERR);
    nc_close(file);
    return length;
}

char *ntk_test_read_text(const char *path, const char *attribute)
{
    int file = open_file(path);
    nc_type type;
    size_t length;
    char *text;
    ck_assert_int_eq(nc_inq_att(file, NC_GLOBAL, attribute, &type, &length), NC_NOERR);
    if (type == NC_STRING) {
        char *string;
        ck_assert_int_eq(nc_get_att_string(file, NC_GLOBAL, attribute, &string), NC_NOERR);
        text = strdup(string);
        nc_free_string(1, &string);
    } else {
        text = calloc(length + 1, 1);
        ck_assert_int_eq(nc_get_att_text(file, NC_GLOBAL, attribute, text), NC_NOERR);
    }
    nc_close(file);
    return text;
}

char **ntk_test_list(const char *folder, const char *ending)
{
    char pattern[512];
    glob_t found;
    const char *root = ntk_test_shared(folder);
    if (!root)
        return NULL;
    snprintf(pattern, sizeof pattern, "%.400s/*%.40s", root, ending);
    ck_assert_int_eq(glob(pattern, 0, NULL, &found), 0);
    char **paths = calloc(found.gl_pathc + 1, sizeof *paths);
    for (size_t i = 0; i < found.gl_pathc; i++)
        paths[i] = strdup(found.gl_pathv[i]);
    globfree(&found);
    return paths;
}

void ntk_test_free_paths(char **paths)
{
    for (char **path = paths; path && *path; path++)
        free(*path);
    free(paths);
}
