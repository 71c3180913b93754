/* What the work of this project needs runs inside. */
#include <cblas.h>
#include <fcntl.h>
#include <hdf5.h>
#include <jansson.h>
#include <lapacke.h>
#include <math.h>
#include <netcdf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/jail/room.h"
#include "tests/jail/suites.h"

static void expect_success(int (*work)(void *room), struct ntk_room *room, int sandbox)
{
    struct ntk_error error = {""};
    int code = -1;
    struct ntk_jail jail = ntk_room_jail(room, sandbox);
    jail.memory_bytes = (size_t)4 << 30;
    jail.output_bytes = 64 << 20;
    jail.cpu_seconds = 20;
    enum ntk_status status = ntk_jail_run(&jail, work, room, &code, &error);
    ck_assert_msg(!status && !code, "sandbox %d: status %d, code %d, \"%s\"", sandbox, status, code,
                  error.text);
}

static int copy_input(void *room)
{
    struct ntk_room *r = room;
    char text[64] = "";
    FILE *in = fopen(r->input, "r"), *out = fopen(r->output, "w");
    if (!in || !out || !fgets(text, sizeof text, in) || fputs(text, out) < 0)
        return 1;
    return fclose(in) || fclose(out);
}

START_TEST(the_input_is_read_and_the_output_written)
{
    for (int sandbox = 0; sandbox < 2; sandbox++) {
        struct ntk_room room;
        ntk_room_open(&room);
        expect_success(copy_input, &room, sandbox);
        ck_assert_str_eq(ntk_room_text(room.output), NTK_ROOM_INPUT);
        ntk_room_close(&room);
    }
}
END_TEST

static int say_inside(void *room)
{
    (void)room;
    return printf("inside") == 6 ? 0 : 1;
}

/* Standard output is a file here, and so buffered: nothing is lost and nothing comes twice. */
START_TEST(what_is_printed_arrives_once)
{
    struct ntk_room room;
    ntk_room_open(&room);
    fflush(stdout);
    int terminal = dup(STDOUT_FILENO), file = open(room.sibling, O_WRONLY | O_TRUNC);
    dup2(file, STDOUT_FILENO);
    printf("before ");
    expect_success(say_inside, &room, 1);
    printf(" after");
    fflush(stdout);
    dup2(terminal, STDOUT_FILENO);
    ck_assert_str_eq(ntk_room_text(room.sibling), "before inside after");
    ntk_room_close(&room);
}
END_TEST

/* A = I + ones / n has the eigenvalues 1 (n - 1 times) and 2; A A = I + 3 ones / n. */
static int solve(size_t n)
{
    double *a = malloc(3 * n * n * sizeof *a);
    if (!a)
        return 1;
    double *product = a + n * n, *values = a + 2 * n * n;
    for (size_t i = 0; i < n * n; i++)
        a[i] = (i % (n + 1) == 0) + 1.0 / (double)n;
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)n, (int)n, (int)n, 1, a, (int)n, a,
                (int)n, 0, product, (int)n);
    int wrong = fabs(product[1] - 3.0 / (double)n) > 1e-12;
    wrong |= LAPACKE_dsyevd(LAPACK_ROW_MAJOR, 'V', 'U', (int)n, a, (int)n, values) != 0;
    wrong |= fabs(values[0] - 1) > 1e-10 || fabs(values[n - 1] - 2) > 1e-10;
    free(a);
    return wrong;
}

static int solve_both(void *room)
{
    (void)room;
    return solve(128) || solve(600);
}

START_TEST(linear_algebra_runs_on_one_thread)
{
    struct ntk_room room;
    ntk_room_open(&room);
    ck_assert_int_eq(solve_both(NULL), 0);
    expect_success(solve_both, &room, 0);
    expect_success(solve_both, &room, 1);
    ck_assert_int_eq(solve_both(NULL), 0);
    ntk_room_close(&room);
}
END_TEST

static int parse_json(void *room)
{
    (void)room;
    json_t *value = json_loads("{\"levels\": [0.5]}", 0, NULL);
    char *text = value ? json_dumps(value, JSON_COMPACT) : NULL;
    int wrong = !text || strcmp(text, "{\"levels\":[0.5]}");
    free(text);
    json_decref(value);
    return wrong;
}

START_TEST(json_is_parsed_and_printed)
{
    struct ntk_room room;
    ntk_room_open(&room);
    expect_success(parse_json, &room, 1);
    ntk_room_close(&room);
}
END_TEST

enum { VALUES = 10000 };

