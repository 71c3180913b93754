/* Rescores: one calibration over many archives of the daemon's own disks, as a job that goes on
 * after any end. Each test has a daemon of its own; archives and a calibration are made once. */
#include <dirent.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "server/http/range.h"
#include "tests/http/suites.h"
#include "tests/support/daemon.h"

#define WRITE "write-token-0123456789"
#define QUERY "query-token-0123456789"

enum { LONG_FILES = 6, LONG_SAMPLES = 10000 };

static struct ntk_test_daemon served;
static char world[32]; /* made once: archives/, toy.safetensors */

static const char json_header[] = "Content-Type: application/json\r\n";

/* ---- the world ------------------------------------------------------------------------------- */

static const char *below(const char *name)
{
    static char paths[4][200];
    static unsigned next;
    char *out = paths[next++ % 4];
    snprintf(out, sizeof paths[0], "%s/%s", world, name);
    return out;
}

static void run_ntkuq(const char *const *arguments)
{
    char program[600];
    const char *all[20] = {program};
    snprintf(program, sizeof program, "%s", ntk_test_program("ntkuq"));
    for (size_t n = 1; *arguments; n++)
        all[n] = *arguments++;
    ck_assert_int_eq(ntk_test_run(NULL, all), 0);
}

static void simulate(const char *name, const char *samples, const char *seed)
{
    const char *arguments[] = {"simulate",   "-o", below(name), "--samples", samples,
                               "--features", "24", "--seed",    seed,        NULL};
    run_ntkuq(arguments);
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

/* archives/2014/{a,b}.nc, archives/2015/c.nc; links that lead out of it. */
static void make_world(void)
{
    strcpy(world, "/tmp/ntk-rescore-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(world));
    ck_assert_int_eq(mkdir(below("archives"), 0755), 0);
    ck_assert_int_eq(mkdir(below("archives/2014"), 0755), 0);
    ck_assert_int_eq(mkdir(below("archives/2015"), 0755), 0);
    ck_assert_int_eq(mkdir(below("archives/links"), 0755), 0);
    ck_assert_int_eq(mkdir(below("outside"), 0755), 0);
    simulate("archives/2014/a.nc", "80", "1");
    simulate("archives/2014/b.nc", "60", "2");
    simulate("archives/2015/c.nc", "70", "3");
    simulate("outside/d.nc", "60", "4");
    write_text(below("archives/2014/notes.txt"), "no archive\n");
    write_text(below("archives/2014/a.intervals.nc"), "what a rescore made\n");
    ck_assert_int_eq(symlink(below("outside/d.nc"), below("archives/links/file.nc")), 0);
    ck_assert_int_eq(symlink(below("outside"), below("archives/links/folder")), 0);
    ck_assert_int_eq(symlink("../2014/a.nc", below("archives/links/inside.nc")), 0);
    const char *fit[] = {"fit",      "-o",  below("toy.safetensors"),    "--name", "toy",
                         "--method", "svd", below("archives/2014/a.nc"), NULL};
    run_ntkuq(fit);
}

static void remove_world(void)
{
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", world);
    ck_assert_int_eq(system(command), 0);
}

/* ---- the daemon ------------------------------------------------------------------------------ */

static void start_with(const char *option, const char *value)
{
    const char *extra[] = {"--archive_dirs", below("archives"), option, value, NULL};
    ntk_test_daemon_start(&served, extra);
}

/* As many versions of toy as wanted, all the same. */
static void create(unsigned versions)
{
    char command[500];
    ntk_test_daemon_create(&served);
    snprintf(command, sizeof command, "mkdir -p %s/state/calibrations/toy", served.folder);
    ck_assert_int_eq(system(command), 0);
    for (unsigned v = 1; v <= versions; v++) {
        snprintf(command, sizeof command,
                 "cp %s/toy.safetensors %s/state/calibrations/toy/%u.safetensors", world,
                 served.folder, v);
        ck_assert_int_eq(system(command), 0);
    }
}

static void start(void)
{
    create(2);
    start_with(NULL, NULL);
}

static void stop(void)
{
    if (served.pid > 0)
        ck_assert_int_eq(ntk_test_daemon_stop(&served), 0);
    ntk_test_daemon_remove(&served);
}

static void restart_with(const char *option, const char *value)
{
    ck_assert_int_eq(ntk_test_daemon_stop(&served), 0);
    start_with(option, value);
}

static void restart_by_kill(void)
{
    kill(served.pid, SIGKILL);
    ntk_test_daemon_stop(&served);
    start_with(NULL, NULL);
}

/* ---- asking ---------------------------------------------------------------------------------- */

static const char *text(const json_t *json, const char *key)
{
    const char *found = json_string_value(json_object_get(json, key));
    return found ? found : "";
}

static json_int_t number(const json_t *json, const char *key)
{
    return json_integer_value(json_object_get(json, key));
}

static struct ntk_test_reply ask(const char *method, const char *path, const char *headers)
{
    return ntk_test_request(&served, method, path, headers, NULL, 0);
}

static json_t *take_json(struct ntk_test_reply *reply, int status)
{
    ck_assert_msg(reply->status == status, "%d, not %d: %s", reply->status, status, reply->body);
    json_t *json = ntk_test_reply_json(reply);
    ntk_test_reply_clear(reply);
    return json;
}

static json_t *ask_json(const char *method, const char *path, int status)
{
    struct ntk_test_reply reply = ask(method, path, "");
    return take_json(&reply, status);
}

/* Members of the request without the braces: "\"archives\": [...]". */
static struct ntk_test_reply post(const char *path, const char *headers, const char *members)
{
    char body[1000], all[400];
    snprintf(body, sizeof body, "{\"calibration\": \"toy\", %s}", members);
    snprintf(all, sizeof all, "%s%s", json_header, headers);
    return ntk_test_request(&served, "POST", path, all, body, strlen(body));
}

static json_t *post_json(const char *path, const char *headers, const char *members, int status)
{
    struct ntk_test_reply reply = post(path, headers, members);
    return take_json(&reply, status);
}

static void expect_refusal(const char *members, int status, const char *sentence)
{
    json_t *problem = post_json("/v1/rescore", "", members, status);
    ck_assert_msg(strstr(text(problem, "detail"), sentence) != NULL, "'%s' lacks '%s'",
                  text(problem, "detail"), sentence);
    json_decref(problem);
}

static json_t *get_job(const char *id)
{
    char path[80];
    snprintf(path, sizeof path, "/v1/jobs/%s", id);
    return ask_json("GET", path, 200);
}

static void start_job(const char *members, char id[40])
{
    json_t *job = post_json("/v1/rescore", "", members, 202);
    snprintf(id, 40, "%s", text(job, "jobID"));
    ck_assert_str_eq(text(job, "processID"), "rescore");
    json_decref(job);
}

/* Until the job has made `progress` per cent or has ended. */
static json_t *await_progress(const char *id, json_int_t progress)
{
    for (;;) {
        json_t *job = get_job(id);
        if (!json_is_null(json_object_get(job, "finished")) || number(job, "progress") >= progress)
            return job;
        json_decref(job);
        usleep(2000);
    }
}

static json_t *await_end(const char *id, const char *status)
{
    json_t *job = await_progress(id, 101);
    ck_assert_msg(!strcmp(text(job, "status"), status), "%s: %s", text(job, "status"),
                  text(job, "message"));
    return job;
}

/* A file of a rescore on the disk. */
static const char *place_of(const char *id, const char *name)
{
    static char path[300];
    snprintf(path, sizeof path, "%s/state/rescores/%s%s%s", served.folder, id,
             *name ? "/output/" : "", name);
    return path;
}

static int is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

static void copy_header(const char *head, const char *name, char *out, size_t size)
{
    const char *at = strstr(head, name);
    ck_assert_msg(at != NULL, "%s is missing from %s", name, head);
    at += strlen(name);
    snprintf(out, size, "%.*s", (int)strcspn(at, "\r"), at);
}

/* ---- what may be named ----------------------------------------------------------------------- */

START_TEST(without_archive_dirs_it_is_refused_by_the_name_of_the_option)
{
    ck_assert_int_eq(ntk_test_daemon_stop(&served), 0);
    ntk_test_daemon_start(&served, NULL);
    expect_refusal("\"archives\": [\"2014\"]", 422, "archive_dirs is not set");
    json_t *list = ask_json("GET", "/v1/rescores", 200);
    ck_assert_uint_eq(json_array_size(json_object_get(list, "rescores")), 0);
    json_decref(list);
}
END_TEST

START_TEST(nothing_outside_the_folders_can_be_named)
{
    char absolute[300];
    static const char *const names[] = {"..",
                                        "2014/../../outside/d.nc",
                                        "../outside/*.nc",
                                        "links/file.nc",
                                        "links/*.nc",
                                        "links/folder",
                                        "links/folder/d.nc",
                                        "l*/f*/d.nc",
                                        "/etc/passwd",
                                        "/",
                                        "/etc/nothing-of-that-name"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char members[400];
        snprintf(members, sizeof members, "\"archives\": [\"2014/a.nc\", \"%s\"]", names[i]);
        expect_refusal(members, 422, "leads outside archive_dirs");
    }
    snprintf(absolute, sizeof absolute, "\"archives\": [\"%s/outside/d.nc\"]", world);
    expect_refusal(absolute, 422, "leads outside archive_dirs");
    snprintf(absolute, sizeof absolute, "\"archives\": [\"%s/archives-of-others/d.nc\"]", world);
    expect_refusal(absolute, 422, "leads outside archive_dirs");
}
END_TEST

START_TEST(what_stands_for_nothing_is_named)
{
    static const char *const names[] = {"2016", "2014/z*.nc",      "2014/a",
                                        ".*",   ".*/outside/d.nc", "links/folder/*.none"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char members[400], sentence[400];
        snprintf(members, sizeof members, "\"archives\": [\"2014/a.nc\", \"%s\"]", names[i]);
        snprintf(sentence, sizeof sentence, "archive '%s' stands for no file", names[i]);
        expect_refusal(members, 404, sentence);
    }
}
END_TEST

START_TEST(what_is_wrong_with_a_request_is_named)
{
    static const struct {
        const char *members, *sentence;
        int status;
    } wrong[] = {
        {"\"archive\": [\"2014\"]", "'archive'", 400},
        {"\"archives\": [\"2014\"], \"rank\": 3", "'rank'", 400},
        {"\"archives\": []", "archives has 0 entries", 422},
        {"\"archives\": \"2014\"", "archives has 0 entries", 422},
        {"\"archives\": [\"\"]", "entry 0 of archives", 422},
        {"\"archives\": [\"2014\", 3]", "entry 1 of archives", 422},
        {"\"archives\": [\"2014\"], \"levels\": []", "levels has 0 entries", 422},
        {"\"archives\": [\"2014\"], \"levels\": [0.5, 1]", "level 1 ", 422},
        {"\"archives\": [\"2014\"], \"missing\": \"guess\"", "missing is guess", 422},
        {"\"archives\": [\"2014\"], \"missing\": \"drop_sample\"", "missing is drop_sample", 422},
        {"\"archives\": [\"2014\"], \"memory_bytes\": 1", "memory_bytes is 1", 422},
        {"\"archives\": [\"2014\"], \"memory_bytes\": 99999999999999", "job_memory_bytes", 422},
        {"\"archives\": [\"2014\"], \"version\": 3", "no version 3", 404},
        {"\"archives\": [\"2014\"], \"version\": 0", "version is not", 422},
        {"\"archives\": [\"2014\"], \"label\": \"canary\"", "no label 'canary'", 404},
        {"\"archives\": [\"2014\"], \"version\": 1, \"label\": \"stable\"", "both", 422},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        expect_refusal(wrong[i].members, wrong[i].status, wrong[i].sentence);
    char body[] = "{\"calibration\": \"none\", \"archives\": [\"2014\"]}";
    struct ntk_test_reply reply =
        ntk_test_request(&served, "POST", "/v1/rescore", json_header, body, strlen(body));
    json_decref(take_json(&reply, 404));
    json_t *jobs = ask_json("GET", "/v1/jobs", 200);
    ck_assert_uint_eq(json_array_size(json_object_get(jobs, "jobs")), 0);
    json_decref(jobs);
}
END_TEST

START_TEST(names_become_files_each_of_them_once)
{
    static const struct {
        const char *members;
        int files;
    } asked[] = {
        {"\"archives\": [\"2014/a.nc\"]", 1},
        {"\"archives\": [\"2014\"]", 2},
        {"\"archives\": [\"20*\"]", 3},
        {"\"archives\": [\"2014/a*.nc\"]", 2},
        {"\"archives\": [\"2014/?.nc\", \"2014\", \"2014/a.nc\", \"links/inside.nc\"]", 2},
        {"\"archives\": [\"2014/[ab].nc\", \"2015/?.nc\"]", 3},
    };
    struct stat info;
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        json_t *answer = post_json("/v1/rescore?dry_run=1", "", asked[i].members, 200);
        ck_assert_msg(number(answer, "files") == asked[i].files, "%s: %d files", asked[i].members,
                      (int)number(answer, "files"));
        if (i == 0) {
            ck_assert_int_eq(stat(below("archives/2014/a.nc"), &info), 0);
            ck_assert_int_eq(number(answer, "bytes"), info.st_size);
        }
        json_decref(answer);
    }
}
END_TEST

START_TEST(who_has_no_token_for_it_neither_starts_nor_removes)
{
    char tokens[100];
    snprintf(tokens, sizeof tokens, "%s/tokens", served.folder);
    write_text(tokens, "query " QUERY "\nwrite " WRITE "\n");
    chmod(tokens, 0600);
    restart_with("--token_file", tokens);
    json_decref(post_json("/v1/rescore", "", "\"archives\": [\"2014\"]", 401));
    json_decref(post_json("/v1/rescore", "Authorization: Bearer " QUERY "\r\n",
                          "\"archives\": [\"2014\"]", 403));
    json_decref(ask_json("DELETE", "/v1/rescores/00000000000000000000000000000000", 401));
    json_decref(post_json("/v1/rescore?dry_run=1", "Authorization: Bearer " WRITE "\r\n",
                          "\"archives\": [\"2014\"]", 200));
}
END_TEST

/* ---- a run ----------------------------------------------------------------------------------- */

static void expect_same_bytes(const char *a, const char *b)
{
    size_t size_a, size_b;
    char *bytes_a = ntk_test_read_file(a, &size_a), *bytes_b = ntk_test_read_file(b, &size_b);
    ck_assert_msg(size_a == size_b && !memcmp(bytes_a, bytes_b, size_a), "%s and %s differ", a, b);
    free(bytes_a);
    free(bytes_b);
}

/* Starts one and waits for its end. */
static void rescore(const char *members, char id[40])
{
    json_t *job = post_json("/v1/rescore", "Prefer: wait=60\r\n", members, 200);
    ck_assert_msg(!strcmp(text(job, "status"), "successful"), "%s", text(job, "message"));
    snprintf(id, 40, "%s", text(job, "jobID"));
    json_decref(job);
}

START_TEST(a_job_tells_what_it_reads_and_leads_to_its_manifest)
{
    char id[40], address[80], path[80];
    rescore("\"archives\": [\"2014\"], \"version\": 1", id);
    json_t *job = get_job(id);
    ck_assert_int_eq(number(job, "files"), 2);
    ck_assert_int_eq(number(job, "files_done"), 2);
    ck_assert_int_eq(number(job, "version"), 1);
    ck_assert_uint_eq(strlen(text(job, "sha256")), 64);
    ck_assert_int_gt(number(job, "bytes"), 1000);
    ck_assert_int_eq(number(job, "bytes_done"), number(job, "bytes"));
    snprintf(address, sizeof address, "/v1/rescores/%s", id);
    ck_assert_str_eq(text(json_object_get(job, "result"), "manifest"), address);
    snprintf(path, sizeof path, "/v1/jobs/%s/results", id);
    json_t *results = ask_json("GET", path, 200);
    ck_assert_str_eq(text(json_object_get(results, "manifest"), "href"), address);
    json_t *manifest = ask_json("GET", address, 200), *files = json_object_get(manifest, "files");
    ck_assert_str_eq(text(manifest, "status"), "complete");
    ck_assert_str_eq(text(json_object_get(manifest, "calibration"), "sha256"), text(job, "sha256"));
    ck_assert_uint_eq(json_array_size(files), 2);
    ck_assert_str_eq(text(json_array_get(files, 0), "output"), "a.intervals.nc");
    ck_assert_str_eq(text(json_array_get(files, 1), "status"), "done");
    json_decref(job), json_decref(results), json_decref(manifest);
}
END_TEST

START_TEST(a_manifest_is_sent_again_only_when_it_changed)
{
    char id[40], path[80], tag[100], header[200];
    rescore("\"archives\": [\"2014/a.nc\"]", id);
    snprintf(path, sizeof path, "/v1/rescores/%s", id);
    struct ntk_test_reply reply = ask("GET", path, "");
    ck_assert_int_eq(reply.status, 200);
    copy_header(reply.head, "ETag: ", tag, sizeof tag);
    ck_assert_int_eq(*tag, '"'); /* strong */
    ntk_test_reply_clear(&reply);
    snprintf(header, sizeof header, "If-None-Match: %s\r\n", tag);
    reply = ask("GET", path, header);
    ck_assert_int_eq(reply.status, 304);
    ntk_test_reply_clear(&reply);
    reply = ask("GET", path, "If-None-Match: \"other\"\r\n");
    ck_assert_int_eq(reply.status, 200);
    ntk_test_reply_clear(&reply);
}
END_TEST

START_TEST(files_are_those_that_the_command_makes)
{
    char id[40], path[120], folder[100];
    size_t size;
    rescore("\"archives\": [\"2014\"], \"levels\": [0.9, 0.5]", id);
    snprintf(folder, sizeof folder, "%s/by-hand", served.folder);
    const char *by_hand[] = {"rescore",
                             "--levels",
                             "0.5,0.9",
                             "-o",
                             folder,
                             below("toy.safetensors"),
                             below("archives/2014"),
                             NULL};
    run_ntkuq(by_hand);
    static const char *const names[] = {"a.intervals.nc", "b.intervals.nc"};
    for (size_t i = 0; i < 2; i++) {
        char other[160];
        snprintf(other, sizeof other, "%s/%s", folder, names[i]);
        expect_same_bytes(place_of(id, names[i]), other);
        snprintf(path, sizeof path, "/v1/rescores/%s/files/%s", id, names[i]);
        struct ntk_test_reply reply = ask("GET", path, "");
        ck_assert_int_eq(reply.status, 200);
        ck_assert_ptr_nonnull(strstr(reply.head, "Content-Type: application/x-netcdf"));
        char *bytes = ntk_test_read_file(other, &size);
        ck_assert_uint_eq(reply.size, size);
        ck_assert_mem_eq(reply.body, bytes, size);
        free(bytes);
        ntk_test_reply_clear(&reply);
    }
}
END_TEST

START_TEST(only_what_the_manifest_names_is_sent)
{
    static const char *const names[] = {
        "manifest.json", ".rescore",      "c.intervals.nc", "..%2fmanifest.json",
        "archives.txt",  "a.intervals.n", "%2e%2e",         "a.intervals.nc%00"};
    char id[40], path[120];
    rescore("\"archives\": [\"2014/a.nc\"]", id);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "/v1/rescores/%s/files/%s", id, names[i]);
        struct ntk_test_reply reply = ask("GET", path, "");
        ck_assert_msg(reply.status == 404 || reply.status == 400, "%s: %d", names[i], reply.status);
        ntk_test_reply_clear(&reply);
    }
    json_decref(ask_json("GET", "/v1/rescores/00000000000000000000000000000000", 404));
    json_decref(ask_json("GET", "/v1/rescores/..", 404));
}
END_TEST

