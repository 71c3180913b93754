#include "tests/http/jobs_client.h"

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LOOK_US = 2000, ENDED = 101 /* more per cent than any job makes */ };

json_t *job_get(const struct ntk_test_daemon *daemon, const char *id)
{
    char path[80];
    snprintf(path, sizeof path, "/v1/jobs/%s", id);
    return ntk_test_ask_json(daemon, "GET", path, 200);
}

json_t *job_await_progress(const struct ntk_test_daemon *daemon, const char *id,
                           json_int_t progress)
{
    for (;;) {
        json_t *job = job_get(daemon, id);
        if (!json_is_null(json_object_get(job, "finished")) ||
            ntk_test_integer(job, "progress") >= progress)
            return job;
        json_decref(job);
        usleep(LOOK_US);
    }
}

json_t *job_await_end(const struct ntk_test_daemon *daemon, const char *id, const char *status)
{
    json_t *job = job_await_progress(daemon, id, ENDED);
    ck_assert_msg(!strcmp(ntk_test_text(job, "status"), status), "%s: %s",
                  ntk_test_text(job, "status"), ntk_test_text(job, "message"));
    return job;
}
