#include "server/http/settings.h"

#include <pthread.h>
#include <stdlib.h>

struct ntk_live {
    pthread_mutex_t lock; /* guards current, and that it is not freed while it is acquired */
    struct ntk_settings *current;
};

enum ntk_status ntk_settings_create(const struct ntk_config *config, struct ntk_settings **out,
                                    struct ntk_error *error)
{
    struct ntk_settings *settings = calloc(1, sizeof *settings);
    if (!settings)
        return ntk_fail_memory(error, "the settings", sizeof *settings);
    settings->config = *config;
    atomic_init(&settings->users, 1);
    enum ntk_status status = ntk_tokens_load(config->token_file, &settings->tokens, error);
    if (!status)
        status = ntk_tls_load(config, &settings->tls, error);
    if (status)
        ntk_settings_release(settings);
    else
        *out = settings;
    return status;
}

void ntk_settings_release(struct ntk_settings *settings)
{
    if (!settings || atomic_fetch_sub(&settings->users, 1) > 1)
        return;
    ntk_tokens_free(settings->tokens);
    ntk_tls_free(settings->tls);
    free(settings);
}

enum ntk_status ntk_live_create(struct ntk_settings *first, struct ntk_live **out,
                                struct ntk_error *error)
{
    struct ntk_live *live = calloc(1, sizeof *live);
    if (!live) {
        ntk_settings_release(first);
        return ntk_fail_memory(error, "the settings", sizeof *live);
    }
    pthread_mutex_init(&live->lock, NULL);
    live->current = first;
    *out = live;
    return NTK_OK;
}

struct ntk_settings *ntk_live_acquire(struct ntk_live *live)
{
    pthread_mutex_lock(&live->lock);
    struct ntk_settings *settings = live->current;
    atomic_fetch_add(&settings->users, 1);
    pthread_mutex_unlock(&live->lock);
    return settings;
}

void ntk_live_publish(struct ntk_live *live, struct ntk_settings *next)
{
    pthread_mutex_lock(&live->lock);
    struct ntk_settings *before = live->current;
    live->current = next;
    pthread_mutex_unlock(&live->lock);
    ntk_settings_release(before);
}

void ntk_live_free(struct ntk_live *live)
{
    if (!live)
        return;
    ntk_settings_release(live->current);
    pthread_mutex_destroy(&live->lock);
    free(live);
}
