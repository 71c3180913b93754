/* ntkuqd: from the configuration to a listening daemon and back. */
#include <cblas.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "config/config.h"
#include "io/publish.h"
#include "server/calibrations/job_events.h"
#include "server/calibrations/jobs.h"
#include "server/calibrations/labels.h"
#include "server/calibrations/registry.h"
#include "server/display/polled.h"
#include "server/http/http.h"
#include "server/http/notify.h"
#include "server/http/reload.h"
#include "server/http/routes.h"
#include "server/http/settings.h"
#include "server/http/upload.h"
#include "server/ledger/ledger.h"
#include "server/ledger/store.h"
#include "server/ledger/watch.h"
#include "server/log.h"
#include "server/metrics/ledger_health.h"
#include "server/metrics/metrics.h"
#include "server/query/inference_stats.h"
#include "server/rescores/rescore_folder.h"
#include "server/workers.h"

enum { WORKERS = 4, STOP_SECONDS = 10 };

extern char **environ;

static void report_broken(const char *path, const char *sentence)
{
    ntk_log(NTK_LOG_ERROR, "artifact", "%s is not served: %s", path, sentence);
}

/* rescore_dir, made where it is missing and will be needed; its path becomes absolute. */
static enum ntk_status prepare_rescores(struct ntk_config *config, struct ntk_error *error)
{
    char path[PATH_MAX];
    if (!*config->rescore_dir)
        snprintf(config->rescore_dir, sizeof config->rescore_dir, "%.4000s/rescores",
                 config->state_dir);
    if (!*config->archive_dirs)
        return NTK_OK; /* nothing will be written there */
    if ((mkdir(config->rescore_dir, 0755) && errno != EEXIST) ||
        access(config->rescore_dir, R_OK | W_OK | X_OK) || !realpath(config->rescore_dir, path))
        return ntk_fail(error, NTK_CANNOT_CREATE, "rescore_dir: cannot write in %s: %s",
                        config->rescore_dir, strerror(errno));
    strcpy(config->rescore_dir, path);
    return NTK_OK;
}

/* state_dir and its folders, made where missing and seen to be writable; its path becomes absolute,
 * as it is in what ntkuq says of a file. */
static enum ntk_status prepare_state(struct ntk_config *config, struct ntk_error *error)
{
    static const char *const folders[] = {"", "/calibrations", "/datasets", "/tmp"};
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        snprintf(path, sizeof path, "%.4000s%s", config->state_dir, folders[i]);
        if ((mkdir(path, 0755) && errno != EEXIST) || access(path, R_OK | W_OK | X_OK))
            return ntk_fail(error, NTK_CANNOT_CREATE, "state_dir: cannot write in %s: %s", path,
                            strerror(errno));
    }
    if (!realpath(config->state_dir, path))
        return ntk_fail(error, NTK_CANNOT_CREATE, "state_dir: cannot find %s: %s",
                        config->state_dir, strerror(errno));
    strcpy(config->state_dir, path);
    return prepare_rescores(config, error);
}

/* One daemon a folder: the lock lasts as long as the process. */
static enum ntk_status lock_state(const struct ntk_config *config, struct ntk_error *error)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%.4000s/lock", config->state_dir);
    int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0)
        return ntk_fail(error, NTK_CANNOT_CREATE, "state_dir: cannot write %s: %s", path,
                        strerror(errno));
    if (flock(lock, LOCK_EX | LOCK_NB)) {
        close(lock);
        return ntk_fail(error, NTK_TRY_AGAIN, "state_dir: another ntkuqd uses %s",
                        config->state_dir);
    }
    return NTK_OK;
}

/* The port for scripts that asked for any: the file is there once the daemon answers. */
static enum ntk_status announce_port(const struct ntk_config *config, unsigned port,
                                     struct ntk_error *error)
{
    char text[16];
    int length = snprintf(text, sizeof text, "%u\n", port);
    if (!*config->port_file)
        return NTK_OK;
    return ntk_publish_bytes(config->port_file, text, (size_t)length, 0644, 0, error);
}

/* Requests that run may end; what remains of them is killed, then the jobs, which they ask about.
 */
