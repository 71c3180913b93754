#include "tests/http/rescore_world.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/program.h"

enum { FEATURES = 24, VERSIONS = 2 };

struct ntk_test_daemon rescore_served;

static char world[32];

/* ---- the world ------------------------------------------------------------------------------ */

const char *rescore_below(const char *name)
{
    static char paths[4][200];
    static unsigned next;
    char *out = paths[next++ % 4];
    snprintf(out, sizeof paths[0], "%s/%s", world, name);
    return out;
}

void rescore_simulate(const char *name, int samples, int seed)
{
    ntk_test_simulate(rescore_below(name), samples, FEATURES, seed);
}

void rescore_make_world(void)
{
    strcpy(world, "/tmp/ntk-rescore-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(world));
    ck_assert_int_eq(mkdir(rescore_below("archives"), 0755), 0);
    ck_assert_int_eq(mkdir(rescore_below("archives/2014"), 0755), 0);
    ck_assert_int_eq(mkdir(rescore_below("archives/2015"), 0755), 0);
    ck_assert_int_eq(mkdir(rescore_below("archives/links"), 0755), 0);
    ck_assert_int_eq(mkdir(rescore_below("outside"), 0755), 0);
    rescore_simulate("archives/2014/a.nc", 80, 1);
    rescore_simulate("archives/2014/b.nc", 60, 2);
    rescore_simulate("archives/2015/c.nc", 70, 3);
    rescore_simulate("outside/d.nc", 60, 4);
    ntk_test_write_text(rescore_below("archives/2014/notes.txt"), "no archive\n");
    ntk_test_write_text(rescore_below("archives/2014/a.intervals.nc"), "what a rescore made\n");
    ck_assert_int_eq(
        symlink(rescore_below("outside/d.nc"), rescore_below("archives/links/file.nc")), 0);
    ck_assert_int_eq(symlink(rescore_below("outside"), rescore_below("archives/links/folder")), 0);
    ck_assert_int_eq(symlink("../2014/a.nc", rescore_below("archives/links/inside.nc")), 0);
    const char *fit[] = {"fit",      "-o",  rescore_below("toy.safetensors"),    "--name", "toy",
                         "--method", "svd", rescore_below("archives/2014/a.nc"), NULL};
    ck_assert_int_eq(ntk_test_run_ntkuq(NULL, fit), 0);
}

void rescore_remove_world(void)
{
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", world);
    ck_assert_int_eq(system(command), 0);
}

/* ---- the daemon ----------------------------------------------------------------------------- */

void rescore_start_with(const char *option, const char *value)
{
    const char *extra[] = {"--archive_dirs", rescore_below("archives"), option, value, NULL};
    ntk_test_daemon_start(&rescore_served, extra);
}

/* The versions of toy are copies of one file. */
static void create(void)
{
    char command[500];
    ntk_test_daemon_create(&rescore_served);
    snprintf(command, sizeof command, "mkdir -p %s/state/calibrations/toy", rescore_served.folder);
    ck_assert_int_eq(system(command), 0);
    for (unsigned v = 1; v <= VERSIONS; v++) {
        snprintf(command, sizeof command,
                 "cp %s/toy.safetensors %s/state/calibrations/toy/%u.safetensors", world,
                 rescore_served.folder, v);
        ck_assert_int_eq(system(command), 0);
    }
}

void rescore_start(void)
{
    create();
    rescore_start_with(NULL, NULL);
}

void rescore_stop(void)
{
    ntk_test_daemon_end(&rescore_served);
}

void rescore_restart_by_kill(void)
{
    ntk_test_daemon_kill(&rescore_served);
    rescore_start_with(NULL, NULL);
}

/* ---- asking --------------------------------------------------------------------------------- */

struct ntk_test_reply rescore_get(const char *path, const char *headers)
{
    return ntk_test_request(&rescore_served, "GET", path, headers, NULL, 0);
}

json_t *rescore_ask(const char *method, const char *path, int status)
{
    return ntk_test_ask_json(&rescore_served, method, path, status);
}

json_t *rescore_post(const char *path, const char *headers, const char *members, int status)
{
    char body[1000], all[400];
    snprintf(body, sizeof body, "{\"calibration\": \"toy\", %s}", members);
    snprintf(all, sizeof all, "Content-Type: application/json\r\n%s", headers);
    struct ntk_test_reply reply =
        ntk_test_request(&rescore_served, "POST", path, all, body, strlen(body));
    return ntk_test_take_json(&reply, status);
}

void rescore_expect_refusal(const char *members, int status, const char *sentence)
{
    json_t *problem = rescore_post("/v1/rescore", "", members, status);
    ck_assert_msg(strstr(ntk_test_text(problem, "detail"), sentence) != NULL, "'%s' lacks '%s'",
                  ntk_test_text(problem, "detail"), sentence);
    json_decref(problem);
}

/* ---- jobs ----------------------------------------------------------------------------------- */

void rescore_begin(const char *members, char id[40])
{
    json_t *job = rescore_post("/v1/rescore", "", members, 202);
    snprintf(id, 40, "%s", ntk_test_text(job, "jobID"));
    ck_assert_str_eq(ntk_test_text(job, "processID"), "rescore");
    json_decref(job);
}

void rescore_run(const char *members, char id[40])
{
    json_t *job = rescore_post("/v1/rescore", "Prefer: wait=60\r\n", members, 200);
    ck_assert_msg(!strcmp(ntk_test_text(job, "status"), "successful"), "%s",
                  ntk_test_text(job, "message"));
    snprintf(id, 40, "%s", ntk_test_text(job, "jobID"));
    json_decref(job);
}

const char *rescore_place(const char *id, const char *name)
{
    static char path[300];
    snprintf(path, sizeof path, "%s/state/rescores/%s%s%s", rescore_served.folder, id,
             *name ? "/output/" : "", name);
    return path;
}

int rescore_is_there(const char *path)
{
    return access(path, F_OK) == 0;
}
