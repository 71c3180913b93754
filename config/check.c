#include "config/config.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/secret.h"

int ntk_config_is_loopback(const char *address)
{
    struct in_addr four;
    struct in6_addr six;
    if (inet_pton(AF_INET, address, &four) == 1)
        return (ntohl(four.s_addr) >> 24) == 127;
    return inet_pton(AF_INET6, address, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

static void check_secret(const char *option, const char *path, struct ntk_config_problems *problems)
{
    char *secret = NULL;
    size_t size = 0;
    struct ntk_error error;
    if (ntk_secret_read(option, path, &secret, &size, &error))
        ntk_config_problem(problems, "%s", error.text);
    ntk_secret_free(secret, size);
}

static void check_tokens(const struct ntk_config *config, struct ntk_config_problems *problems)
{
    int loopback = ntk_config_is_loopback(config->listen_address);
    if (*config->token_file)
        check_secret("token_file", config->token_file, problems);
    if (!*config->token_file && !loopback)
        ntk_config_problem(problems,
                           "listen_address: %s can be reached from other machines, a token_file "
                           "was expected with it",
                           config->listen_address);
    if (!*config->token_file && config->query_tokens)
        ntk_config_problem(problems, "query_tokens: on without a token_file, which has none");
    if (*config->token_file && config->open_writes)
        ntk_config_problem(problems,
                           "open_writes: on beside a token_file, one of them was expected");
}

static void check_tls(const struct ntk_config *config, struct ntk_config_problems *problems)
{
    int certificate = *config->tls_certificate != 0, key = *config->tls_key != 0;
    if (certificate != key)
        ntk_config_problem(problems, "%s: is missing, it belongs to %s",
                           certificate ? "tls_key" : "tls_certificate",
                           certificate ? "tls_certificate" : "tls_key");
    if (*config->tls_client_ca && !certificate)
        ntk_config_problem(problems, "tls_certificate: is missing, tls_client_ca needs one");
    if (key)
        check_secret("tls_key", config->tls_key, problems);
}

/* What a browser sends as Origin: scheme and host, no path. */
static int is_origin(const char *text, size_t length)
{
    size_t scheme = !strncmp(text, "https://", 8) ? 8 : !strncmp(text, "http://", 7) ? 7 : 0;
    if (!scheme || scheme >= length)
        return 0;
    for (size_t i = scheme; i < length; i++) {
        if (!isgraph((unsigned char)text[i]) || strchr("/?#@*\\\"", text[i]))
            return 0;
    }
    return 1;
}

static void check_origins(const struct ntk_config *config, struct ntk_config_problems *problems)
{
    for (const char *at = config->cors_origins; *at;) {
        size_t length = strcspn(at, ",");
        if (!is_origin(at, length))
            ntk_config_problem(problems,
                               "cors_origins: '%.*s' was found, an origin such as "
                               "https://a.example was expected",
                               (int)length, at);
        at += length + (at[length] == ',');
    }
}

int ntk_config_next_folder(const char **at, char *out, size_t size)
{
    *at += strspn(*at, ":,");
    size_t length = strcspn(*at, ":,");
    snprintf(out, size, "%.*s", (int)length, *at);
    *at += length;
    return length > 0;
}

static void check_archives(const struct ntk_config *config, struct ntk_config_problems *problems)
{
    char folder[sizeof config->archive_dirs];
    for (const char *at = config->archive_dirs;
         ntk_config_next_folder(&at, folder, sizeof folder);) {
        if (*folder != '/')
            ntk_config_problem(problems,
                               "archive_dirs: '%s' was found, an absolute path was "
                               "expected",
                               folder);
    }
}

static void look_for_archives(const struct ntk_config *config, struct ntk_config_problems *problems)
{
    char folder[sizeof config->archive_dirs];
    struct stat info;
    for (const char *at = config->archive_dirs;
         ntk_config_next_folder(&at, folder, sizeof folder);) {
        if (stat(folder, &info) || access(folder, R_OK | X_OK))
            ntk_config_problem(problems, "archive_dirs: cannot read %s: %s", folder,
                               strerror(errno));
        else if (!S_ISDIR(info.st_mode))
            ntk_config_problem(problems, "archive_dirs: %s is not a folder", folder);
    }
}

static void check_folder(const char *option, const char *folder,
                         struct ntk_config_problems *problems)
{
    char path[PATH_MAX];
    struct stat info;
    if (!*folder)
        return;
    snprintf(path, sizeof path, "%s", folder);
    if (stat(path, &info) && errno == ENOENT) { /* only its last part may be missing */
        size_t length = strlen(path);
        while (length > 1 && path[length - 1] == '/')
            path[--length] = 0;
        char *slash = strrchr(path, '/');
        snprintf(path, sizeof path, "%.*s", slash ? (int)(slash - path) + 1 : 1,
                 slash ? folder : ".");
    }
    if (stat(path, &info))
        ntk_config_problem(problems, "%s: cannot make %s: %s", option, folder, strerror(errno));
    else if (!S_ISDIR(info.st_mode))
        ntk_config_problem(problems, "%s: %s is not a folder", option, path);
    else if (access(path, R_OK | W_OK | X_OK))
        ntk_config_problem(problems, "%s: cannot write in %s: %s", option, path, strerror(errno));
}

void ntk_config_check_state(const struct ntk_config *config, struct ntk_config_problems *problems)
{
    check_folder("state_dir", config->state_dir, problems);
    check_folder("rescore_dir", config->rescore_dir, problems);
    look_for_archives(config, problems);
}

static void check_program(const struct ntk_config *config, struct ntk_config_problems *problems)
{
    struct stat info;
    if (stat(config->ntkuq_program, &info))
        ntk_config_problem(problems, "ntkuq_program: cannot run %s: %s", config->ntkuq_program,
                           strerror(errno));
    else if (!S_ISREG(info.st_mode) || access(config->ntkuq_program, X_OK))
        ntk_config_problem(problems, "ntkuq_program: %s is not a program that can be run",
                           config->ntkuq_program);
}

void ntk_config_check(const struct ntk_config *config, struct ntk_config_problems *problems)
{
    if (!*config->state_dir)
        ntk_config_problem(problems, "state_dir: is empty, a folder was expected");
    check_tokens(config, problems);
    check_tls(config, problems);
    check_origins(config, problems);
    check_archives(config, problems);
    check_program(config, problems);
}