static void stop(struct ntk_server *server, struct ntk_http *http)
{
    if (http)
        ntk_http_stop(http, STOP_SECONDS);
    else
        ntk_workers_free(server->workers);
    ntk_job_events_free(server->job_events);
    ntk_jobs_free(server->jobs);
    ntk_ledger_health_free(server->ledger_health);
    ntk_watch_free(server->watch);
    ntk_polled_free(server->polled);
    ntk_ledger_free(server->ledger);
    ntk_labels_free(server->labels);
    ntk_registry_free(server->registry);
    ntk_store_close(server->store);
    ntk_inference_stats_free(server->inference_stats);
    ntk_metrics_free(server->metrics);
    ntk_quota_free(server->quota);
    ntk_live_free(server->live);
}

static enum ntk_status load_settings(struct ntk_server *server, struct ntk_error *error)
{
    struct ntk_settings *settings = NULL;
    enum ntk_status status = ntk_settings_create(server->config, &settings, error);
    return status ? status : ntk_live_create(settings, &server->live, error);
}

/* One set of series for each row of the route table. */
static enum ntk_status create_metrics(struct ntk_metrics **out, struct ntk_error *error)
{
    size_t n = ntk_route_count();
    struct ntk_metrics_route *routes = calloc(n, sizeof *routes);
    if (!routes)
        return ntk_fail_memory(error, "the metrics", n * sizeof *routes);
    for (size_t i = 0; i < n; i++) {
        const struct ntk_route *route = ntk_route_at(i);
        routes[i] = (struct ntk_metrics_route){route->method, route->path, route->success};
    }
    enum ntk_status status = ntk_metrics_create(routes, n, out, error);
    free(routes);
    return status;
}

static enum ntk_status start(struct ntk_server *server, struct ntk_http **http, unsigned *port,
                             struct ntk_error *error)
{
    const struct ntk_config *config = server->config;
    enum ntk_status status = lock_state(config, error);
    if (!status)
        ntk_upload_sweep(config->state_dir, "");
    if (!status)
        status = load_settings(server, error);
    if (!status)
        status = ntk_quota_create(&server->quota, error);
    if (!status)
        status = ntk_registry_create(config->state_dir, report_broken, &server->registry, error);
    if (!status)
        status = ntk_store_open(config->state_dir, &server->store, error);
    if (!status)
        ntk_rescore_folder_sweep(config, server->store);
    if (!status)
        status = ntk_ledger_create(server->store, server->registry, &server->ledger, error);
    if (!status)
        status = ntk_labels_create(server->store, &server->labels, error);
    if (!status)
        status = ntk_polled_create(&server->polled, error);
    if (!status)
        status = ntk_watch_create(config, server->store, server->registry, server->ledger,
                                  server->labels, &server->watch, error);
    if (!status)
        status = ntk_jobs_create(config, server->store, server->registry, &server->jobs, error);
    if (!status)
        status = ntk_job_events_create(server->jobs, &server->job_events, error);
    if (!status)
        status = ntk_inference_stats_create(&server->inference_stats, error);
    if (!status)
        status = ntk_workers_create(WORKERS, &server->workers, error);
    if (!status)
        status = create_metrics(&server->metrics, error);
    if (!status)
        status =
            ntk_ledger_health_create(server->ledger, server->watch, &server->ledger_health, error);
    if (!status)
        ntk_metrics_set_health(server->metrics, ntk_ledger_health_write, server->ledger_health);
    if (!status)
        status = ntk_http_start(server, http, port, error);
    return status ? status : announce_port(config, *port, error);
}

/* Until a signal to end; every SIGHUP on the way reads the configuration again. */
static int wait_for_end(struct ntk_server *server, const sigset_t *signals,
                        const struct ntk_config_source *source)
{
    for (int received = 0;;) {
        sigwait(signals, &received);
        if (received != SIGHUP)
            return received;
        ntk_notify_reloading();
        ntk_reload(server, source);
        ntk_notify_ready();
    }
}