START_TEST(a_part_of_a_file_is_sent_to_who_asks_for_one)
{
    char id[40], path[120], tag[100], header[200], range[100], wanted[100];
    size_t size;
    rescore("\"archives\": [\"2014/a.nc\"]", id);
    snprintf(path, sizeof path, "/v1/rescores/%s/files/a.intervals.nc", id);
    char *bytes = ntk_test_read_file(place_of(id, "a.intervals.nc"), &size);
    struct ntk_test_reply reply = ask("GET", path, "Range: bytes=1000-1999\r\n");
    ck_assert_int_eq(reply.status, 206);
    ck_assert_uint_eq(reply.size, 1000);
    ck_assert_mem_eq(reply.body, bytes + 1000, 1000);
    copy_header(reply.head, "ETag: ", tag, sizeof tag);
    copy_header(reply.head, "Content-Range: ", range, sizeof range);
    snprintf(wanted, sizeof wanted, "bytes 1000-1999/%zu", size);
    ck_assert_str_eq(range, wanted);
    ntk_test_reply_clear(&reply);
    snprintf(header, sizeof header, "Range: bytes=-10\r\nIf-Range: %s\r\n", tag);
    reply = ask("GET", path, header);
    ck_assert_int_eq(reply.status, 206);
    ck_assert_uint_eq(reply.size, 10);
    ck_assert_mem_eq(reply.body, bytes + size - 10, 10);
    ntk_test_reply_clear(&reply);
    reply = ask("GET", path, "Range: bytes=0-9\r\nIf-Range: \"other\"\r\n");
    ck_assert_int_eq(reply.status, 200);
    ck_assert_uint_eq(reply.size, size);
    ntk_test_reply_clear(&reply);
    reply = ask("GET", path, "Range: bytes=99999999999-\r\n");
    ck_assert_int_eq(reply.status, 416);
    ntk_test_reply_clear(&reply);
    snprintf(header, sizeof header, "If-None-Match: %s\r\n", tag);
    reply = ask("GET", path, header);
    ck_assert_int_eq(reply.status, 304);
    ntk_test_reply_clear(&reply);
    free(bytes);
}
END_TEST

