#include "server/calibrations/ntkuq.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/calibrations/process.h"

enum { ARGUMENTS_MOST = 32, GRACE_S = 5 };

/* argv: program, command, limits, and the rest. */
static void make_arguments(const struct ntk_config *config, const char *const *arguments,
                           char memory[24], char deadline[24], const char **out)
{
    const char *const limits[] = {"--memory", memory,      "--deadline",
                                  deadline,   "--sandbox", config->sandbox ? "on" : "off"};
    size_t n = 0;
    snprintf(memory, 24, "%llu", (unsigned long long)config->job_memory_bytes);
    snprintf(deadline, 24, "%llu", (unsigned long long)config->query_timeout_s);
    out[n++] = config->ntkuq_program;
    out[n++] = *arguments++;
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        out[n++] = limits[i];
    while (*arguments && n < ARGUMENTS_MOST)
        out[n++] = *arguments++;
    out[n] = NULL;
}

/* Paths are nobody's business: the client knows its file by another name. */
static void tell_complaint(const char *complaint, const char *file, const char *name,
                           struct ntk_error *error)
{
    const char *at = strstr(complaint, file);
    if (at)
        snprintf(error->text, sizeof error->text, "%.*s%s%s", (int)(at - complaint), complaint,
                 name, at + strlen(file));
    else
        snprintf(error->text, sizeof error->text, "%s", complaint);
}

enum ntk_status ntk_ntkuq_run(const struct ntk_server *server, const char *const *arguments,
                              const char *file, const char *name, char **output,
                              struct ntk_error *error)
{
    const struct ntk_config *config = server->config;
    char memory[24], deadline[24];
    const char *all[ARGUMENTS_MOST + 1];
    struct ntk_process_result result;
    make_arguments(config, arguments, memory, deadline, all);
    struct ntk_process process = {.arguments = all,
                                  .timeout_seconds = config->query_timeout_s + GRACE_S,
                                  .cancel = &server->stopping};
    enum ntk_status status = ntk_process_run(&process, &result, error);
    if (status)
        return status;
    if ((status = ntk_process_status(&result))) {
        tell_complaint(result.complaint, file, name, error);
    } else if (output) {
        *output = result.output;
        result.output = NULL;
    }
    ntk_process_result_clear(&result);
    return status == NTK_NO_INPUT ? NTK_BAD_DATA : status; /* the file is there: it is not good */
}

static int compare_levels(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void ntk_ntkuq_print_levels(double *levels, size_t n, char *out, size_t size)
{
    size_t used = 0;
    *out = 0;
    qsort(levels, n, sizeof *levels, compare_levels);
    for (size_t l = 0; l < n && used < size; l++) {
        if (l == 0 || levels[l] > levels[l - 1])
            used += (size_t)snprintf(out + used, size - used, "%s%.17g", l ? "," : "", levels[l]);
    }
}