static void run(struct ntk_server *server, struct ntk_http *http, unsigned port,
                const sigset_t *signals, const struct ntk_config_source *source)
{
    struct ntk_watchdog *watchdog = NULL;
    struct ntk_error error = {""};
    ntk_log(NTK_LOG_INFO, "start", "ntkuqd %s listens on %s port %u%s", NTK_VERSION,
            server->config->listen_address, port, server->uses_tls ? " with TLS" : "");
    if (ntk_watchdog_create(http, &watchdog, &error))
        ntk_log(NTK_LOG_ERROR, "watchdog", "%s", error.text);
    ntk_notify_ready();
    int received = wait_for_end(server, signals, source);
    ntk_log(NTK_LOG_INFO, "stop", "stopping after signal %d", received);
    ntk_notify_stopping();
    ntk_watchdog_free(watchdog);
}

static int exit_code(enum ntk_status status)
{
    return status == NTK_OK              ? EX_OK
           : status == NTK_TRY_AGAIN     ? EX_TEMPFAIL
           : status == NTK_CANNOT_CREATE ? EX_CANTCREAT
                                         : EX_CONFIG;
}

static int serve(struct ntk_config *config, const struct ntk_config_source *source)
{
    struct ntk_server server = {.config = config};
    struct ntk_http *http = NULL;
    struct ntk_error error = {""};
    unsigned port = 0;
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); /* before any thread: all inherit it */
    ntk_log_start();
    enum ntk_status status = prepare_state(config, &error);
    if (!status)
        status = start(&server, &http, &port, &error);
    if (status)
        ntk_log(NTK_LOG_ERROR, "start", "%s", error.text);
    else
        run(&server, http, port, &signals, source);
    stop(&server, http);
    ntk_log_stop();
    return exit_code(status);
}

/* Prints all problems; the exit code, or 0 when there is none. */
static int report_problems(const struct ntk_config_problems *problems)
{
    for (size_t i = 0; i < problems->n; i++)
        fprintf(stderr, "ntkuqd: %s\n", problems->sentences[i]);
    if (problems->n == 0)
        return EX_OK;
    return problems->configuration ? EX_CONFIG : EX_USAGE;
}

/* Also what the files hold that the configuration names. */
static void check_all(const struct ntk_config *config, struct ntk_config_problems *problems)
{
    struct ntk_settings *settings = NULL;
    struct ntk_error error = {""};
    ntk_config_check(config, problems);
    if (problems->n == 0 && ntk_settings_create(config, &settings, &error))
        ntk_config_problem(problems, "%s", error.text);
    ntk_settings_release(settings);
}

static int act(enum ntk_config_action action, struct ntk_config *config,
               const struct ntk_config_source *source, struct ntk_config_problems *problems)
{
    int code;
    switch (action) {
    case NTK_CONFIG_HELP:
        ntk_config_help(stdout);
        return EX_OK;
    case NTK_CONFIG_VERSION:
        printf("ntkuqd %s\n", NTK_VERSION);
        return EX_OK;
    case NTK_CONFIG_PRINT_TABLE:
        ntk_config_print_table(stdout);
        return EX_OK;
    case NTK_CONFIG_CHECK:
    case NTK_CONFIG_SERVE:
        break;
    }
    check_all(config, problems);
    if (action == NTK_CONFIG_CHECK)
        ntk_config_check_state(config, problems);
    if ((code = report_problems(problems)))
        return code;
    if (action == NTK_CONFIG_CHECK) {
        puts("the configuration is good");
        return EX_OK;
    }
    return serve(config, source);
}

int main(int argc, char **argv)
{
    static struct ntk_config config, loaded;
    const struct ntk_config_source source = {argc, argv, environ, &loaded};
    struct ntk_config_problems problems = {0};
    enum ntk_config_action action = NTK_CONFIG_SERVE;
    if (sodium_init() < 0) {
        fputs("ntkuqd: the cryptographic library cannot be set up\n", stderr);
        return EX_SOFTWARE;
    }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);    /* a file that may not grow is an error of its write */
    openblas_set_num_threads(1); /* a query must not wait for another's BLAS threads */
    ntk_config_load(argc, argv, environ, &config, &action, &problems);
    loaded = config;
    ntk_log_set_level((enum ntk_log_level)config.log_level);
    int code = act(action, &config, &source, &problems);
    ntk_config_problems_clear(&problems);
    return code;
}
