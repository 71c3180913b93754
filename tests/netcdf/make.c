#include "tests/netcdf/make.h"
#include "tests/support/netcdf.h"

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/ntk_netcdf_XXXXXX";

/* ---- the folder
 * ---------------------------------------------------------------------------------- */

void make_folder(void)
{
    strcpy(folder, "/tmp/ntk_netcdf_XXXXXX");
    if (!mkdtemp(folder))
        abort();
}

void remove_folder(void)
{
    DIR *list = opendir(folder);
    for (struct dirent *entry; list && (entry = readdir(list));) {
        if (entry->d_name[0] == '.')
            continue;
        unlinkat(dirfd(list), entry->d_name, 0);
        unlinkat(dirfd(list), entry->d_name, AT_REMOVEDIR);
    }
    if (list)
        closedir(list);
    rmdir(folder);
}

const char *make_path(const char *name)
{
    static char paths[8][PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, PATH_MAX, "%s/%s", folder, name);
    return path;
}

/* ---- making
 * -------------------------------------------------------------------------------------- */

struct make make_usual(void)
{
    return (struct make){.mode = NC_NETCDF4,
                         .roles = MAKE_ALL,
                         .n_sample = 5,
                         .d = 3,
                         .n_lead = 2,
                         .place = NTK_PLACE_GRID,
                         .first_hour = 0,
                         .step_hours = 24};
}

double make_value(enum make_role role, double hour, double lead_hours, size_t index)
{
    double offset = role == MAKE_TRUTH ? 0.5 : role == MAKE_FEATURES ? -1000 : 0;
    return offset + 4 * hour + lead_hours + 0.0625 * (double)index;
}

int make_split(size_t sample)
{
    return (int)(sample % 4) - 1;
}

int make_event(size_t sample, size_t lead)
{
    return (sample + lead) % 3 == 0;
}

struct making {
    const struct make *make;
    int ncid, sample, lead, feature, latitude, longitude, station;
};

static double lead_of(const struct make *make, size_t sample, size_t lead)
{
    return make->n_lead ? 24 * (1 + (double)lead) : 24 * (1 + (double)(sample % 2));
}

static void define_dimensions(struct making *m)
{
    size_t length = m->make->unlimited ? NC_UNLIMITED : m->make->n_sample;
    ntk_test_nc_must(nc_def_dim(m->ncid, "sample", length, &m->sample));
    ntk_test_nc_must(nc_def_dim(m->ncid, "feature", m->make->d, &m->feature));
    if (m->make->n_lead)
        ntk_test_nc_must(nc_def_dim(m->ncid, "lead", m->make->n_lead, &m->lead));
    if (m->make->place == NTK_PLACE_GRID) {
        ntk_test_nc_must(nc_def_dim(m->ncid, "latitude", 2, &m->latitude));
        ntk_test_nc_must(nc_def_dim(m->ncid, "longitude", 3, &m->longitude));
    } else if (m->make->place == NTK_PLACE_STATION) {
        ntk_test_nc_must(nc_def_dim(m->ncid, "station", 4, &m->station));
    }
}

static int define(struct making *m, const char *name, nc_type type, int rank, const int *dimensions,
                  const char *units, const char *standard_name)
{
    int id;
    ntk_test_nc_must(nc_def_var(m->ncid, name, type, rank, dimensions, &id));
    if (units)
        ntk_test_nc_must(nc_put_att_text(m->ncid, id, "units", strlen(units), units));
    if (standard_name)
        ntk_test_nc_must(
            nc_put_att_text(m->ncid, id, "standard_name", strlen(standard_name), standard_name));
    return id;
}

static int sample_dimensions(const struct making *m, int *dimensions)
{
    int rank = 0;
    dimensions[rank++] = m->sample;
    if (m->make->n_lead)
        dimensions[rank++] = m->lead;
    return rank;
}

static void define_field(struct making *m, const char *name)
{
    int dimensions[4], rank = sample_dimensions(m, dimensions);
    if (m->make->place == NTK_PLACE_GRID) {
        dimensions[rank++] = m->latitude;
        dimensions[rank++] = m->longitude;
    } else if (m->make->place == NTK_PLACE_STATION) {
        dimensions[rank++] = m->station;
    }
    define(m, name, NC_FLOAT, rank, dimensions, "K", "air_temperature");
}

