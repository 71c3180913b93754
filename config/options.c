#include "config/options.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define FIELD(name) #name
#define PLACE(name) offsetof(struct ntk_config, name), sizeof((struct ntk_config *)0)->name
#define MIB         ((uint64_t)1 << 20)
#define GIB         ((uint64_t)1 << 30)

const struct ntk_option ntk_options[] = {
    {FIELD(config), NTK_OPTION_PATH, PLACE(config), 0, 0, NULL, "", "none",
     "JSON file with an object of these options; this one cannot be in it", NTK_OPTION_FIXED},
    {FIELD(listen_address), NTK_OPTION_ADDRESS, PLACE(listen_address), 0, 0, NULL, "127.0.0.1",
     NULL, "IPv4 or IPv6 address to listen on; beyond loopback a token_file is needed",
     NTK_OPTION_FIXED},
    {FIELD(port), NTK_OPTION_INTEGER, PLACE(port), 0, 65535, NULL, "8734", NULL,
     "TCP port; 0 takes any free one", NTK_OPTION_FIXED},
    {FIELD(port_file), NTK_OPTION_PATH, PLACE(port_file), 0, 0, NULL, "", "none",
     "file that receives the port once the daemon listens, for scripts", NTK_OPTION_FIXED},
    {FIELD(state_dir), NTK_OPTION_PATH, PLACE(state_dir), 0, 0, NULL, "/var/lib/ntkuqd", NULL,
     "folder of datasets and calibrations; made if missing", NTK_OPTION_FIXED},
    {FIELD(archive_dirs), NTK_OPTION_TEXT, PLACE(archive_dirs), 0, 0, NULL, "", "none",
     "folders, absolute, separated by `:` or `,`, whose archives POST /v1/rescore may read; "
     "without any it is refused",
     NTK_OPTION_FIXED},
    {FIELD(rescore_dir), NTK_OPTION_PATH, PLACE(rescore_dir), 0, 0, NULL, "",
     "`rescores` in state_dir", "folder of what POST /v1/rescore makes; made if missing",
     NTK_OPTION_FIXED},
    {FIELD(ntkuq_program), NTK_OPTION_PATH, PLACE(ntkuq_program), 0, 0, NULL, "",
     "the `ntkuq` beside `ntkuqd`", "program that parses files and fits, one process a job",
     NTK_OPTION_FIXED},
    {FIELD(token_file), NTK_OPTION_PATH, PLACE(token_file), 0, 0, NULL, "", "none",
     "file of bearer tokens, `[SCOPE[,SCOPE]] TOKEN` a line, closed to other users; requests that "
     "write must carry one",
     NTK_OPTION_LIVE},
    {FIELD(open_writes), NTK_OPTION_CHOICE, PLACE(open_writes), 0, 0, "off|on", "off", NULL,
     "whether requests that write are taken without a token; on loopback, where there is no "
     "token_file",
     NTK_OPTION_LIVE},
    {FIELD(query_tokens), NTK_OPTION_CHOICE, PLACE(query_tokens), 0, 0, "off|on", "off", NULL,
     "whether requests that read need a token too", NTK_OPTION_LIVE},
    {FIELD(tls_certificate), NTK_OPTION_PATH, PLACE(tls_certificate), 0, 0, NULL, "", "none",
     "PEM file with the certificate chain; with it only TLS 1.2 and 1.3 are spoken",
     NTK_OPTION_LIVE},
    {FIELD(tls_key), NTK_OPTION_PATH, PLACE(tls_key), 0, 0, NULL, "", "none",
     "PEM file with its private key, closed to other users", NTK_OPTION_LIVE},
    {FIELD(tls_client_ca), NTK_OPTION_PATH, PLACE(tls_client_ca), 0, 0, NULL, "", "none",
     "PEM file of authorities; a client without a certificate from one of them is refused",
     NTK_OPTION_LIVE},
    {FIELD(cors_origins), NTK_OPTION_TEXT, PLACE(cors_origins), 0, 0, NULL, "", "none",
     "origins whose pages may ask from a browser, separated by commas, as `https://a.example`",
     NTK_OPTION_LIVE},
    {FIELD(query_rate), NTK_OPTION_INTEGER, PLACE(query_rate), 0, 1000000, NULL, "0", NULL,
     "queries a second from one client; more are refused with 429; 0 is no limit", NTK_OPTION_LIVE},
    {FIELD(heavy_rate), NTK_OPTION_INTEGER, PLACE(heavy_rate), 0, 1000000, NULL, "0", NULL,
     "uploads, NetCDF queries, fits, rescores and downloads of their files a minute from one "
     "client; more are refused with 429; 0 is no limit",
     NTK_OPTION_LIVE},
    {FIELD(query_concurrency), NTK_OPTION_INTEGER, PLACE(query_concurrency), 0, 1000000, NULL,
     "256", NULL, "queries at once; more are refused with 503; 0 is no limit", NTK_OPTION_LIVE},
    {FIELD(heavy_concurrency), NTK_OPTION_INTEGER, PLACE(heavy_concurrency), 0, 1000000, NULL, "16",
     NULL,
     "uploads, NetCDF queries, fits and rescores asked for, and downloads of files at once; more "
     "are refused with 503; 0 is no limit",
     NTK_OPTION_LIVE},
    {FIELD(threads), NTK_OPTION_INTEGER, PLACE(threads), 0, 256, NULL, "0", NULL,
     "threads that answer requests; 0 is one for each processor", NTK_OPTION_FIXED},
    {FIELD(connection_limit), NTK_OPTION_INTEGER, PLACE(connection_limit), 1, 1000000, NULL, "1024",
     NULL, "connections at once", NTK_OPTION_FIXED},
    {FIELD(connection_limit_per_address), NTK_OPTION_INTEGER, PLACE(connection_limit_per_address),
     0, 1000000, NULL, "0", NULL, "connections at once from one address; 0 is no limit",
     NTK_OPTION_FIXED},
    {FIELD(connection_timeout_s), NTK_OPTION_SECONDS, PLACE(connection_timeout_s), 1, 86400, NULL,
     "30", NULL, "a connection that is silent for so long is closed", NTK_OPTION_FIXED},
    {FIELD(request_body_bytes), NTK_OPTION_BYTES, PLACE(request_body_bytes), 1024, 4 * GIB, NULL,
     "64MiB", NULL, "largest body of a request that is held in memory", NTK_OPTION_LIVE},
    {FIELD(upload_bytes), NTK_OPTION_BYTES, PLACE(upload_bytes), 1024, 1024 * GIB, NULL, "8GiB",
     NULL, "largest NetCDF body", NTK_OPTION_LIVE},
    {FIELD(query_timeout_s), NTK_OPTION_SECONDS, PLACE(query_timeout_s), 1, 86400, NULL, "300",
     NULL, "longest work on one uploaded archive or NetCDF query", NTK_OPTION_FIXED},
    {FIELD(job_timeout_s), NTK_OPTION_SECONDS, PLACE(job_timeout_s), 1, 30 * 86400, NULL, "21600",
     NULL, "longest run of a job", NTK_OPTION_FIXED},
    {FIELD(job_memory_bytes), NTK_OPTION_BYTES, PLACE(job_memory_bytes), 64 * MIB, 65536 * GIB,
     NULL, "16GiB", NULL, "address space of a process that parses or fits", NTK_OPTION_FIXED},
    {FIELD(job_queue), NTK_OPTION_INTEGER, PLACE(job_queue), 1, 10000, NULL, "16", NULL,
     "jobs that may wait; more are refused with 503", NTK_OPTION_FIXED},
    {FIELD(retention_jobs_days), NTK_OPTION_INTEGER, PLACE(retention_jobs_days), 0, 100000, NULL,
     "90", NULL, "jobs that ended longer ago are forgotten; 0 keeps all", NTK_OPTION_FIXED},
    {FIELD(retention_records_days), NTK_OPTION_INTEGER, PLACE(retention_records_days), 0, 100000,
     NULL, "0", NULL, "issued intervals of older reference times are forgotten; 0 keeps all",
     NTK_OPTION_FIXED},
    {FIELD(retention_truths_days), NTK_OPTION_INTEGER, PLACE(retention_truths_days), 0, 100000,
     NULL, "0", NULL, "truths of older reference times are forgotten; 0 keeps all",
     NTK_OPTION_FIXED},
    {FIELD(retention_versions), NTK_OPTION_INTEGER, PLACE(retention_versions), 0, 100000, NULL, "0",
     NULL,
     "newest versions of a calibration that are kept; 0 keeps all, and labels and records keep "
     "theirs",
     NTK_OPTION_FIXED},
    {FIELD(retention_datasets_days), NTK_OPTION_INTEGER, PLACE(retention_datasets_days), 0, 100000,
     NULL, "0", NULL, "datasets uploaded longer ago are removed; 0 keeps all", NTK_OPTION_FIXED},
    {FIELD(retention_rescores_days), NTK_OPTION_INTEGER, PLACE(retention_rescores_days), 0, 100000,
     NULL, "0", NULL,
     "results of rescores that ended longer ago are removed; 0 keeps all, and one that waits or "
     "runs keeps its files",
     NTK_OPTION_FIXED},
    {FIELD(sandbox), NTK_OPTION_CHOICE, PLACE(sandbox), 0, 0, "off|on", "on", NULL,
     "whether files are parsed in the jail", NTK_OPTION_FIXED},
    {FIELD(log_level), NTK_OPTION_CHOICE, PLACE(log_level), 0, 0, "error|warning|info|debug",
     "info", NULL, "least important line that is logged", NTK_OPTION_LIVE},
    {FIELD(access_log), NTK_OPTION_CHOICE, PLACE(access_log), 0, 0, "off|errors|writes|all",
     "writes", NULL,
     "requests that are logged, a line each: none, those refused or failed, also those that "
     "write or query, all",
     NTK_OPTION_LIVE},
};
const size_t ntk_options_count = sizeof ntk_options / sizeof *ntk_options;