static int create_netcdf(const char *path, int mode)
{
    static float values[VALUES];
    int file, dimension, variable, failed;
    for (int i = 0; i < VALUES; i++)
        values[i] = (float)i;
    if (nc_create(path, NC_CLOBBER | mode, &file))
        return 1;
    failed = nc_def_dim(file, "sample", VALUES, &dimension) ||
             nc_def_var(file, "features", NC_FLOAT, 1, &dimension, &variable) ||
             (mode == NC_NETCDF4 && nc_def_var_deflate(file, variable, 1, 1, 4)) ||
             nc_enddef(file) || nc_put_var_float(file, variable, values);
    return nc_close(file) || failed;
}

static int read_netcdf(const char *path)
{
    static float values[VALUES];
    int file, variable, wrong;
    if (nc_open(path, NC_NOWRITE, &file))
        return 1;
    wrong = nc_inq_varid(file, "features", &variable) || nc_get_var_float(file, variable, values) ||
            values[VALUES - 1] != VALUES - 1;
    return nc_close(file) || wrong;
}

static const int formats[] = {0, NC_64BIT_OFFSET, NC_64BIT_DATA, NC_NETCDF4,
                              NC_NETCDF4 | NC_CLASSIC_MODEL};

static int write_formats(void *room)
{
    struct ntk_room *r = room;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (create_netcdf(r->output, formats[i]) || read_netcdf(r->output))
            return (int)i + 1;
    return 0;
}

START_TEST(netcdf_of_all_formats_is_written_and_read_back)
{
    for (int sandbox = 0; sandbox < 2; sandbox++) {
        struct ntk_room room;
        ntk_room_open(&room);
        expect_success(write_formats, &room, sandbox);
        ck_assert_int_eq(read_netcdf(room.output), 0);
        ntk_room_close(&room);
    }
}
END_TEST

static int write_input_as_netcdf(void *room)
{
    struct ntk_room *r = room;
    int file;
    if (create_netcdf(r->input, NC_NETCDF4) != 1 || nc_open(r->input, NC_WRITE, &file) == NC_NOERR)
        return 2;
    return read_netcdf(r->input);
}

START_TEST(netcdf_input_is_read_but_never_written)
{
    struct ntk_room room;
    ntk_room_open(&room);
    ck_assert_int_eq(create_netcdf(room.input, NC_NETCDF4), 0);
    expect_success(write_input_as_netcdf, &room, 1);
    ck_assert_int_eq(read_netcdf(room.input), 0);
    ntk_room_close(&room);
}
END_TEST

/* A NetCDF-4 file whose variable `stolen` is stored in another file. */
static void make_external(const char *path, const char *target, hsize_t size)
{
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    hid_t space = H5Screate_simple(1, &size, NULL), how = H5Pcreate(H5P_DATASET_CREATE);
    ck_assert_int_ge(H5Pset_external(how, target, 0, size), 0);
    hid_t set = H5Dcreate2(file, "stolen", H5T_STD_I8LE, space, H5P_DEFAULT, how, H5P_DEFAULT);
    ck_assert(set >= 0 && H5Dclose(set) >= 0);
    ck_assert(H5Pclose(how) >= 0 && H5Sclose(space) >= 0 && H5Fclose(file) >= 0);
}

static int steal(void *room)
{
    struct ntk_room *r = room;
    char bytes[sizeof NTK_ROOM_SECRET] = "";
    int file, variable;
    if (nc_open(r->input, NC_NOWRITE, &file) || nc_inq_varid(file, "stolen", &variable))
        return NTK_OTHER_FAILURE;
    nc_get_var_schar(file, variable, (signed char *)bytes);
    return strcmp(bytes, NTK_ROOM_SECRET) ? NTK_REFUSED : NTK_ESCAPED;
}

/* The attack that the jail is for: HDF5 external storage gives out any file that can be read. */
START_TEST(external_storage_gives_nothing_away)
{
    struct ntk_room room;
    int code = -1;
    ntk_room_open(&room);
    make_external(room.input, room.sibling, strlen(NTK_ROOM_SECRET));
    for (int sandbox = 0; sandbox < 2; sandbox++) {
        struct ntk_jail jail = ntk_room_jail(&room, sandbox);
        ck_assert_int_eq(ntk_jail_run(&jail, steal, &room, &code, NULL), NTK_OK);
        ck_assert_int_eq(code, sandbox ? NTK_REFUSED : NTK_ESCAPED);
    }
    ntk_room_close(&room);
}
END_TEST

enum { MANY = 300 };

static int open_many(void *names)
{
    for (int i = 0; i < MANY; i++)
        if (open(((const char **)names)[i], O_RDONLY) < 0)
            return 1;
    return 0;
}