START_TEST(ranges_are_read_as_rfc_9110_has_them)
{
    static const struct {
        const char *text;
        enum ntk_range range;
        uint64_t first, last;
    } cases[] = {
        {NULL, NTK_RANGE_WHOLE, 7, 7},
        {"bytes=0-0", NTK_RANGE_PART, 0, 0},
        {"bytes=0-", NTK_RANGE_PART, 0, 99},
        {"Bytes=98-200", NTK_RANGE_PART, 98, 99},
        {"bytes=-1", NTK_RANGE_PART, 99, 99},
        {"bytes=-500", NTK_RANGE_PART, 0, 99},
        {"bytes=-99999999999999999999", NTK_RANGE_PART, 0, 99},
        {"bytes=99-99", NTK_RANGE_PART, 99, 99},
        {"bytes=100-", NTK_RANGE_BEYOND, 7, 7},
        {"bytes=99999999999999999999-", NTK_RANGE_BEYOND, 7, 7},
        {"bytes=-0", NTK_RANGE_BEYOND, 7, 7},
        {"bytes=5-4", NTK_RANGE_WHOLE, 7, 7},
        {"bytes=0-1,3-4", NTK_RANGE_WHOLE, 7, 7},
        {"bytes=", NTK_RANGE_WHOLE, 7, 7},
        {"bytes=-", NTK_RANGE_WHOLE, 7, 7},
        {"bytes=a-", NTK_RANGE_WHOLE, 7, 7},
        {"bytes=+1-", NTK_RANGE_WHOLE, 7, 7},
        {"bytes=1 -2", NTK_RANGE_WHOLE, 7, 7},
        {"lines=1-2", NTK_RANGE_WHOLE, 7, 7},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t first = 7, last = 7;
        enum ntk_range range = ntk_range_parse(cases[i].text, 100, &first, &last);
        ck_assert_msg(range == cases[i].range && first == cases[i].first && last == cases[i].last,
                      "%s: %d, %d to %d", cases[i].text, range, (int)first, (int)last);
    }
    uint64_t first = 7, last = 7;
    ck_assert_int_eq(ntk_range_parse("bytes=0-", 0, &first, &last), NTK_RANGE_BEYOND);
    ck_assert_int_eq(ntk_range_parse("bytes=-5", 0, &first, &last), NTK_RANGE_BEYOND);
}
END_TEST