static int is_same_name(const char *known, const char *name, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (known[i] != (name[i] == '-' ? '_' : name[i]))
            return 0;
    }
    return known[length] == 0;
}

const struct ntk_option *ntk_option_find(const char *name, size_t length)
{
    for (size_t i = 0; i < ntk_options_count; i++) {
        if (strlen(ntk_options[i].name) == length &&
            is_same_name(ntk_options[i].name, name, length))
            return &ntk_options[i];
    }
    return NULL;
}

void ntk_option_expected(const struct ntk_option *option, char *out, size_t size)
{
    switch (option->type) {
    case NTK_OPTION_PATH:
        snprintf(out, size, "a path of 1 to %zu bytes", option->size - 1);
        break;
    case NTK_OPTION_ADDRESS:
        snprintf(out, size, "an IPv4 or IPv6 address in numbers");
        break;
    case NTK_OPTION_INTEGER:
        snprintf(out, size, "a whole number from %" PRIu64 " to %" PRIu64, option->least,
                 option->most);
        break;
    case NTK_OPTION_SECONDS:
        snprintf(out, size, "whole seconds from %" PRIu64 " to %" PRIu64, option->least,
                 option->most);
        break;
    case NTK_OPTION_BYTES:
        snprintf(out, size, "bytes from %" PRIu64 " to %" PRIu64 ", also as KiB, MiB or GiB",
                 option->least, option->most);
        break;
    case NTK_OPTION_CHOICE:
        snprintf(out, size, "%s", option->choices);
        break;
    case NTK_OPTION_TEXT:
        snprintf(out, size, "text of up to %zu bytes", option->size - 1);
        break;
    }
}

