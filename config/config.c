#include "config/config.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/options.h"

#define ENVIRONMENT_PREFIX "NTKUQD_"

void ntk_config_problem(struct ntk_config_problems *problems, const char *format, ...)
{
    va_list arguments;
    char *sentence = NULL;
    va_start(arguments, format);
    int length = vasprintf(&sentence, format, arguments);
    va_end(arguments);
    problems->configuration = 1;
    char **grown = realloc(problems->sentences, (problems->n + 1) * sizeof *grown);
    if (length < 0 || !grown) {
        fputs("ntkuqd: no memory to say what is wrong with the configuration\n", stderr);
        abort();
    }
    grown[problems->n++] = sentence;
    problems->sentences = grown;
}

void ntk_config_problems_clear(struct ntk_config_problems *problems)
{
    for (size_t i = 0; i < problems->n; i++)
        free(problems->sentences[i]);
    free(problems->sentences);
    *problems = (struct ntk_config_problems){0};
}

static void set_option(const struct ntk_option *option, const char *source, const char *value,
                       struct ntk_config *out, struct ntk_config_problems *problems)
{
    struct ntk_error error = {""};
    if (ntk_option_set(option, value, out, &error))
        ntk_config_problem(problems, "%s: %s", source, error.text);
}

static void usage_problem(struct ntk_config_problems *problems, const char *argument,
                          const char *complaint)
{
    int configuration = problems->configuration;
    ntk_config_problem(problems, "%s: %s; see ntkuqd --help", argument, complaint);
    problems->configuration = configuration;
    problems->usage = 1;
}

/* ---- the file ------------------------------------------------------------------------------- */

/* A string, number or boolean as the text that the option's parser reads; 0 for anything else. */
static int value_as_text(const json_t *value, char *out, size_t size)
{
    int length = -1;
    if (json_is_string(value) && strlen(json_string_value(value)) == json_string_length(value))
        length = snprintf(out, size, "%s", json_string_value(value));
    else if (json_is_integer(value))
        length = snprintf(out, size, "%lld", (long long)json_integer_value(value));
    else if (json_is_boolean(value))
        length = snprintf(out, size, "%s", json_is_true(value) ? "on" : "off");
    return length >= 0 && (size_t)length < size;
}

static void set_member(const char *path, const char *name, const json_t *value,
                       struct ntk_config *out, struct ntk_config_problems *problems)
{
    char source[PATH_MAX + 100], text[PATH_MAX + 1], expected[200];
    const struct ntk_option *option = ntk_option_find(name, strlen(name));
    snprintf(source, sizeof source, "%s, %.60s", path, name);
    if (!option || option == ntk_options) {
        ntk_config_problem(problems, "%s: there is no such option in a file; see ntkuqd --help",
                           source);
    } else if (!value_as_text(value, text, sizeof text)) {
        ntk_option_expected(option, expected, sizeof expected);
        ntk_config_problem(problems, "%s: %s was expected", source, expected);
    } else {
        set_option(option, source, text, out, problems);
    }
}

static void load_file(const char *path, struct ntk_config *out,
                      struct ntk_config_problems *problems)
{
    json_error_t reason;
    const char *name;
    json_t *value, *file = json_load_file(path, JSON_REJECT_DUPLICATES, &reason);
    if (!file && reason.line < 1) {
        ntk_config_problem(problems, "%s: cannot be read: %s", path, strerror(errno));
        return;
    }
    if (!file) {
        ntk_config_problem(problems, "%s: line %d is not JSON: %s", path, reason.line, reason.text);
        return;
    }
    if (!json_is_object(file))
        ntk_config_problem(problems, "%s: a JSON object of options was expected", path);
    json_object_foreach(file, name, value) set_member(path, name, value, out, problems);
    json_decref(file);
}

/* ---- environment ---------------------------------------------------------------------------- */

/* NTKUQD_PORT=8080 names the option `port`; *value is what follows. */
static const struct ntk_option *find_variable(const char *entry, const char **value)
{
    char name[64] = "";
    size_t prefix = strlen(ENVIRONMENT_PREFIX), length = strcspn(entry, "=");
    if (length >= prefix + sizeof name || !entry[length])
        return NULL;
    for (size_t i = prefix; i < length; i++)
        name[i - prefix] = (char)tolower((unsigned char)entry[i]);
    *value = entry + length + 1;
    return ntk_option_find(name, length - prefix);
}