START_TEST(a_dry_run_predicts_and_starts_nothing)
{
    json_t *answer = post_json("/v1/rescore?dry_run=1", "", "\"archives\": [\"20*\"]", 200);
    const json_t *predicted = json_object_get(answer, "predicted");
    ck_assert_int_eq(number(predicted, "bytes_read") > 0, 1);
    ck_assert_int_eq(number(predicted, "bytes_written") > 0, 1);
    ck_assert_int_gt(number(predicted, "memory_bytes"), 1 << 20);
    ck_assert_int_ge(number(predicted, "seconds"), 1);
    ck_assert_uint_eq(json_array_size(json_object_get(answer, "problems")), 0);
    ck_assert_int_gt(number(json_object_get(answer, "limits"), "free_bytes"), 0);
    json_t *jobs = ask_json("GET", "/v1/jobs", 200), *list = ask_json("GET", "/v1/rescores", 200);
    ck_assert_uint_eq(json_array_size(json_object_get(jobs, "jobs")), 0);
    ck_assert_uint_eq(json_array_size(json_object_get(list, "rescores")), 0);
    json_decref(answer), json_decref(jobs), json_decref(list);
}
END_TEST

START_TEST(the_version_is_the_one_that_was_labelled_when_it_was_accepted)
{
    char id[40], label[] = "{\"version\": 1, \"override\": \"a test of labels\"}";
    struct ntk_test_reply reply = ntk_test_request(
        &served, "PUT", "/v1/calibrations/toy/labels/stable", json_header, label, strlen(label));
    json_decref(take_json(&reply, 200));
    rescore("\"archives\": [\"2014/a.nc\"]", id);
    json_t *job = get_job(id);
    ck_assert_int_eq(number(job, "version"), 1);
    json_decref(job);
}
END_TEST