static void define_variables(struct making *m)
{
    unsigned roles = m->make->roles;
    int dimensions[4], rank = sample_dimensions(m, dimensions);
    define(m, "forecast_reference_time", NC_INT, 1, &m->sample, "hours since 2016-01-01 00:00:00",
           "forecast_reference_time");
    define(m, "forecast_period", NC_FLOAT, 1, m->make->n_lead ? &m->lead : &m->sample, "hours",
           "forecast_period");
    if (m->make->place != NTK_PLACE_NONE) {
        int grid = m->make->place == NTK_PLACE_GRID;
        define(m, "latitude", NC_FLOAT, 1, grid ? &m->latitude : &m->station, "degrees_north",
               "latitude");
        define(m, "longitude", NC_FLOAT, 1, grid ? &m->longitude : &m->station, "degrees_east",
               "longitude");
    }
    if (roles & MAKE_EVENT)
        define(m, "event", NC_BYTE, rank, dimensions, NULL, NULL);
    if (roles & MAKE_SPLIT)
        define(m, "split", NC_BYTE, 1, &m->sample, NULL, NULL);
    if (roles & MAKE_FORECAST)
        define_field(m, "t2m");
    if (roles & MAKE_TRUTH)
        define_field(m, "t2m_truth");
    if (roles & MAKE_FEATURES) {
        dimensions[rank] = m->feature;
        int id = define(m, "features", NC_FLOAT, rank + 1, dimensions, "1", NULL);
        ntk_test_nc_must(nc_put_att_text(m->ncid, id, "ntkuq__model", 4, "toy1"));
        ntk_test_nc_must(nc_put_att_text(m->ncid, id, "ntkuq__layer", 4, "last"));
    }
}

static void put(struct making *m, const char *name, const size_t *index, double value)
{
    int id;
    ntk_test_nc_must(nc_inq_varid(m->ncid, name, &id));
    ntk_test_nc_must(nc_put_var1_double(m->ncid, id, index, &value));
}

static void put_row(struct making *m, enum make_role role, const char *name, size_t sample,
                    size_t lead, size_t count)
{
    const struct make *make = m->make;
    if (!(make->roles & role))
        return;
    for (size_t i = 0; i < count; i++) {
        size_t index[4] = {sample}, rank = 1;
        if (make->n_lead)
            index[rank++] = lead;
        if (role != MAKE_FEATURES && make->place == NTK_PLACE_GRID)
            index[rank++] = i / 3;
        index[rank] = role != MAKE_FEATURES && make->place == NTK_PLACE_GRID ? i % 3 : i;
        put(m, name, index,
            make_value(role, make->first_hour + make->step_hours * (double)sample,
                       lead_of(make, sample, lead), i));
    }
}

static size_t points_of(const struct make *make)
{
    return make->place == NTK_PLACE_GRID ? 6 : make->place == NTK_PLACE_STATION ? 4 : 1;
}

static void put_sample(struct making *m, size_t sample)
{
    const struct make *make = m->make;
    put(m, "forecast_reference_time", &sample,
        make->first_hour + make->step_hours * (double)sample);
    if (!make->n_lead)
        put(m, "forecast_period", &sample, lead_of(make, sample, 0));
    if (make->roles & MAKE_SPLIT)
        put(m, "split", &sample, make_split(sample));
    for (size_t lead = 0; lead < (make->n_lead ? make->n_lead : 1); lead++) {
        if (make->roles & MAKE_EVENT)
            put(m, "event", (const size_t[]){sample, lead}, make_event(sample, lead));
        put_row(m, MAKE_FEATURES, "features", sample, lead, make->d);
        put_row(m, MAKE_FORECAST, "t2m", sample, lead, points_of(make));
        put_row(m, MAKE_TRUTH, "t2m_truth", sample, lead, points_of(make));
    }
}

void make_archive(const char *path, const struct make *make)
{
    struct making m = {.make = make};
    ntk_test_nc_must(nc_create(path, NC_CLOBBER | make->mode, &m.ncid));
    define_dimensions(&m);
    define_variables(&m);
    ntk_test_nc_must(nc_enddef(m.ncid));
    for (size_t i = 0; i < make->n_lead; i++)
        put(&m, "forecast_period", &i, lead_of(make, 0, i));
    size_t n_latitude = make->place == NTK_PLACE_GRID      ? 2
                        : make->place == NTK_PLACE_STATION ? 4
                                                           : 0;
    size_t n_longitude = make->place == NTK_PLACE_GRID ? 3 : n_latitude;
    for (size_t i = 0; i < n_latitude; i++)
        put(&m, "latitude", &i, 60 - 2.5 * (double)i);
    for (size_t i = 0; i < n_longitude; i++)
        put(&m, "longitude", &i, 10 + 2.5 * (double)i);
    for (size_t i = 0; i < make->n_sample; i++)
        put_sample(&m, i);
    ntk_test_nc_must(nc_close(m.ncid));
}