static void load_environment(char *const *environment, struct ntk_config *out,
                             struct ntk_config_problems *problems)
{
    for (; *environment; environment++) {
        const char *entry = *environment, *value = NULL;
        int length = (int)strcspn(entry, "=");
        char source[100];
        if (strncmp(entry, ENVIRONMENT_PREFIX, strlen(ENVIRONMENT_PREFIX)))
            continue;
        snprintf(source, sizeof source, "environment %.*s", length, entry);
        const struct ntk_option *option = find_variable(entry, &value);
        if (option)
            set_option(option, source, value, out, problems);
        else
            ntk_config_problem(problems, "%s: there is no such option; see ntkuqd --help", source);
    }
}

/* ---- flags ---------------------------------------------------------------------------------- */

static int find_action(const char *argument, enum ntk_config_action *action)
{
    static const struct {
        const char *flag;
        enum ntk_config_action action;
    } actions[] = {{"--help", NTK_CONFIG_HELP},
                   {"--version", NTK_CONFIG_VERSION},
                   {"--check-config", NTK_CONFIG_CHECK},
                   {"--print-config-table", NTK_CONFIG_PRINT_TABLE}};
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
        if (!strcmp(argument, actions[i].flag)) {
            *action = actions[i].action;
            return 1;
        }
    }
    return 0;
}

/* Whether what follows an unknown flag looks like its value, of which nothing more need be said. */
static int has_value_after(int argc, char *const *argv, int at)
{
    return !strncmp(argv[at], "--", 2) && !strchr(argv[at], '=') && at + 1 < argc &&
           argv[at + 1][0] != '-';
}

/* Reads argv[at]; gives the number of arguments taken. */
static int load_flag(int argc, char *const *argv, int at, struct ntk_config *out,
                     enum ntk_config_action *action, struct ntk_config_problems *problems)
{
    const char *argument = argv[at];
    if (find_action(argument, action))
        return 1;
    size_t length = strcspn(argument, "=");
    const struct ntk_option *option =
        strncmp(argument, "--", 2) ? NULL : ntk_option_find(argument + 2, length - 2);
    if (!option) {
        usage_problem(problems, argument, "there is no such flag");
        return 1 + has_value_after(argc, argv, at);
    }
    const char *value = argument[length] ? argument + length + 1 : NULL;
    int taken = 1;
    if (!value && at + 1 < argc) {
        value = argv[at + 1];
        taken = 2;
    }
    if (value)
        set_option(option, argument, value, out, problems);
    else
        usage_problem(problems, argument, "a value was expected after it");
    return taken;
}

static void load_flags(int argc, char *const *argv, struct ntk_config *out,
                       enum ntk_config_action *action, struct ntk_config_problems *problems)
{
    for (int at = 1; at < argc;)
        at += load_flag(argc, argv, at, out, action, problems);
}

/* ---- all sources ---------------------------------------------------------------------------- */

static void load_defaults(struct ntk_config *out)
{
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < ntk_options_count; i++) {
        if (ntk_option_set(&ntk_options[i], ntk_options[i].fallback, out, NULL))
            abort();
    }
}

/* The path of `name` in the folder of this program. */
static void find_beside(const char *name, char *out, size_t size)
{
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length < 0)
        length = 0;
    self[length] = 0;
    char *slash = strrchr(self, '/');
    if (slash)
        *slash = 0;
    if (snprintf(out, size, "%s/%s", slash ? self : ".", name) >= (int)size)
        *out = 0;
}

static void complete(struct ntk_config *out)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    if (!*out->ntkuq_program)
        find_beside("ntkuq", out->ntkuq_program, sizeof out->ntkuq_program);
    if (!out->threads)
        out->threads = processors < 1 ? 1 : processors > 256 ? 256 : (uint64_t)processors;
    if (out->threads > out->connection_limit)
        out->threads = out->connection_limit;
}

void ntk_config_load(int argc, char *const *argv, char *const *environment, struct ntk_config *out,
                     enum ntk_config_action *action, struct ntk_config_problems *problems)
{
    struct ntk_config_problems ignored = {0};
    *action = NTK_CONFIG_SERVE;
    /* Which file to read is known only after the environment and the flags were looked at once. */
    load_defaults(out);
    load_environment(environment, out, &ignored);
    load_flags(argc, argv, out, action, &ignored);
    ntk_config_problems_clear(&ignored);
    char file[PATH_MAX];
    memcpy(file, out->config, sizeof file);

    load_defaults(out);
    if (*file)
        load_file(file, out, problems);
    load_environment(environment, out, problems);
    load_flags(argc, argv, out, action, problems);
    complete(out);
}