START_TEST(an_archive_that_fails_leaves_the_others_done_and_the_manifest_says_so)
{
    char id[40], path[80];
    write_text(below("archives/2015/bad.nc"), "CDF, but no NetCDF file");
    json_t *answer =
        post_json("/v1/rescore?dry_run=1", "", "\"archives\": [\"2015/bad.nc\", \"2014\"]", 200);
    ck_assert_int_eq(number(answer, "looked_at"), 3);
    ck_assert_int_eq(number(answer, "failing"), 1);
    json_decref(answer);
    expect_refusal("\"archives\": [\"2015/bad.nc\"]", 422, "none of the 1 archives");
    start_job("\"archives\": [\"2015/bad.nc\", \"2014/a.nc\"]", id);
    json_t *job = await_end(id, "failed");
    unlink(below("archives/2015/bad.nc"));
    snprintf(path, sizeof path, "/v1/rescores/%s", id);
    json_t *manifest = ask_json("GET", path, 200), *files = json_object_get(manifest, "files");
    ck_assert_str_eq(text(manifest, "status"), "partial");
    ck_assert_str_eq(text(json_array_get(files, 0), "status"), "failed");
    ck_assert_str_eq(text(json_array_get(files, 1), "status"), "done");
    json_decref(job), json_decref(manifest);
}
END_TEST