/* ---- editing
 * ------------------------------------------------------------------------------------- */

static int open_to_edit(const char *path, const char *variable, int *id)
{
    int ncid;
    ntk_test_nc_must(nc_open(path, NC_WRITE, &ncid));
    ntk_test_nc_must(nc_inq_varid(ncid, variable, id));
    nc_redef(ncid); /* refused where it is not needed */
    return ncid;
}

void edit_text(const char *path, const char *variable, const char *attribute, const char *text)
{
    int id, ncid = open_to_edit(path, variable, &id);
    ntk_test_nc_must(nc_put_att_text(ncid, id, attribute, strlen(text), text));
    ntk_test_nc_must(nc_close(ncid));
}

void edit_number(const char *path, const char *variable, const char *attribute, double value)
{
    int id, ncid = open_to_edit(path, variable, &id);
    nc_type type;
    ntk_test_nc_must(nc_inq_vartype(ncid, id, &type));
    int is_fill = strcmp(attribute, "_FillValue") == 0;
    ntk_test_nc_must(nc_put_att_double(ncid, id, attribute, is_fill ? type : NC_DOUBLE, 1, &value));
    ntk_test_nc_must(nc_close(ncid));
}

void edit_delete(const char *path, const char *variable, const char *attribute)
{
    int id, ncid = open_to_edit(path, variable, &id);
    ntk_test_nc_must(nc_del_att(ncid, id, attribute));
    ntk_test_nc_must(nc_close(ncid));
}

void edit_rename(const char *path, const char *variable, const char *name)
{
    int id, ncid = open_to_edit(path, variable, &id);
    ntk_test_nc_must(nc_rename_var(ncid, id, name));
    ntk_test_nc_must(nc_close(ncid));
}

void edit_value(const char *path, const char *variable, const size_t *index, double value)
{
    int id, ncid;
    nc_type type;
    const float narrow = (float)value; /* libnetcdf would not convert an infinity */
    ntk_test_nc_must(nc_open(path, NC_WRITE, &ncid));
    ntk_test_nc_must(nc_inq_varid(ncid, variable, &id));
    ntk_test_nc_must(nc_inq_vartype(ncid, id, &type));
    if (type == NC_FLOAT)
        ntk_test_nc_must(nc_put_var1_float(ncid, id, index, &narrow));
    else
        ntk_test_nc_must(nc_put_var1_double(ncid, id, index, &value));
    ntk_test_nc_must(nc_close(ncid));
}

void add_variable(const char *path, const char *variable, const char *const *dimensions,
                  size_t rank)
{
    int ncid, id, ids[8];
    ntk_test_nc_must(nc_open(path, NC_WRITE, &ncid));
    for (size_t i = 0; i < rank; i++)
        ntk_test_nc_must(nc_inq_dimid(ncid, dimensions[i], &ids[i]));
    nc_redef(ncid);
    ntk_test_nc_must(nc_def_var(ncid, variable, NC_DOUBLE, (int)rank, ids, &id));
    ntk_test_nc_must(nc_close(ncid));
}

unsigned char *load_bytes(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    unsigned char *bytes = malloc(*size + 1);
    ck_assert_ptr_nonnull(bytes);
    ck_assert_uint_eq(fread(bytes, 1, *size, file), *size);
    fclose(file);
    return bytes;
}

void save_bytes(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
}

/* ---- expecting
 * ----------------------------------------------------------------------------------- */

struct ntk_archive *open_well(const char *const *paths, size_t n)
{
    struct ntk_error error = {""};
    struct ntk_archive *archive = NULL;
    enum ntk_status status = ntk_archive_open(paths, n, NULL, &archive, &error);
    ck_assert_msg(status == NTK_OK, "%s", error.text);
    return archive;
}

struct ntk_archive *open_one(const char *path)
{
    return open_well(&path, 1);
}

static int any_contains(char *const *texts, size_t n, const char *part)
{
    for (size_t i = 0; i < n; i++)
        if (strstr(texts[i], part))
            return 1;
    return 0;
}

