#include "cli/arguments.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/simulate/simulation.h"
#include "io/limits.h"

struct option {
    const char *name;     /* with its dashes */
    unsigned commands;    /* bits of enum ntk_command */
    const char *argument; /* placeholder; NULL: a switch */
    const char *meaning;
    enum ntk_status (*parse)(const struct option *option, const char *value,
                             struct ntk_arguments *out, struct ntk_error *error);
};

struct choice {
    const char *name;
    int value;
};

static enum ntk_status parse_choice(const struct option *option, const char *value,
                                    const struct choice *choices, int *out, struct ntk_error *error)
{
    for (const struct choice *choice = choices; choice->name; choice++) {
        if (!strcmp(choice->name, value)) {
            *out = choice->value;
            return NTK_OK;
        }
    }
    return ntk_fail(error, NTK_USAGE, "%s is '%s', it may be %s", option->name, value,
                    option->argument);
}

static enum ntk_status parse_number(const struct option *option, const char *value, uint64_t least,
                                    uint64_t most, uint64_t *out, struct ntk_error *error)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(value, &end, 10);
    if (errno || end == value || *end || *value == '-' || number < least || number > most)
        return ntk_fail(error, NTK_USAGE,
                        "%s is '%s', a whole number from %" PRIu64 " to %" PRIu64 " was expected",
                        option->name, value, least, most);
    *out = number;
    return NTK_OK;
}

#define PARSER(what)                                                                               \
    static enum ntk_status parse_##what(const struct option *option, const char *value,            \
                                        struct ntk_arguments *out, struct ntk_error *error)

#define TEXT_PARSER(what, field)                                                                   \
    PARSER(what)                                                                                   \
    {                                                                                              \
        if (!*value)                                                                               \
            return ntk_fail(error, NTK_USAGE, "%s is empty", option->name);                        \
        out->field = value;                                                                        \
        return NTK_OK;                                                                             \
    }

TEXT_PARSER(output, output)
TEXT_PARSER(rows, rows)
TEXT_PARSER(features, features)
TEXT_PARSER(split, split)
TEXT_PARSER(bounds, bounds)

#define CHOICE_PARSER(what, field, ...)                                                            \
    PARSER(what)                                                                                   \
    {                                                                                              \
        static const struct choice choices[] = {__VA_ARGS__, {NULL, 0}};                           \
        int chosen = 0;                                                                            \
        enum ntk_status status = parse_choice(option, value, choices, &chosen, error);             \
        if (!status)                                                                               \
            out->field = chosen;                                                                   \
        return status;                                                                             \
    }

CHOICE_PARSER(method, fit.method, {"auto", NTK_CHOOSE_AUTO}, {"svd", NTK_CHOOSE_SVD},
              {"ica", NTK_CHOOSE_ICA})
CHOICE_PARSER(select, fit.select, {"auto", NTK_SELECT_AUTO}, {"rule", NTK_SELECT_RULE},
              {"validate", NTK_SELECT_VALIDATE})
CHOICE_PARSER(centre, fit.model.centre, {"auto", NTK_CENTRE_AUTO}, {"none", NTK_CENTRE_NONE},
              {"mean", NTK_CENTRE_MEAN}, {"season", NTK_CENTRE_SEASON},
              {"gp_mean", NTK_CENTRE_GP_MEAN})
CHOICE_PARSER(scale, fit.model.scale, {"auto", NTK_SCALE_AUTO}, {"constant", NTK_SCALE_CONSTANT},
              {"sigma", NTK_SCALE_SIGMA}, {"season", NTK_SCALE_SEASON}, {"ntk", NTK_SCALE_NTK},
              {"learned", NTK_SCALE_LEARNED})
CHOICE_PARSER(place, fit.model.places, {"auto", NTK_PLACES_AUTO}, {"none", NTK_PLACES_NONE},
              {"band", NTK_PLACES_BAND}, {"cell", NTK_PLACES_CELL})
CHOICE_PARSER(groups, fit.grouping, {"none", NTK_GROUPING_NONE}, {"season", NTK_GROUPING_SEASON},
              {"region", NTK_GROUPING_REGION})
