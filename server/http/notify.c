#include "server/http/notify.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "server/log.h"

struct ntk_watchdog {
    struct ntk_http *http;
    uint64_t interval_us; /* of WATCHDOG_USEC; immutable, as is http */
    pthread_t thread;
    pthread_mutex_t lock; /* guards stopping */
    pthread_cond_t changed;
    int stopping;
};

void ntk_notify_ready(void)
{
    sd_notify(0, "READY=1");
}

void ntk_notify_reloading(void)
{
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu",
               (unsigned long long)(ntk_request_now_ns() / 1000));
}

void ntk_notify_stopping(void)
{
    sd_notify(0, "STOPPING=1");
}

/* Waits half an interval; false when the watchdog is to end. */
static int wait_for_turn(struct ntk_watchdog *watchdog)
{
    uint64_t until_ns = ntk_request_now_ns() + watchdog->interval_us * 500;
    const struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000),
                                   .tv_nsec = (long)(until_ns % 1000000000)};
    pthread_mutex_lock(&watchdog->lock);
    while (!watchdog->stopping &&
           !pthread_cond_timedwait(&watchdog->changed, &watchdog->lock, &until))
        continue;
    int stopping = watchdog->stopping;
    pthread_mutex_unlock(&watchdog->lock);
    return !stopping;
}

static void *watch(void *argument)
{
    struct ntk_watchdog *watchdog = argument;
    unsigned long beats = 0;
    /* A probe connects, sends and receives: three steps in less than a quarter of the interval. */
    unsigned timeout_ms = (unsigned)(watchdog->interval_us / 16000) + 1;
    while (wait_for_turn(watchdog)) {
        if (ntk_http_lives(watchdog->http, &beats, timeout_ms))
            sd_notify(0, "WATCHDOG=1");
        else
            ntk_log(NTK_LOG_ERROR, "watchdog", "no request was answered within %u ms", timeout_ms);
    }
    return NULL;
}

static void set_up(struct ntk_watchdog *watchdog)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&watchdog->lock, NULL);
    pthread_cond_init(&watchdog->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

static void take_down(struct ntk_watchdog *watchdog)
{
    pthread_cond_destroy(&watchdog->changed);
    pthread_mutex_destroy(&watchdog->lock);
    free(watchdog);
}

enum ntk_status ntk_watchdog_create(struct ntk_http *http, struct ntk_watchdog **out,
                                    struct ntk_error *error)
{
    uint64_t interval_us = 0;
    if (sd_watchdog_enabled(0, &interval_us) <= 0) {
        *out = NULL;
        return NTK_OK;
    }
    struct ntk_watchdog *watchdog = calloc(1, sizeof *watchdog);
    if (!watchdog)
        return ntk_fail_memory(error, "the watchdog", sizeof *watchdog);
    watchdog->http = http;
    watchdog->interval_us = interval_us;
    set_up(watchdog);
    int reason = pthread_create(&watchdog->thread, NULL, watch, watchdog);
    if (reason) {
        take_down(watchdog);
        return ntk_fail(error, NTK_TRY_AGAIN, "cannot start the watchdog: %s", strerror(reason));
    }
    *out = watchdog;
    return NTK_OK;
}

void ntk_watchdog_free(struct ntk_watchdog *watchdog)
{
    if (!watchdog)
        return;
    pthread_mutex_lock(&watchdog->lock);
    watchdog->stopping = 1;
    pthread_cond_signal(&watchdog->changed);
    pthread_mutex_unlock(&watchdog->lock);
    pthread_join(watchdog->thread, NULL);
    take_down(watchdog);
}