/* ---- keys, dismissal, deletion --------------------------------------------------------------- */

START_TEST(a_key_makes_one_rescore_however_often_it_is_sent)
{
    const char *key = "Idempotency-Key: k\r\n", *same = "\"archives\": [\"2014/a.nc\"]";
    json_t *first = post_json("/v1/rescore", key, same, 202);
    restart_by_kill();
    json_decref(await_end(text(first, "jobID"), "successful"));
    json_t *again = post_json("/v1/rescore", key, same, 200);
    ck_assert_str_eq(text(again, "jobID"), text(first, "jobID"));
    json_decref(post_json("/v1/rescore", key, "\"archives\": [\"2014/b.nc\"]", 409));
    json_t *list = ask_json("GET", "/v1/rescores", 200);
    ck_assert_uint_eq(json_array_size(json_object_get(list, "rescores")), 1);
    json_decref(first), json_decref(again), json_decref(list);
}
END_TEST

START_TEST(a_rescore_is_listed_and_removed_once_it_has_ended)
{
    char id[40], path[80];
    rescore("\"archives\": [\"2014\"]", id);
    json_t *list = ask_json("GET", "/v1/rescores", 200),
           *item = json_array_get(json_object_get(list, "rescores"), 0);
    ck_assert_str_eq(text(item, "jobID"), id);
    ck_assert_str_eq(text(item, "calibration"), "toy");
    ck_assert_str_eq(text(item, "status"), "successful");
    ck_assert(json_is_true(json_object_get(item, "manifest")));
    snprintf(path, sizeof path, "/v1/rescores/%s", id);
    ck_assert_str_eq(text(item, "href"), path);
    json_decref(list);
    json_t *removed = ask_json("DELETE", path, 200);
    ck_assert_int_eq(number(removed, "files"), 3); /* two of intervals, the manifest */
    json_decref(removed);
    ck_assert(!is_there(place_of(id, "")));
    json_decref(ask_json("DELETE", path, 404));
    json_decref(ask_json("GET", path, 404));
    json_decref(get_job(id)); /* the job is remembered */
}
END_TEST

/* ---- long ones ------------------------------------------------------------------------------- */

static const char long_members[] = "\"archives\": [\"long\"]";

/* Archives that take seconds. */
static void make_long(void)
{
    char samples[16];
    make_world();
    ck_assert_int_eq(mkdir(below("archives/long"), 0755), 0);
    snprintf(samples, sizeof samples, "%d", LONG_SAMPLES);
    for (int i = 0; i < LONG_FILES; i++) {
        char name[60], seed[8];
        snprintf(name, sizeof name, "archives/long/%d.nc", i);
        snprintf(seed, sizeof seed, "%d", 10 + i);
        simulate(name, samples, seed);
    }
}

START_TEST(one_that_runs_is_not_removed_and_one_that_is_dismissed_leaves_nothing)
{
    char running[40], waiting[40], path[80];
    start_job(long_members, running);
    start_job(long_members, waiting);
    json_decref(await_progress(running, 1));
    snprintf(path, sizeof path, "/v1/rescores/%s", running);
    json_t *problem = ask_json("DELETE", path, 409);
    ck_assert_ptr_nonnull(strstr(text(problem, "detail"), "has not ended"));
    json_decref(problem);
    snprintf(path, sizeof path, "/v1/rescores/%s", waiting);
    problem = ask_json("GET", path, 404);
    ck_assert_ptr_nonnull(strstr(text(problem, "detail"), "no manifest, its job is accepted"));
    json_decref(problem);
    const char *const both[] = {waiting, running};
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "/v1/jobs/%s", both[i]);
        json_t *job = ask_json("DELETE", path, 200);
        ck_assert_str_eq(text(job, "status"), "dismissed");
        ck_assert(!is_there(place_of(both[i], "")));
        json_decref(job);
    }
    restart_by_kill();
    json_decref(await_end(running, "dismissed"));
}
END_TEST

static void expect_same_rescore(const char *id, const char *other)
{
    DIR *folder = opendir(place_of(id, "."));
    size_t n = 0;
    ck_assert_ptr_nonnull(folder);
    for (struct dirent *file; (file = readdir(folder));) {
        char left[300];
        if (*file->d_name == '.')
            continue;
        snprintf(left, sizeof left, "%s", place_of(id, file->d_name));
        expect_same_bytes(left, place_of(other, file->d_name));
        n++;
    }
    closedir(folder);
    ck_assert_uint_eq(n, LONG_FILES + 1); /* and the manifest */
}

/* Samples in chunks of the command's journal, however often each. */
static json_int_t count_journalled(const char *id)
{
    char *line = NULL;
    size_t size = 0;
    json_int_t samples = 0;
    FILE *journal = fopen(place_of(id, ".rescore/journal.0"), "r");
    ck_assert_ptr_nonnull(journal);
    while (getline(&line, &size, journal) > 0) {
        json_t *json = json_loads(line, 0, NULL), *chunk = json_object_get(json, "chunk");
        samples += json_integer_value(json_array_get(chunk, 2)) -
                   json_integer_value(json_array_get(chunk, 1));
        json_decref(json);
    }
    free(line);
    fclose(journal);
    return samples;
}