static int parse_number(const char *text, const char **rest, uint64_t *out)
{
    char *end;
    if (!isdigit((unsigned char)*text))
        return 0;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno)
        return 0;
    *rest = end;
    *out = number;
    return 1;
}

static int unit_shift(const char *unit)
{
    static const struct {
        const char *name;
        int shift;
    } units[] = {{"", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (!strcmp(unit, units[i].name))
            return units[i].shift;
    }
    return -1;
}

static int set_number(const struct ntk_option *option, const char *value, uint64_t *field)
{
    const char *rest;
    uint64_t number;
    if (!parse_number(value, &rest, &number))
        return 0;
    int shift = option->type == NTK_OPTION_BYTES ? unit_shift(rest) : *rest ? -1 : 0;
    if (shift < 0 || number > (UINT64_MAX >> shift))
        return 0;
    number <<= shift;
    if (number < option->least || number > option->most)
        return 0;
    *field = number;
    return 1;
}

static int set_choice(const struct ntk_option *option, const char *value, uint64_t *field)
{
    size_t length = strlen(value);
    uint64_t position = 0;
    for (const char *choice = option->choices; *choice; position++) {
        size_t size = strcspn(choice, "|");
        if (size == length && !strncmp(choice, value, size)) {
            *field = position;
            return 1;
        }
        choice += size + (choice[size] == '|');
    }
    return 0;
}

static int set_text(const struct ntk_option *option, const char *value, char *field)
{
    unsigned char address[16];
    size_t length = strlen(value);
    if (length >= option->size)
        return 0;
    if (option->type == NTK_OPTION_ADDRESS && inet_pton(AF_INET, value, address) != 1 &&
        inet_pton(AF_INET6, value, address) != 1)
        return 0;
    memcpy(field, value, length + 1);
    return 1;
}

enum ntk_status ntk_option_set(const struct ntk_option *option, const char *value,
                               struct ntk_config *config, struct ntk_error *error)
{
    char expected[200];
    void *field = (char *)config + option->offset;
    int done = 0;
    switch (option->type) {
    case NTK_OPTION_PATH:
    case NTK_OPTION_ADDRESS:
    case NTK_OPTION_TEXT:
        done = set_text(option, value, field);
        break;
    case NTK_OPTION_INTEGER:
    case NTK_OPTION_SECONDS:
    case NTK_OPTION_BYTES:
        done = set_number(option, value, field);
        break;
    case NTK_OPTION_CHOICE:
        done = set_choice(option, value, field);
        break;
    }
    if (done)
        return NTK_OK;
    ntk_option_expected(option, expected, sizeof expected);
    return ntk_fail(error, NTK_USAGE, "'%.80s' was found, %s was expected", value, expected);
}

static int is_same_value(const struct ntk_option *option, const void *a, const void *b)
{
    switch (option->type) {
    case NTK_OPTION_PATH:
    case NTK_OPTION_ADDRESS:
    case NTK_OPTION_TEXT:
        return !strcmp(a, b);
    case NTK_OPTION_INTEGER:
    case NTK_OPTION_SECONDS:
    case NTK_OPTION_BYTES:
    case NTK_OPTION_CHOICE:
        break;
    }
    return *(const uint64_t *)a == *(const uint64_t *)b;
}

void ntk_config_keep_fixed(const struct ntk_config *loaded, const struct ntk_config *running,
                           struct ntk_config *fresh, struct ntk_config_problems *kept)
{
    for (size_t i = 0; i < ntk_options_count; i++) {
        const struct ntk_option *option = &ntk_options[i];
        char *field = (char *)fresh + option->offset;
        if (option->change == NTK_OPTION_LIVE)
            continue;
        if (!is_same_value(option, field, (const char *)loaded + option->offset))
            ntk_config_problem(kept, "%s: changes with a restart only, the old value is kept",
                               option->name);
        memcpy(field, (const char *)running + option->offset, option->size);
    }
}