CHOICE_PARSER(map, map, {"on", 1}, {"off", 0})
CHOICE_PARSER(family, interval.family, {"conformal", NTK_FAMILY_CONFORMAL},
              {"asymmetric", NTK_FAMILY_ASYMMETRIC}, {"gaussian", NTK_FAMILY_GAUSSIAN},
              {"student_t", NTK_FAMILY_STUDENT_T})
CHOICE_PARSER(variance, fit.variance_mode, {"published", NTK_VARIANCE_PUBLISHED},
              {"reference", NTK_VARIANCE_REFERENCE})
CHOICE_PARSER(noise, fit.noise, {"tail_mean", NTK_NOISE_TAIL_MEAN},
              {"per_sample", NTK_NOISE_PER_SAMPLE},
              {"marchenko_pastur", NTK_NOISE_MARCHENKO_PASTUR}, {"validate", NTK_NOISE_VALIDATE})
CHOICE_PARSER(standardise, fit.standardise, {"mean_norm", NTK_STANDARDISE_MEAN_NORM},
              {"per_channel", NTK_STANDARDISE_PER_CHANNEL})
CHOICE_PARSER(out_of_core, out_of_core, {"auto", NTK_OUT_OF_CORE_AUTO},
              {"yes", NTK_OUT_OF_CORE_YES}, {"no", NTK_OUT_OF_CORE_NO})
CHOICE_PARSER(ica_form, fit.ica_form, {"ritz", NTK_ICA_RITZ}, {"diagonal", NTK_ICA_DIAGONAL})
CHOICE_PARSER(missing, missing, {"reject", NTK_MISSING_REJECT},
              {"drop_sample", NTK_MISSING_DROP_SAMPLE}, {"mask_point", NTK_MISSING_MASK_POINT})
CHOICE_PARSER(sandbox, sandbox, {"on", 1}, {"off", 0})

#define NUMBER_PARSER(what, field, least, most)                                                    \
    PARSER(what)                                                                                   \
    {                                                                                              \
        uint64_t number = 0;                                                                       \
        enum ntk_status status = parse_number(option, value, least, most, &number, error);         \
        if (!status)                                                                               \
            out->field = number;                                                                   \
        return status;                                                                             \
    }

NUMBER_PARSER(seed, fit.seed, 0, INT64_MAX)
NUMBER_PARSER(samples, samples, NTK_SIMULATION_MIN_SAMPLES, NTK_SIMULATION_MAX_SAMPLES)
NUMBER_PARSER(feature_count, feature_count, NTK_SIMULATION_MIN_FEATURES,
              NTK_SIMULATION_MAX_FEATURES)
NUMBER_PARSER(memory, memory_bytes, (uint64_t)64 << 20, (uint64_t)1 << 48)

/* strptime takes days that the month does not have, timegm moves them into the next. */
PARSER(start)
{
    enum { DAY = 86400, DAYS_1970_TO_2000 = 10957 };
    struct tm utc = {0};
    const char *end = strlen(value) == 10 ? strptime(value, "%Y-%m-%d", &utc) : NULL;
    const int day_of_month = utc.tm_mday;
    const int64_t day = (int64_t)timegm(&utc) / DAY - DAYS_1970_TO_2000;
    if (!end || *end || utc.tm_mday != day_of_month || day < 0 || day > NTK_SIMULATION_MAX_DAY)
        return ntk_fail(error, NTK_USAGE,
                        "%s is '%s', a date from 2000-01-01 to 2273-10-16 was expected",
                        option->name, value);
    out->first_day = (size_t)day;
    return NTK_OK;
}

static enum ntk_status parse_seconds(const struct option *option, const char *value, unsigned *out,
                                     struct ntk_error *error)
{
    uint64_t seconds = 0;
    enum ntk_status status = parse_number(option, value, 1, 30 * 86400, &seconds, error);
    if (!status)
        *out = (unsigned)seconds;
    return status;
}

PARSER(deadline)
{
    return parse_seconds(option, value, &out->deadline_seconds, error);
}

PARSER(silence)
{
    return parse_seconds(option, value, &out->silence_seconds, error);
}

PARSER(progress_fd)
{
    uint64_t descriptor = 0;
    enum ntk_status status = parse_number(option, value, 3, 1023, &descriptor, error);
    if (!status)
        out->progress_fd = (int)descriptor;
    return status;
}