START_TEST(what_was_killed_with_the_daemon_goes_on_to_the_same_bytes)
{
    char undisturbed[40], killed[40];
    start_job(long_members, undisturbed);
    json_decref(await_end(undisturbed, "successful"));
    start_job(long_members, killed);
    for (int progress = 15, kills = 0; kills < 3; kills++, progress += 20) {
        json_t *job = await_progress(killed, progress);
        ck_assert_msg(!strcmp(text(job, "status"), "running"), "%d: %s", progress,
                      text(job, "message"));
        json_decref(job);
        restart_by_kill();
    }
    ck_assert_int_gt(count_journalled(killed), 0);
    json_t *job = await_end(killed, "successful");
    ck_assert_int_eq(number(job, "attempts"), 4); /* a fit would have been given up */
    ck_assert_int_eq(number(job, "files_done"), LONG_FILES);
    json_decref(job);
    expect_same_rescore(killed, undisturbed);
    ck_assert_int_eq(count_journalled(killed), LONG_FILES * LONG_SAMPLES); /* none done twice */
}
END_TEST

START_TEST(an_orderly_stop_is_gone_on_from_and_is_no_attempt)
{
    char id[40];
    start_job(long_members, id);
    json_decref(await_progress(id, 40));
    restart_with(NULL, NULL);
    json_t *job = get_job(id);
    ck_assert_int_ge(number(job, "progress"), 40); /* where it was */
    json_decref(job);
    job = await_end(id, "successful");
    ck_assert_int_eq(number(job, "attempts"), 1);
    json_decref(job);
}
END_TEST

START_TEST(archives_that_came_to_lead_elsewhere_are_not_read)
{
    char running[40], waiting[40];
    simulate("archives/2015/moved.nc", "60", "5");
    start_job(long_members, running);
    start_job("\"archives\": [\"2015/moved.nc\"]", waiting);
    ck_assert_int_eq(unlink(below("archives/2015/moved.nc")), 0);
    ck_assert_int_eq(symlink(below("outside/d.nc"), below("archives/2015/moved.nc")), 0);
    json_t *job = await_end(waiting, "failed");
    ck_assert_msg(strstr(text(job, "error"), "leads outside archive_dirs") != NULL, "%s",
                  text(job, "error"));
    unlink(below("archives/2015/moved.nc"));
    json_decref(job);
}
END_TEST

START_TEST(a_version_that_is_gone_is_still_that_of_its_rescore)
{
    char running[40], waiting[40], path[200];
    start_job(long_members, running);
    start_job("\"archives\": [\"2014/a.nc\"], \"version\": 1", waiting);
    snprintf(path, sizeof path, "%s/state/calibrations/toy/1.safetensors", served.folder);
    ck_assert_int_eq(unlink(path), 0);
    restart_by_kill();
    json_decref(await_end(waiting, "successful"));
}
END_TEST

static void set_age(const char *path, long days)
{
    struct timeval times[2];
    gettimeofday(&times[0], NULL);
    times[0].tv_sec -= days * 86400;
    times[1] = times[0];
    ck_assert_int_eq(utimes(path, times), 0);
}

START_TEST(old_results_go_but_for_those_of_a_job_that_has_not_ended)
{
    char old[40], young[40], running[40];
    rescore("\"archives\": [\"2014/a.nc\"]", old);
    rescore("\"archives\": [\"2014/a.nc\"]", young);
    start_job(long_members, running);
    json_decref(await_progress(running, 1));
    ck_assert_int_eq(ntk_test_daemon_stop(&served), 0);
    const char *const aged[] = {old, running};
    for (size_t i = 0; i < 2; i++) {
        set_age(place_of(aged[i], "."), 3);
        set_age(place_of(aged[i], ""), 3);
    }
    start_with("--retention_rescores_days", "2");
    for (int tries = 0; tries < 200 && is_there(place_of(old, "")); tries++)
        usleep(50000);
    ck_assert(!is_there(place_of(old, "")));
    ck_assert(is_there(place_of(young, "manifest.json")));
    json_decref(await_end(running, "successful"));
}
END_TEST

START_TEST(progress_is_heard_in_files_and_bytes)
{
    char id[40], head[200];
    enum { MOST = 1 << 20 };
    char *heard = calloc(1, MOST);
    size_t size = 0;
    start_job(long_members, id);
    int socket = ntk_test_connect(&served);
    snprintf(head, sizeof head, "GET /v1/jobs/%s/events HTTP/1.1\r\nHost: a\r\n\r\n", id);
    ntk_test_send(socket, head, strlen(head));
    for (ssize_t got; size < MOST - 1 && !strstr(heard, "\r\n0\r\n\r\n"); size += (size_t)got) {
        if ((got = read(socket, heard + size, MOST - 1 - size)) <= 0)
            break;
    }
    ck_assert_ptr_nonnull(strstr(heard, "\"files\":6"));
    int seen = 0;
    for (char digit = '1'; digit < '6'; digit++) {
        char told[20];
        snprintf(told, sizeof told, "\"files_done\":%c", digit);
        seen |= strstr(heard, told) != NULL;
    }
    ck_assert_msg(seen, "nothing between 0 and 6 files was told");
    ck_assert_ptr_nonnull(strstr(heard, "\"files_done\":6"));
    ck_assert_ptr_nonnull(strstr(heard, "\"status\":\"successful\""));
    close(socket);
    free(heard);
}
END_TEST

/* ---- what an end of the daemon leaves -------------------------------------------------------- */

