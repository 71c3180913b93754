#include "tests/http/fit_world.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/program.h"

struct ntk_test_daemon fit_served;
char fit_archive[32], fit_dataset[65];

void fit_make_archive(void)
{
    strcpy(fit_archive, "/tmp/ntk-jobs-XXXXXX");
    int file = mkstemp(fit_archive);
    ck_assert_int_ge(file, 0);
    close(file);
    ntk_test_simulate(fit_archive, 300, 256, 1);
}

void fit_remove_archive(void)
{
    unlink(fit_archive);
}

struct ntk_test_reply fit_upload(const char *path)
{
    size_t size;
    void *bytes = ntk_test_read_file(fit_archive, &size);
    struct ntk_test_reply reply = ntk_test_request(
        &fit_served, "POST", path, "Content-Type: application/x-netcdf\r\n", bytes, size);
    free(bytes);
    return reply;
}

void fit_start(void)
{
    ntk_test_daemon_create(&fit_served);
    ntk_test_daemon_start(&fit_served, NULL);
    struct ntk_test_reply reply = fit_upload("/v1/datasets");
    json_t *json = ntk_test_take_json(&reply, 201);
    snprintf(fit_dataset, sizeof fit_dataset, "%s", ntk_test_text(json, "id"));
    json_decref(json);
}

void fit_stop(void)
{
    ntk_test_daemon_end(&fit_served);
}

void fit_restart_by_kill(void)
{
    ntk_test_daemon_kill(&fit_served);
    ntk_test_daemon_start(&fit_served, NULL);
}

void fit_print(char out[300], const char *name, const char *method)
{
    snprintf(out, 300, "{\"name\": \"%s\", \"datasets\": [\"%s\"], \"method\": \"%s\"}", name,
             fit_dataset, method);
}

struct ntk_test_reply fit_post(const char *path, const char *headers, const char *name,
                               const char *method)
{
    char body[300], all[400];
    fit_print(body, name, method);
    snprintf(all, sizeof all, "Content-Type: application/json\r\n%s", headers);
    return ntk_test_request(&fit_served, "POST", path, all, body, strlen(body));
}

void fit_begin(const char *headers, const char *name, const char *method, char id[40])
{
    struct ntk_test_reply reply = fit_post("/v1/calibrations", headers, name, method);
    json_t *job = ntk_test_take_json(&reply, 202);
    snprintf(id, 40, "%s", ntk_test_text(job, "jobID"));
    ck_assert_uint_eq(strlen(id), 32);
    json_decref(job);
}
