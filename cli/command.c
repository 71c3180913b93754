/* The outside of a command: what must happen before the jail closes and after it opened. */
#include "cli/command.h"

#include <assert.h>
#include <cblas.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "cli/inputs.h"
#include "cli/jail/jail.h"
#include "cli/rescore/rescore.h"
#include "cli/simulate/simulate.h"
#include "io/netcdf/archive.h"
#include "io/publish.h"

static int exit_code_of(enum ntk_status status)
{
    switch (status) {
    case NTK_OK:
        return EX_OK;
    case NTK_USAGE:
        return EX_USAGE;
    case NTK_BAD_DATA:
    case NTK_NOT_CONVERGED:
    case NTK_CONFLICT:
        return EX_DATAERR;
    case NTK_NO_INPUT:
        return EX_NOINPUT;
    case NTK_CANNOT_CREATE:
        return EX_CANTCREAT;
    case NTK_TRY_AGAIN:
        return EX_TEMPFAIL;
    }
    return EX_SOFTWARE;
}

static int complain(enum ntk_status status, const struct ntk_error *error)
{
    fprintf(stderr, "ntkuq: %s\n", error->text);
    return exit_code_of(status);
}

static enum ntk_status simulate(const struct ntk_command_context *context, struct ntk_error *error)
{
    const struct ntk_arguments *arguments = context->arguments;
    enum ntk_status status = ntk_simulate(
        context->output, arguments->samples, arguments->feature_count, arguments->fit.seed,
        arguments->first_day, ntk_progress_report, context->progress, error);
    if (!status && arguments->json)
        printf("{\"samples\": %zu, \"features\": %zu, \"seed\": %llu}\n", arguments->samples,
               arguments->feature_count, (unsigned long long)arguments->fit.seed);
    return status;
}

/* The body of the jailed process. */
static int work(void *argument)
{
    const struct ntk_command_context *context = argument;
    struct ntk_error error = {""};
    enum ntk_status status = NTK_USAGE;
    switch (context->arguments->command) {
    case NTK_COMMAND_FIT:
        status = ntk_fit_command(context, &error);
        break;
    case NTK_COMMAND_APPLY:
        status = ntk_apply_command(context, &error);
        break;
    case NTK_COMMAND_INSPECT:
        status = ntk_inspect_command(context, &error);
        break;
    case NTK_COMMAND_REPORT:
        status = ntk_report_command(context, &error);
        break;
    case NTK_COMMAND_SIMULATE:
        status = simulate(context, &error);
        break;
    case NTK_COMMAND_TRUTHS:
        status = ntk_truths_command(context, &error);
        break;
    case NTK_COMMAND_COVERAGE:
        status = ntk_coverage_command(context, &error);
        break;
    case NTK_COMMAND_RESCORE: /* has jails of its own */
        assert(0);
    }
    ntk_progress_clear(context->progress);
    if (!status && fflush(stdout))
        status = ntk_fail(&error, NTK_CANNOT_CREATE,
                          "cannot write the result to standard output: %s", strerror(errno));
    if (status && ntk_ranks_tell(context->ranks, status, &error))
        return exit_code_of(status);
    return status ? complain(status, &error) : EX_OK;
}

/* Refuses to write over what is read. */
static enum ntk_status check_output(const char *output, char *const *paths, size_t n,
                                    struct ntk_error *error)
{
    struct stat written, read;
    if (stat(output, &written))
        return NTK_OK;
    for (size_t i = 0; i < n; i++) {
        if (!stat(paths[i], &read) && read.st_dev == written.st_dev &&
            read.st_ino == written.st_ino)
            return ntk_fail(error, NTK_USAGE,
                            "%s is also an input, another file was expected: it would be "
                            "overwritten",
                            output);
    }
    return NTK_OK;
}