PARSER(name)
{
    size_t length = strlen(value);
    size_t allowed = strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                   "._-");
    if (length < 1 || length > 64 || allowed < length || *value == '.')
        return ntk_fail(
            error, NTK_USAGE,
            "%s is '%.80s', 1 to 64 letters, digits, '.', '_' or '-' were expected, not "
            "beginning with '.'",
            option->name, value);
    out->name = value;
    return NTK_OK;
}

PARSER(rank)
{
    uint64_t rank = 0;
    enum ntk_status status = NTK_OK;
    if (strcmp(value, "auto"))
        status = parse_number(option, value, 1, ntk_limits.features, &rank, error);
    if (!status)
        out->fit.rank = (size_t)rank;
    return status;
}

PARSER(levels)
{
    const char *next = value;
    size_t n = 0;
    for (;;) {
        char *end;
        double level = strtod(next, &end);
        if (end == next || !(level > 0 && level < 1) || (*end && *end != ','))
            return ntk_fail(error, NTK_USAGE,
                            "%s is '%s', numbers between 0 and 1 with commas between them were "
                            "expected, such as 0.5,0.9",
                            option->name, value);
        if (n == NTK_LEVELS_MOST)
            return ntk_fail(error, NTK_USAGE, "%s has more than %d levels", option->name,
                            NTK_LEVELS_MOST);
        if (n > 0 && level <= out->levels[n - 1])
            return ntk_fail(error, NTK_USAGE, "%s is '%s', ascending levels were expected",
                            option->name, value);
        out->levels[n++] = level;
        if (!*end)
            break;
        next = end + 1;
    }
    out->n_levels = n;
    return NTK_OK;
}

static enum ntk_status parse_share(const struct option *option, const char *value, double least,
                                   double *out, struct ntk_error *error)
{
    char *end;
    double share = strtod(value, &end);
    if (end == value || *end || !(share >= least && share < 1))
        return ntk_fail(error, NTK_USAGE, "%s is '%s', a number from %g to below 1 was expected",
                        option->name, value, least);
    *out = share;
    return NTK_OK;
}

PARSER(confidence)
{
    return parse_share(option, value, 0, &out->interval.confidence, error);
}

PARSER(map_miss)
{
    out->interval.map_miss = -1;
    if (!strcmp(value, "off"))
        return NTK_OK;
    return parse_share(option, value, 0, &out->interval.map_miss, error);
}

NUMBER_PARSER(jobs, jobs, 1, 1024)
NUMBER_PARSER(chunk, chunk, 1, ntk_limits.samples)

PARSER(sha256)
{
    if (strlen(value) != 64 || strspn(value, "0123456789abcdef") != 64)
        return ntk_fail(error, NTK_USAGE, "%s is '%.80s', 64 digits of 0-9 and a-f were expected",
                        option->name, value);
    out->sha256 = value;
    return NTK_OK;
}

PARSER(archives_share)
{
    size_t index = 0, count = 0;
    int length = 0;
    int read = sscanf(value, "%zu/%zu%n", &index, &count, &length);
    if (read != 2 || value[length] || strchr(value, '-') || index >= count || count > 100000)
        return ntk_fail(error, NTK_USAGE, "%s is '%s', I/N with I from 0 to N - 1 was expected",
                        option->name, value);
    out->share_index = index;
    out->share_count = count;
    return NTK_OK;
}

PARSER(dry_run)
{
    (void)option, (void)value, (void)error;
    out->dry_run = 1;
    return NTK_OK;
}

PARSER(json)
{
    (void)option, (void)value, (void)error;
    out->json = 1;
    return NTK_OK;
}

enum {
    FIT = NTK_COMMAND_FIT,
    APPLY = NTK_COMMAND_APPLY,
    INSPECT = NTK_COMMAND_INSPECT,
    REPORT = NTK_COMMAND_REPORT,
    SIMULATE = NTK_COMMAND_SIMULATE,
    TRUTHS = NTK_COMMAND_TRUTHS,
    COVERAGE = NTK_COMMAND_COVERAGE,
    RESCORE = NTK_COMMAND_RESCORE,
    ALL = FIT | APPLY | INSPECT | REPORT | SIMULATE | TRUTHS | COVERAGE | RESCORE
};