void expect_problem(const char *const *paths, size_t n, const char *text)
{
    struct ntk_archive *archive = NULL, *refused = NULL;
    struct ntk_error error = {""};
    enum ntk_status status = ntk_archive_scan(paths, n, NULL, &archive, &error);
    ck_assert_msg(status == NTK_OK, "the scan failed: %s", error.text);
    ck_assert_msg(archive->n_problems > 0, "no problem was found, expected: %s", text);
    ck_assert_msg(any_contains(archive->problems, archive->n_problems, text),
                  "expected '%s', the first problem is '%s'", text, archive->problems[0]);
    ck_assert_int_eq(ntk_archive_open(paths, n, NULL, &refused, &error), NTK_BAD_DATA);
    ck_assert_ptr_null(refused);
    ck_assert_str_eq(error.text, archive->problems[0]);
    ntk_archive_free(archive);
}

void expect_problem_in(const char *path, const char *text)
{
    expect_problem(&path, 1, text);
}

void expect_note_in(const char *path, const char *text)
{
    struct ntk_archive *archive = open_one(path);
    ck_assert_msg(any_contains(archive->notes, archive->n_notes, text),
                  "expected '%s', the first of %zu notes is '%s'", text, archive->n_notes,
                  archive->n_notes ? archive->notes[0] : "");
    ntk_archive_free(archive);
}

void expect_failure(const char *path, enum ntk_status status, const char *text)
{
    struct ntk_archive *archive = NULL;
    struct ntk_error error = {""};
    enum ntk_status found = ntk_archive_scan(&path, 1, NULL, &archive, &error);
    ck_assert_msg(found == status && strstr(error.text, text) != NULL,
                  "expected status %d and '%s', got %d and '%s'", status, text, found, error.text);
    ck_assert_ptr_null(archive);
}

static enum ntk_status read_extras(const struct ntk_archive *archive, size_t l,
                                   struct ntk_error *error)
{
    size_t n = archive->leads[l].n;
    double *covariates = ntk_matrix_create(n, archive->n_covariates);
    float *map = (float *)ntk_matrix_create(archive->map_points, archive->map_d);
    enum ntk_status status = NTK_OK;
    if (covariates && archive->n_covariates)
        status = ntk_archive_read_covariates(archive, l, 0, n, covariates, error);
    for (size_t row = 0; row < n && map && archive->map_points && !status; row++)
        status = ntk_archive_read_features_map(archive, l, row, 0, archive->map_points, map, error);
    free(covariates);
    free(map);
    return status;
}

static enum ntk_status read_all(const struct ntk_archive *archive, struct ntk_error *error)
{
    enum ntk_status status = NTK_OK;
    for (size_t l = 0; l < archive->n_leads && !status; l++) {
        size_t n = archive->leads[l].n;
        double *features = ntk_matrix_create(n, archive->d);
        if (features)
            status = ntk_archive_read_features(archive, l, 0, n, features, error);
        free(features);
        if (!status)
            status = read_extras(archive, l, error);
        for (size_t v = 0; v < archive->n_variables && !status; v++) {
            float *values = (float *)ntk_matrix_create(n, archive->variables[v].points);
            if (values)
                status = ntk_archive_read_variable(archive, l, v, 0, 0, n, values, error);
            free(values);
        }
    }
    return status;
}

static void scan_and_tell(const char *path, int out)
{
    struct ntk_archive *archive = NULL;
    struct outcome outcome = {.fate = FATE_READ};
    struct ntk_error error = {""};
    if (ntk_archive_scan(&path, 1, NULL, &archive, &error)) {
        outcome.fate = FATE_REFUSED;
        memcpy(outcome.text, error.text, sizeof outcome.text);
    } else if (archive->n_problems > 0) {
        outcome.fate = FATE_PROBLEM;
        snprintf(outcome.text, sizeof outcome.text, "%s", archive->problems[0]);
    } else if (read_all(archive, &error)) {
        outcome.fate = FATE_REFUSED;
        memcpy(outcome.text, error.text, sizeof outcome.text);
    }
    ntk_archive_free(archive);
    if (write(out, &outcome, sizeof outcome) != (ssize_t)sizeof outcome)
        _exit(1);
    _exit(0);
}

struct outcome read_in_child(const char *path)
{
    enum { SECONDS = 20 };
    struct outcome outcome = {.fate = FATE_CRASHED};
    int ends[2], status;
    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        int nowhere = open("/dev/null", O_WRONLY);
        dup2(nowhere, STDOUT_FILENO);
        dup2(nowhere, STDERR_FILENO);
        alarm(SECONDS);
        scan_and_tell(path, ends[1]);
    }
    close(ends[1]);
    struct outcome told;
    int is_whole = read(ends[0], &told, sizeof told) == (ssize_t)sizeof told;
    close(ends[0]);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        outcome.fate = FATE_HUNG;
    else if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && is_whole)
        outcome = told;
    return outcome;
}