START_TEST(hundreds_of_inputs_can_be_open_at_once)
{
    struct ntk_room room;
    static char names[MANY][64];
    const char *inputs[MANY];
    int code = -1;
    ntk_room_open(&room);
    for (int i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "%.32s/%d", room.folder, i);
        inputs[i] = names[i];
        ck_assert_int_eq(close(open(names[i], O_WRONLY | O_CREAT, 0600)), 0);
    }
    struct ntk_jail jail = ntk_room_jail(&room, 1);
    jail.inputs = inputs;
    jail.n_inputs = MANY;
    ck_assert_int_eq(ntk_jail_run(&jail, open_many, inputs, &code, NULL), NTK_OK);
    ck_assert_int_eq(code, 0);
    for (int i = 0; i < MANY; i++)
        unlink(names[i]);
    ntk_room_close(&room);
}
END_TEST

/* ---- several at once ------------------------------------------------------------------------- */

struct colleague {
    int channel, code;
};

/* Answers one question and ends. */
static int answer_once(void *colleague)
{
    const struct colleague *c = colleague;
    char word = 0;
    if (read(c->channel, &word, 1) != 1 || write(c->channel, "y", 1) != 1)
        return 99;
    return c->code;
}

static int crash(void *colleague)
{
    (void)colleague;
    abort();
}

/* Three are started before any is asked; each hears its own channel alone, and one that crashes
 * shows as the end of its channel and in its sentence. */
START_TEST(several_works_go_on_at_once)
{
    enum { WORKS = 3 };
    struct ntk_room room;
    struct ntk_jail jails[WORKS];
    struct ntk_jailed jailed[WORKS];
    struct ntk_jail_partner partners[WORKS];
    struct colleague colleagues[WORKS];
    struct ntk_error error = {""};
    ntk_room_open(&room);
    for (int i = 0; i < WORKS; i++) {
        int ends[2];
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
        partners[i] = (struct ntk_jail_partner){.inside = ends[1], .outside = ends[0]};
        colleagues[i] = (struct colleague){ends[1], 40 + i};
        jails[i] = ntk_room_jail(&room, 1);
        jails[i].partner = &partners[i];
        ck_assert_int_eq(ntk_jail_start(&jails[i], i == 1 ? crash : answer_once, &colleagues[i],
                                        &jailed[i], &error),
                         NTK_OK);
        close(ends[1]);
    }
    for (int i = WORKS; i-- > 0;) {
        int code = -1;
        char word = 0;
        if (i != 1)
            ck_assert_int_eq(write(partners[i].outside, "x", 1), 1);
        ck_assert_int_eq(read(partners[i].outside, &word, 1), i == 1 ? 0 : 1);
        enum ntk_status status = ntk_jail_end(&jails[i], &jailed[i], 0, &code, &error);
        ck_assert_int_eq(status, i == 1 ? NTK_BAD_DATA : NTK_OK);
        ck_assert_int_eq(code, i == 1 ? -1 : 40 + i);
        close(partners[i].outside);
    }
    ck_assert_msg(strstr(error.text, "SIGABRT") != NULL, "%s", error.text);
    ntk_room_close(&room);
}
END_TEST

static int wait_for_ever(void *colleague)
{
    (void)colleague;
    for (;;)
        pause();
    return 0;
}

START_TEST(work_that_was_started_can_be_killed)
{
    struct ntk_room room;
    struct ntk_jailed jailed;
    struct ntk_error error = {""};
    int code = -1;
    ntk_room_open(&room);
    struct ntk_jail jail = ntk_room_jail(&room, 1);
    ck_assert_int_eq(ntk_jail_start(&jail, wait_for_ever, &room, &jailed, &error), NTK_OK);
    ck_assert_int_eq(ntk_jail_end(&jail, &jailed, 1, &code, &error), NTK_BAD_DATA);
    ck_assert_msg(strstr(error.text, "SIGKILL") != NULL, "%s", error.text);
    ntk_room_close(&room);
}
END_TEST

Suite *ntk_suite_work(void)
{
    Suite *suite = suite_create("jail: work");
    TCase *tests = tcase_create("work");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, the_input_is_read_and_the_output_written);
    tcase_add_test(tests, what_is_printed_arrives_once);
    tcase_add_test(tests, linear_algebra_runs_on_one_thread);
    tcase_add_test(tests, json_is_parsed_and_printed);
    tcase_add_test(tests, netcdf_of_all_formats_is_written_and_read_back);
    tcase_add_test(tests, netcdf_input_is_read_but_never_written);
    tcase_add_test(tests, external_storage_gives_nothing_away);
    tcase_add_test(tests, hundreds_of_inputs_can_be_open_at_once);
    tcase_add_test(tests, several_works_go_on_at_once);
    tcase_add_test(tests, work_that_was_started_can_be_killed);
    suite_add_tcase(suite, tests);
    return suite;
}