static const struct option options[] = {
    {"-o", FIT | APPLY | SIMULATE | TRUTHS | COVERAGE, "FILE",
     "what to write; appears whole or not at all", parse_output},
    {"-o", RESCORE, "FOLDER", "where the intervals and their manifest go", parse_output},
    {"--sha256", RESCORE, "HEX", "the calibration must be this one", parse_sha256},
    {"--jobs", RESCORE, "N", "processes at work; default: processors + 1", parse_jobs},
    {"--chunk", RESCORE, "N", "samples a chunk; default: some 64 MB", parse_chunk},
    {"--share", RESCORE, "I/N", "the archives of one of N shares, for N commands at a time",
     parse_archives_share},
    {"--silence", RESCORE, "SECONDS",
     "an archive whose process gives no sign for so long has failed; default: 900", parse_silence},
    {"--dry-run", RESCORE, NULL, "predict bytes, memory and time; write nothing", parse_dry_run},
    {"--rows", APPLY, "FILE", "write what was issued as rows too, for the daemon", parse_rows},
    {"--html", REPORT, "FILE", "write the report as a page with figures too", parse_output},
    {"--plot", INSPECT, "FILE", "draw a calibration as an SVG figure too", parse_output},
    {"--name", FIT, "NAME", "of the calibration; default: the archive's ntkuq__model", parse_name},
    {"--method", FIT, "auto|svd|ica", "how directions are chosen", parse_method},
    {"--rank", FIT, "auto|K", "how many directions are kept", parse_rank},
    {"--select", FIT, "auto|rule|validate",
     "whether a rule or cross-validation decides on ICA or SVD", parse_select},
    {"--centre", FIT, "auto|none|mean|season|gp_mean", "the bias that is taken off the forecast",
     parse_centre},
    {"--scale", FIT, "auto|constant|sigma|season|ntk|learned", "what the width follows",
     parse_scale},
    {"--place", FIT, "auto|none|band|cell", "whether each latitude band or cell has its own factor",
     parse_place},
    {"--groups", FIT, "none|season|region", "that have a conformal quantile of their own",
     parse_groups},
    {"--bounds", FIT, "NAME:LEAST:MOST,...", "physical bounds, such as q850:0:,rh:0:100",
     parse_bounds},
    {"--family", APPLY | REPORT | RESCORE, "conformal|asymmetric|gaussian|student_t",
     "the distribution intervals are read from", parse_family},
    {"--confidence", APPLY | REPORT | RESCORE, "P",
     "of the level for this calibration set; default: 0, on average", parse_confidence},
    {"--map", APPLY | RESCORE, "on|off", "sigma of the grid point where there is a features_map",
     parse_map},
    {"--map-miss", APPLY | REPORT | RESCORE, "off|SHARE",
     "of a map's points missed at most, with the level", parse_map_miss},
    {"--variance", FIT, "published|reference", "Eq. 4, or what the Python package computes",
     parse_variance},
    {"--noise", FIT, "tail_mean|per_sample|marchenko_pastur|validate",
     "the noise variance of the kernel", parse_noise},
    {"--standardise", FIT, "mean_norm|per_channel", "one scale, or one for each feature",
     parse_standardise},
    {"--ica-form", FIT, "ritz|diagonal", "exact posterior of ICA's subspace, or its own directions",
     parse_ica_form},
    {"--out-of-core", FIT, "auto|yes|no",
     "read the features a block at a time: when --memory would not hold them, always, never",
     parse_out_of_core},
    {"--features", FIT | APPLY | REPORT | RESCORE | INSPECT | TRUTHS, "NAME",
     "the variable with the features; default: features", parse_features},
    {"--split", FIT | REPORT | INSPECT, "NAME",
     "the variable that divides the samples; default: split", parse_split},
    {"--missing", FIT | APPLY | REPORT | RESCORE, "reject|drop_sample|mask_point",
     "what to do with values that are not finite", parse_missing},
    {"--levels", APPLY | REPORT | RESCORE, "L,L...", "coverage of the intervals; default: 0.5,0.9",
     parse_levels},
    {"--samples", SIMULATE, "N", "forecasts in the archive; default: 300", parse_samples},
    {"--features", SIMULATE, "D", "hidden units of the network; default: 256", parse_feature_count},
    {"--start", SIMULATE, "DATE",
     "of the first forecast; later weather, same network; default: 2000-01-01", parse_start},
    {"--seed", FIT | SIMULATE, "N", "of everything random; default: 1", parse_seed},
    {"--json", ALL, NULL, "print the result as JSON on standard output", parse_json},
    {"--progress-fd", ALL, "N", "write progress as JSON lines to this descriptor",
     parse_progress_fd},
    {"--memory", ALL, "BYTES", "address space the work may use; default: 64 GiB", parse_memory},
    {"--deadline", ALL, "SECONDS", "after which the work is killed; default: 86400",
     parse_deadline},
    {"--sandbox", ALL, "on|off", "whether files are parsed in the jail", parse_sandbox},
};

