#include "server/http/reload.h"

#include "server/http/settings.h"
#include "server/log.h"

static void log_all(enum ntk_log_level level, const struct ntk_config_problems *problems)
{
    for (size_t i = 0; i < problems->n; i++)
        ntk_log(level, "reload", "%s", problems->sentences[i]);
}

/* Everything is read and checked before anything changes. */
static struct ntk_settings *read_settings(const struct ntk_server *server,
                                          const struct ntk_config_source *source,
                                          struct ntk_config_problems *problems,
                                          struct ntk_config_problems *kept)
{
    struct ntk_config fresh;
    enum ntk_config_action action;
    struct ntk_error error = {""};
    struct ntk_settings *settings = NULL;
    ntk_config_load(source->argc, source->argv, source->environment, &fresh, &action, problems);
    ntk_config_keep_fixed(source->loaded, server->config, &fresh, kept);
    ntk_config_check(&fresh, problems);
    if ((*fresh.tls_certificate != 0) != server->uses_tls)
        ntk_config_problem(problems, "tls_certificate: TLS is switched %s with a restart only",
                           server->uses_tls ? "off" : "on");
    if (problems->n == 0 && ntk_settings_create(&fresh, &settings, &error))
        ntk_config_problem(problems, "%s", error.text);
    return settings;
}

void ntk_reload(struct ntk_server *server, const struct ntk_config_source *source)
{
    struct ntk_config_problems problems = {0}, kept = {0};
    struct ntk_settings *settings = read_settings(server, source, &problems, &kept);
    if (settings) {
        ntk_log_set_level((enum ntk_log_level)settings->config.log_level);
        ntk_live_publish(server->live, settings);
        log_all(NTK_LOG_WARNING, &kept);
        ntk_log(NTK_LOG_INFO, "reload", "the new configuration is in use");
    } else {
        log_all(NTK_LOG_ERROR, &problems);
        ntk_log(NTK_LOG_ERROR, "reload", "the configuration stays as it was");
    }
    ntk_config_problems_clear(&problems);
    ntk_config_problems_clear(&kept);
}