/* As schema 1 was, in which all jobs are fits. */
static void make_schema_1(void)
{
    char path[100];
    sqlite3 *database = NULL;
    snprintf(path, sizeof path, "%s/state/state.sqlite", served.folder);
    ck_assert_int_eq(sqlite3_open(path, &database), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(database,
                                  "ALTER TABLE job DROP COLUMN kind;"
                                  "ALTER TABLE job DROP COLUMN files;"
                                  "ALTER TABLE job DROP COLUMN files_done;"
                                  "ALTER TABLE job DROP COLUMN bytes;"
                                  "ALTER TABLE job DROP COLUMN bytes_done;"
                                  "PRAGMA user_version = 1",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(database);
}

START_TEST(jobs_of_an_older_database_are_fits)
{
    char body[200], id[40];
    size_t size;
    void *bytes = ntk_test_read_file(below("archives/2014/a.nc"), &size);
    struct ntk_test_reply reply = ntk_test_request(
        &served, "POST", "/v1/datasets", "Content-Type: application/x-netcdf\r\n", bytes, size);
    json_t *dataset = take_json(&reply, 201);
    snprintf(body, sizeof body, "{\"name\": \"x\", \"datasets\": [\"%s\"], \"method\": \"svd\"}",
             text(dataset, "id"));
    reply = ntk_test_request(&served, "POST", "/v1/calibrations",
                             "Content-Type: application/json\r\nPrefer: wait=60\r\n", body,
                             strlen(body));
    json_t *job = take_json(&reply, 200);
    ck_assert_int_eq(ntk_test_daemon_stop(&served), 0);
    make_schema_1();
    start_with(NULL, NULL);
    json_t *again = get_job(text(job, "jobID"));
    ck_assert(json_equal(job, again));
    rescore("\"archives\": [\"2014/a.nc\"]", id);
    json_decref(dataset), json_decref(job), json_decref(again);
    free(bytes);
}
END_TEST

START_TEST(what_an_end_left_of_a_deletion_or_of_an_acceptance_goes_at_the_start)
{
    static const char *const names[] = {".gone-11111111111111111111111111111111",
                                        "22222222222222222222222222222222"};
    char command[300], id[40];
    rescore("\"archives\": [\"2014/a.nc\"]", id);
    ck_assert_int_eq(ntk_test_daemon_stop(&served), 0);
    for (size_t i = 0; i < 2; i++) {
        snprintf(command, sizeof command, "mkdir -p %s/output && touch %s/archives.txt",
                 place_of(names[i], ""), place_of(names[i], ""));
        ck_assert_int_eq(system(command), 0);
    }
    snprintf(command, sizeof command, "mkdir -p %s/state/rescores/other", served.folder);
    ck_assert_int_eq(system(command), 0);
    start_with(NULL, NULL);
    for (size_t i = 0; i < 2; i++)
        ck_assert(!is_there(place_of(names[i], "")));
    ck_assert(is_there(place_of(id, "manifest.json")));
    ck_assert(is_there(place_of("other", ""))); /* nobody's of ours */
}
END_TEST

Suite *ntk_suite_rescore(void)
{
    Suite *suite = suite_create("rescore");
    TCase *tests = tcase_create("rescore"), *long_ones = tcase_create("long");
    tcase_add_unchecked_fixture(tests, make_world, remove_world);
    tcase_add_checked_fixture(tests, start, stop);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, without_archive_dirs_it_is_refused_by_the_name_of_the_option);
    tcase_add_test(tests, nothing_outside_the_folders_can_be_named);
    tcase_add_test(tests, what_stands_for_nothing_is_named);
    tcase_add_test(tests, what_is_wrong_with_a_request_is_named);
    tcase_add_test(tests, names_become_files_each_of_them_once);
    tcase_add_test(tests, who_has_no_token_for_it_neither_starts_nor_removes);
    tcase_add_test(tests, a_job_tells_what_it_reads_and_leads_to_its_manifest);
    tcase_add_test(tests, a_manifest_is_sent_again_only_when_it_changed);
    tcase_add_test(tests, files_are_those_that_the_command_makes);
    tcase_add_test(tests, only_what_the_manifest_names_is_sent);
    tcase_add_test(tests, a_part_of_a_file_is_sent_to_who_asks_for_one);
    tcase_add_test(tests, ranges_are_read_as_rfc_9110_has_them);
    tcase_add_test(tests, a_dry_run_predicts_and_starts_nothing);
    tcase_add_test(tests, the_version_is_the_one_that_was_labelled_when_it_was_accepted);
    tcase_add_test(tests, an_archive_that_fails_leaves_the_others_done_and_the_manifest_says_so);
    tcase_add_test(tests, a_key_makes_one_rescore_however_often_it_is_sent);
    tcase_add_test(tests, a_rescore_is_listed_and_removed_once_it_has_ended);
    tcase_add_test(tests, jobs_of_an_older_database_are_fits);
    tcase_add_test(tests, what_an_end_left_of_a_deletion_or_of_an_acceptance_goes_at_the_start);
    tcase_add_unchecked_fixture(long_ones, make_long, remove_world);
    tcase_add_checked_fixture(long_ones, start, stop);
    tcase_set_timeout(long_ones, 300);
    tcase_add_test(long_ones,
                   one_that_runs_is_not_removed_and_one_that_is_dismissed_leaves_nothing);
    tcase_add_test(long_ones, what_was_killed_with_the_daemon_goes_on_to_the_same_bytes);
    tcase_add_test(long_ones, an_orderly_stop_is_gone_on_from_and_is_no_attempt);
    tcase_add_test(long_ones, archives_that_came_to_lead_elsewhere_are_not_read);
    tcase_add_test(long_ones, a_version_that_is_gone_is_still_that_of_its_rescore);
    tcase_add_test(long_ones, old_results_go_but_for_those_of_a_job_that_has_not_ended);
    tcase_add_test(long_ones, progress_is_heard_in_files_and_bytes);
    suite_add_tcase(suite, tests);
    suite_add_tcase(suite, long_ones);
    return suite;
}