static const struct {
    const char *name, *synopsis, *meaning;
    enum ntk_command command;
    size_t files_least, files_most;
    int output;
} commands[] = {
    {"fit", "-o CAL.safetensors [options] ARCHIVE.nc...", "fit a calibration to forecast archives",
     NTK_COMMAND_FIT, 1, SIZE_MAX, 1},
    {"apply", "-o OUT.nc [options] CAL.safetensors ARCHIVE.nc...",
     "write intervals for the forecasts of archives", NTK_COMMAND_APPLY, 2, SIZE_MAX, 1},
    {"report", "[options] CAL.safetensors ARCHIVE.nc...",
     "score the intervals on an archive's test samples", NTK_COMMAND_REPORT, 2, SIZE_MAX, 0},
    {"inspect", "[options] FILE...", "say what is in an archive or a calibration",
     NTK_COMMAND_INSPECT, 1, SIZE_MAX, 0},
    {"simulate", "-o ARCHIVE.nc [options]", "make an archive from a chaotic toy atmosphere",
     NTK_COMMAND_SIMULATE, 0, 0, 1},
    {"truths", "-o ROWS.safetensors [options] ARCHIVE.nc...",
     "write what verified in archives as rows, for the daemon", NTK_COMMAND_TRUTHS, 1, SIZE_MAX, 1},
    {"rescore", "-o FOLDER [options] CAL.safetensors ARCHIVES...",
     "write and verify intervals for many archives: files, folders, patterns, @lists",
     NTK_COMMAND_RESCORE, 2, SIZE_MAX, 0},
    {"coverage", "-o OUT.nc [options] INPUT.covjson", "turn a CoverageJSON document into NetCDF",
     NTK_COMMAND_COVERAGE, 1, 1, 1},
};

enum {
    N_OPTIONS = sizeof options / sizeof *options,
    N_COMMANDS = sizeof commands / sizeof *commands
};

static const struct option *find_option(const char *name, size_t length, enum ntk_command command)
{
    for (size_t i = 0; i < N_OPTIONS; i++) {
        if (options[i].commands & command && strlen(options[i].name) == length &&
            !strncmp(options[i].name, name, length))
            return &options[i];
    }
    return NULL;
}

/* N_COMMANDS: there is none of that name. */
static size_t find_command(const char *name)
{
    size_t c = 0;
    while (c < N_COMMANDS && strcmp(commands[c].name, name))
        c++;
    return c;
}

static enum ntk_status parse_options(int argc, char **argv, struct ntk_arguments *out,
                                     struct ntk_error *error)
{
    int files = 2, only_files = 0; /* files gather at the front of argv + 2, in order */
    for (int i = 2; i < argc; i++) {
        char *argument = argv[i];
        if (only_files || argument[0] != '-' || !argument[1]) {
            argv[files++] = argument;
            continue;
        }
        if (!strcmp(argument, "--")) {
            only_files = 1;
            continue;
        }
        size_t length = strcspn(argument, "=");
        const struct option *option = find_option(argument, length, out->command);
        if (!option)
            return ntk_fail(error, NTK_USAGE, "'%s' is not an option of ntkuq %s; see ntkuq --help",
                            argument, argv[1]);
        const char *value = argument[length] ? argument + length + 1 : NULL;
        if (option->argument && !value)
            value = i + 1 < argc ? argv[++i] : NULL;
        if (option->argument && !value)
            return ntk_fail(error, NTK_USAGE, "%s wants %s", option->name, option->argument);
        enum ntk_status status = option->parse(option, value, out, error);
        if (status)
            return status;
    }
    out->files = (const char *const *)(argv + 2);
    out->n_files = (size_t)(files - 2);
    return NTK_OK;
}

