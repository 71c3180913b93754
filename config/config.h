/* The daemon's settings.
 *
 * One table (config/options.c) makes everything: what the configuration file, the environment and
 * the flags may say, the help, the documentation and the checks. Later sources win: built-in value,
 * file, environment NTKUQD_<NAME>, flag --name. Every value of every source is checked, also one
 * that is overridden.
 *
 * A struct ntk_config is plain data, written once and read-only from then on.
 */
#ifndef NTK_CONFIG_CONFIG_H
#define NTK_CONFIG_CONFIG_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum ntk_access_log {
    NTK_ACCESS_LOG_OFF,
    NTK_ACCESS_LOG_ERRORS, /* status 400 and above */
    NTK_ACCESS_LOG_WRITES, /* these and all but GET and HEAD */
    NTK_ACCESS_LOG_ALL
};

enum ntk_log_level { NTK_LOG_ERROR, NTK_LOG_WARNING, NTK_LOG_INFO, NTK_LOG_DEBUG };

struct ntk_config {
    char config[PATH_MAX];
    char listen_address[64];
    uint64_t port;
    char port_file[PATH_MAX];
    char state_dir[PATH_MAX];
    char archive_dirs[4096];    /* "/data/a:/data/b"; absolute */
    char rescore_dir[PATH_MAX]; /* "": state_dir/rescores, which the start fills in */
    char ntkuq_program[PATH_MAX];
    char token_file[PATH_MAX];
    uint64_t open_writes;  /* 0 or 1 */
    uint64_t query_tokens; /* 0 or 1 */
    char tls_certificate[PATH_MAX];
    char tls_key[PATH_MAX];
    char tls_client_ca[PATH_MAX];
    char cors_origins[1024];    /* "https://a.example,http://b.example:8080" */
    uint64_t query_rate;        /* requests a second from one client; 0: no limit */
    uint64_t heavy_rate;        /* requests a minute from one client; 0: no limit */
    uint64_t query_concurrency; /* 0: no limit */
    uint64_t heavy_concurrency;
    uint64_t threads; /* never 0 once loaded */
    uint64_t connection_limit;
    uint64_t connection_limit_per_address;
    uint64_t connection_timeout_s;
    uint64_t request_body_bytes;
    uint64_t upload_bytes;
    uint64_t query_timeout_s;
    uint64_t job_timeout_s;
    uint64_t job_memory_bytes;
    uint64_t job_queue;
    uint64_t retention_jobs_days, retention_records_days, retention_truths_days;
    uint64_t retention_versions, retention_datasets_days, retention_rescores_days; /* 0 keeps all */
    uint64_t sandbox;                                                              /* 0 or 1 */
    uint64_t log_level;  /* enum ntk_log_level */
    uint64_t access_log; /* enum ntk_access_log */
};

/* What the command line asks for besides, or instead of, serving. */
enum ntk_config_action {
    NTK_CONFIG_SERVE,
    NTK_CONFIG_HELP,
    NTK_CONFIG_VERSION,
    NTK_CONFIG_CHECK,
    NTK_CONFIG_PRINT_TABLE,
};

/* Everything that is wrong, a sentence each, with its source. */
struct ntk_config_problems {
    size_t n;
    char **sentences;
    int usage;         /* some were about the command line's form */
    int configuration; /* some were about a value */
};

/* Reads all sources into *out and appends what is wrong to *problems (zeroed by the caller, cleared
 * with ntk_config_problems_clear). `environment` ends with NULL. *out is only fit for serving when
 * there are no problems. */
void ntk_config_load(int argc, char *const *argv, char *const *environment, struct ntk_config *out,
                     enum ntk_config_action *action, struct ntk_config_problems *problems);

/* Looks at the machine and at options that do not go together: the mode of token and key file, the
 * program, an address beyond loopback without a token. Appends to *problems. */
void ntk_config_check(const struct ntk_config *config, struct ntk_config_problems *problems);

/* Whether state_dir and rescore_dir can be written or, where one is missing, made, and archive_dirs
 * read; makes nothing. */
void ntk_config_check_state(const struct ntk_config *config, struct ntk_config_problems *problems);

/* Readies `fresh`, as loaded, for a daemon that runs with `running` and was started with `loaded`:
 * an option that a running daemon cannot change keeps its running value, and a sentence about each
 * whose loaded value differs is appended to *kept. */
void ntk_config_keep_fixed(const struct ntk_config *loaded, const struct ntk_config *running,
                           struct ntk_config *fresh, struct ntk_config_problems *kept);

void ntk_config_problem(struct ntk_config_problems *problems, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void ntk_config_problems_clear(struct ntk_config_problems *problems);

/* The help, and the same table as Markdown, as docs/configuration.md has it. */
void ntk_config_help(FILE *stream);
void ntk_config_print_table(FILE *stream);

/* The next of archive_dirs, from *at on, which moves behind it; 0 after the last. */
int ntk_config_next_folder(const char **at, char *out, size_t size);

/* 1 when a numeric address is one of this machine's loopback addresses. */
int ntk_config_is_loopback(const char *address);

#endif