/* UTC now, or SOURCE_DATE_EPOCH so that the same input gives the same bytes. */
static void format_created(char *out, size_t size)
{
    const char *epoch = getenv("SOURCE_DATE_EPOCH");
    time_t now = epoch && *epoch ? (time_t)strtoll(epoch, NULL, 10) : time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(out, size, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

/* What a command writes: the file asked for, or NULL, and the absolute path of the unfinished one
 * beside it, or "". */
struct output {
    const char *path;
    char temporary[PATH_MAX];
};

enum { OUTPUT, ROWS, OUTPUTS };

/* The one thing a signal handler must know: what to remove when the command is interrupted. The
 * jailed child dies with its parent. */
static struct output outputs[OUTPUTS];

static void remove_unfinished(void)
{
    for (int i = 0; i < OUTPUTS; i++) {
        if (*outputs[i].temporary)
            unlink(outputs[i].temporary);
    }
}

static void remove_and_die(int signal_number)
{
    remove_unfinished();
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void remove_when_interrupted(void)
{
    signal(SIGINT, remove_and_die);
    signal(SIGTERM, remove_and_die);
    signal(SIGHUP, remove_and_die);
}

static void free_paths(char **paths, size_t n)
{
    for (size_t i = 0; i < n && paths; i++)
        free(paths[i]);
    free(paths);
}

/* What other ranks than the first print comes from the first too. */
static enum ntk_status be_silent(struct ntk_progress *progress, struct ntk_error *error)
{
    *progress = (struct ntk_progress){.descriptor = -1};
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    const int failed = nowhere < 0 || dup2(nowhere, STDOUT_FILENO) < 0;
    if (nowhere >= 0)
        close(nowhere);
    return failed
               ? ntk_fail(error, NTK_TRY_AGAIN, "cannot close standard output: %s", strerror(errno))
               : NTK_OK;
}

/* Runs the command in the jail on absolute paths. */
static enum ntk_status run_jailed(const struct ntk_arguments *arguments,
                                  const struct ntk_ranks *ranks, char *const *paths, int *exit_code,
                                  struct ntk_error *error)
{
    struct ntk_progress progress;
    struct ntk_ranks inside = ntk_ranks_alone;
    char created[32];
    format_created(created, sizeof created);
    ntk_progress_init(&progress, arguments->progress_fd);
    const char *names[OUTPUTS];
    for (int i = 0; i < OUTPUTS; i++)
        names[i] = *outputs[i].temporary ? outputs[i].temporary : NULL;
    struct ntk_command_context context = {.arguments = arguments,
                                          .files = (const char *const *)paths,
                                          .output = names[OUTPUT],
                                          .rows = names[ROWS],
                                          .created = created,
                                          .progress = &progress,
                                          .ranks = &inside};
    struct ntk_jail jail = {.inputs = (const char *const *)paths,
                            .n_inputs = arguments->n_files,
                            .output = names[OUTPUT],
                            .second_output = names[ROWS],
                            .keep_fd = arguments->progress_fd,
                            .memory_bytes = arguments->memory_bytes,
                            .deadline_seconds = arguments->deadline_seconds,
                            .cpu_seconds = arguments->deadline_seconds,
                            .sandbox = arguments->sandbox};
    enum ntk_status status = ntk_units_load(error);
    if (!status && ranks->rank)
        status = be_silent(&progress, error);
    return status ? status
                  : ntk_ranks_jail_run(ranks, &inside, &jail, work, &context, exit_code, error);
}

/* Prepares an absolute temporary file beside the output. */
static enum ntk_status prepare_output(struct output *output, struct ntk_error *error)
{
    char given[PATH_MAX];
    enum ntk_status status = ntk_publish_prepare(output->path, given, sizeof given, error);
    if (status)
        return status;
    char *absolute = realpath(given, NULL);
    if (!absolute || strlen(absolute) >= sizeof output->temporary) {
        unlink(given);
        free(absolute);
        return ntk_fail(error, NTK_CANNOT_CREATE, "cannot write %s: its folder has no usable name",
                        output->path);
    }
    strcpy(output->temporary, absolute);
    free(absolute);
    return NTK_OK;
}

/* Two outputs are two files: their temporary names differ in more than the six random letters. */
static enum ntk_status check_different(struct ntk_error *error)
{
    size_t length = strlen(outputs[OUTPUT].temporary), random = strlen("XXXXXX");
    if (length != strlen(outputs[ROWS].temporary) || length < random ||
        strncmp(outputs[OUTPUT].temporary, outputs[ROWS].temporary, length - random))
        return NTK_OK;
    return ntk_fail(error, NTK_USAGE, "-o and --rows are both %s, two files were expected",
                    outputs[OUTPUT].path);
}

static enum ntk_status prepare_outputs(const struct ntk_arguments *arguments, char *const *paths,
                                       struct ntk_error *error)
{
    enum ntk_status status = NTK_OK;
    outputs[OUTPUT].path = arguments->output;
    outputs[ROWS].path = arguments->rows;
    remove_when_interrupted();
    for (int i = 0; i < OUTPUTS && !status; i++) {
        if (!outputs[i].path)
            continue;
        status = check_output(outputs[i].path, paths, arguments->n_files, error);
        if (!status)
            status = prepare_output(&outputs[i], error);
    }
    return status ? status : check_different(error);
}

/* Rows first: where the output is, its rows are too. */
static enum ntk_status publish_outputs(struct ntk_error *error)
{
    enum ntk_status status = NTK_OK;
    for (int i = OUTPUTS - 1; i >= 0 && !status; i--) {
        if (*outputs[i].temporary)
            status = ntk_publish_file(outputs[i].temporary, outputs[i].path, 0644, 0, error);
        if (!status)
            *outputs[i].temporary = 0;
    }
    return status;
}

/* All before the outputs may be published. Only the first rank has any. */
static enum ntk_status compute(const struct ntk_arguments *arguments, const struct ntk_ranks *ranks,
                               char **paths, int *exit_code, struct ntk_error *error)
{
    enum ntk_status status = NTK_OK;
    for (size_t i = 0; i < arguments->n_files && !status; i++)
        status = ntk_input_resolve(arguments->files[i], &paths[i], error);
    if (!status && !ranks->rank)
        status = prepare_outputs(arguments, paths, error);
    return status ? status : run_jailed(arguments, ranks, paths, exit_code, error);
}

static int run(const struct ntk_arguments *arguments, const struct ntk_ranks *ranks)
{
    struct ntk_error error = {""};
    int exit_code = EX_OK;
    enum ntk_status status = NTK_OK;
    char **paths = calloc(arguments->n_files + 1, sizeof *paths);
    if (!paths)
        status = ntk_fail_memory(&error, "the file names", arguments->n_files * sizeof *paths);
    if (!status)
        status = compute(arguments, ranks, paths, &exit_code, &error);
    status = ntk_ranks_agree(ranks, status, &error);
    if (!status && !exit_code && !ranks->rank)
        status = publish_outputs(&error);
    remove_unfinished();
    status = ntk_ranks_agree(ranks, status, &error);
    free_paths(paths, arguments->n_files);
    if (status && !ranks->rank)
        complain(status, &error);
    return status ? exit_code_of(status) : exit_code;
}

static enum ntk_status join(enum ntk_command command, struct ntk_ranks *ranks,
                            struct ntk_error *error)
{
    const unsigned with_ranks = NTK_COMMAND_FIT | NTK_COMMAND_RESCORE;
    *ranks = ntk_ranks_alone;
    return command & with_ranks ? ntk_ranks_join(ranks, error) : NTK_OK;
}

/* Has many inputs and outputs, and goes on where an earlier run stopped. */
static int run_rescore(const struct ntk_arguments *arguments, const struct ntk_ranks *ranks)
{
    struct ntk_error error = {""};
    enum ntk_status status = ntk_rescore_command(arguments, ranks, &error);
    status = ntk_ranks_agree(ranks, status, &error);
    if (!status && fflush(stdout))
        status = ntk_fail(&error, NTK_CANNOT_CREATE,
                          "cannot write the result to standard output: %s", strerror(errno));
    if (status && !ranks->rank)
        complain(status, &error);
    return exit_code_of(status);
}

/* `ntkuq --help`, `ntkuq help fit` and `ntkuq fit --help`: the name of the command, "" for all of
 * them; NULL: no help is asked for. */
static const char *asks_for_help(int argc, char **argv)
{
    static const char *const words[] = {"--help", "-h", "help"};
    const char *second = argc > 2 ? argv[2] : "";
    for (size_t w = 0; w < 3 && argc > 1; w++) {
        if (!strcmp(argv[1], words[w]))
            return second;
        if (w < 2 && !strcmp(second, words[w]))
            return argv[1];
    }
    return NULL;
}

/* BLAS maps a buffer when it is first asked for more than a little, and asks for ever where the
 * address space is limited: so it is asked here, and the jailed processes inherit the buffer. One
 * BLAS thread: results do not depend on the machine's cores, and the jail allows none. */
static enum ntk_status wake_blas(struct ntk_error *error)
{
    enum { N = 8192 };
    openblas_set_num_threads(1);
    double *zeros = ntk_matrix_create(2, N), sum = 0;
    if (!zeros)
        return ntk_fail_memory(error, "BLAS", 2 * N * sizeof *zeros);
    cblas_dgemv(CblasRowMajor, CblasNoTrans, 1, N, 1, zeros, N, zeros + N, 1, 0, &sum, 1);
    cblas_dgemv(CblasRowMajor, CblasTrans, 1, N, 1, zeros, N, &sum, 1, 0, zeros + N, 1);
    free(zeros);
    return NTK_OK;
}

int ntk_command_run(int argc, char **argv)
{
    struct ntk_arguments arguments;
    struct ntk_error error = {""};
    const char *help = asks_for_help(argc, argv);
    if (help) {
        ntk_arguments_help(stdout, help);
        return EX_OK;
    }
    if (argc > 1 && !strcmp(argv[1], "--version")) {
        printf("ntkuq %s\n", NTK_VERSION);
        return EX_OK;
    }
    enum ntk_status status = ntk_arguments_parse(argc, argv, &arguments, &error);
    if (status)
        return complain(status, &error);
    signal(SIGPIPE, SIG_IGN);
    /* A launcher may have closed it, and its number may soon be something else's. */
    if (arguments.progress_fd >= 0 && fcntl(arguments.progress_fd, F_GETFD) < 0)
        arguments.progress_fd = -1;
    struct ntk_ranks ranks;
    status = wake_blas(&error);
    if (!status)
        status = join(arguments.command, &ranks, &error);
    if (status)
        return complain(status, &error);
    const int exit_code = arguments.command == NTK_COMMAND_RESCORE ? run_rescore(&arguments, &ranks)
                                                                   : run(&arguments, &ranks);
    ntk_ranks_leave(&ranks);
    return exit_code;
}