enum ntk_status ntk_arguments_parse(int argc, char **argv, struct ntk_arguments *out,
                                    struct ntk_error *error)
{
    struct ntk_arguments made = {
        .fit = ntk_fit_defaults,
        .interval = ntk_interval_defaults,
        .map = 1,
        .levels = {0.5, 0.9},
        .n_levels = 2,
        .samples = 300,
        .feature_count = 256,
        .progress_fd = -1,
        .sandbox = 1,
        .memory_bytes = (size_t)64 << 30,
        .deadline_seconds = 86400,
        .silence_seconds = 900, /* opening an archive, or a chunk, takes a thousandth */
    };
    if (argc < 2)
        return ntk_fail(error, NTK_USAGE,
                        "a command was expected: fit, apply, report, inspect, simulate, truths, "
                        "rescore or coverage; see ntkuq --help");
    const size_t c = find_command(argv[1]);
    if (c == N_COMMANDS)
        return ntk_fail(
            error, NTK_USAGE,
            "'%s' is not a command; fit, apply, report, inspect, simulate, truths, rescore or "
            "coverage was expected",
            argv[1]);
    made.command = commands[c].command;
    enum ntk_status status = parse_options(argc, argv, &made, error);
    if (status)
        return status;
    if (made.n_files < commands[c].files_least || made.n_files > commands[c].files_most)
        return ntk_fail(error, NTK_USAGE, "found %zu files; usage: ntkuq %s %s", made.n_files,
                        commands[c].name, commands[c].synopsis);
    if (made.n_files > ntk_limits.archive_files)
        return ntk_fail(error, NTK_USAGE, "found %zu files, at most %zu are taken", made.n_files,
                        ntk_limits.archive_files);
    if ((status = ntk_interval_options_check(&made.interval, error)))
        return status;
    if (made.command == NTK_COMMAND_RESCORE && !made.output && !made.dry_run)
        return ntk_fail(error, NTK_USAGE, "-o FOLDER is missing; usage: ntkuq rescore %s",
                        commands[c].synopsis);
    if (commands[c].output && !made.output)
        return ntk_fail(error, NTK_USAGE, "-o FILE is missing; usage: ntkuq %s %s",
                        commands[c].name, commands[c].synopsis);
    *out = made;
    return NTK_OK;
}

static void print_option(FILE *stream, const struct option *option)
{
    fprintf(stream, "      %-13s %-31s %s\n", option->name,
            option->argument ? option->argument : "", option->meaning);
}

static void print_command(FILE *stream, size_t c)
{
    fprintf(stream, "\nntkuq %s %s\n    %s\n", commands[c].name, commands[c].synopsis,
            commands[c].meaning);
    for (size_t i = 0; i < N_OPTIONS; i++) {
        if (options[i].commands & commands[c].command && options[i].commands != ALL)
            print_option(stream, &options[i]);
    }
}

void ntk_arguments_help(FILE *stream, const char *command)
{
    const size_t asked = find_command(command);
    fprintf(stream, "ntkuq %s: error bars for AI weather forecasts\n", NTK_VERSION);
    for (size_t c = 0; c < N_COMMANDS; c++) {
        if (asked == N_COMMANDS || asked == c)
            print_command(stream, c);
    }
    fprintf(stream, "\nevery command\n");
    for (size_t i = 0; i < N_OPTIONS; i++) {
        if (options[i].commands == ALL)
            print_option(stream, &options[i]);
    }
    fprintf(stream, "\nof several choices the first is the default\n"
                    "exit codes: 0 done, 64 usage, 65 bad data, 66 no input, 70 a bug, 73 cannot "
                    "write, 75 try again\n");
}
