#include "cli/rescore/rescore_manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/json.h"
#include "io/publish.h"
#include "io/tally_json.h"

/* Sums of one variable at one lead time over all archives. */
struct score {
    char variable[NTK_NAME_SIZE], units[NTK_NAME_SIZE];
    double hours;
    struct ntk_tally_total *total;
};

struct manifest {
    const char *folder;
    const struct ntk_arguments *arguments;
    size_t n_scores;
    struct score *scores; /* ascending: by variable, units, hours */
    int out_of_memory;
};

static int compare(const struct score *score, const char *variable, const char *units, double hours)
{
    int order = strcmp(score->variable, variable);
    order = order ? order : strcmp(score->units, units);
    return order ? order : (score->hours > hours) - (score->hours < hours);
}

/* The sums to which an archive's are added; NULL without memory. */
static struct ntk_tally_total *find_score(struct manifest *manifest, const char *variable,
                                          const char *units, double hours)
{
    size_t at = 0;
    while (at < manifest->n_scores && compare(&manifest->scores[at], variable, units, hours) < 0)
        at++;
    if (at < manifest->n_scores && !compare(&manifest->scores[at], variable, units, hours))
        return manifest->scores[at].total;
    struct score *grown =
        realloc(manifest->scores, (manifest->n_scores + 1) * sizeof *manifest->scores);
    if (grown)
        manifest->scores = grown;
    struct score made = {.hours = hours,
                         .total =
                             grown ? ntk_tally_total_create(manifest->arguments->n_levels) : NULL};
    if (!made.total)
        return NULL;
    snprintf(made.variable, sizeof made.variable, "%s", variable);
    snprintf(made.units, sizeof made.units, "%s", units);
    memmove(grown + at + 1, grown + at, (manifest->n_scores++ - at) * sizeof *grown);
    grown[at] = made;
    return made.total;
}

static json_t *describe_score(const struct manifest *manifest, const char *variable,
                              const char *units, double hours, const struct ntk_tally_total *total)
{
    struct ntk_tally_scores scores;
    ntk_tally_scores(total, &scores);
    return ntk_tally_json(&scores, variable, units, hours, manifest->arguments->levels);
}

/* ---- one archive ---------------------------------------------------------------------------- */

static json_t *describe_flags(const int64_t *flagged)
{
    json_t *json = json_object();
    for (int bit = 0; bit < NTK_FLAG_COUNT; bit++)
        json_object_set_new(json, ntk_flag_names[bit], json_integer(flagged[bit]));
    return json;
}

/* Scores of an archive as a list; its sums go to those of all. */
static json_t *gather_scores(struct manifest *manifest, const struct ntk_interval_layout *layout,
                             struct ntk_tally_total **totals)
{
    json_t *list = json_array();
    for (size_t v = 0; v < layout->n_variables; v++) {
        for (size_t l = 0; l < layout->n_hours; l++) {
            const struct ntk_layout_variable *variable = &layout->variables[v];
            const struct ntk_tally_total *total = totals[v * layout->n_hours + l];
            if (!total)
                continue;
            struct ntk_tally_total *all =
                find_score(manifest, variable->name, variable->units, layout->hours[l]);
            manifest->out_of_memory |= !all;
            if (all)
                ntk_tally_merge(all, total);
            json_array_append_new(list, describe_score(manifest, variable->name, variable->units,
                                                       layout->hours[l], total));
        }
    }
    return list;
}

/* Rows, flags and scores of an output that is done. */
static enum ntk_status describe_output(struct manifest *manifest, struct ntk_rescore_file *file,
                                       json_t *json, struct ntk_rescore_result *result,
                                       struct ntk_error *error)
{
    char path[2 * PATH_MAX];
    int64_t flagged[NTK_FLAG_COUNT] = {0};
    struct ntk_interval_layout *layout = NULL;
    json_t *survey = file->survey ? json_loads(file->survey, 0, NULL) : NULL;
    enum ntk_status status = ntk_layout_from_json(survey, &layout, error);
    json_decref(survey);
    if (status)
        return status;
    size_t n = layout->n_variables * layout->n_hours;
    struct ntk_tally_total **totals = calloc(n + 1, sizeof *totals);
    snprintf(path, sizeof path, "%s/%s", manifest->folder, file->output);
    status = totals ? ntk_rescore_file_sum(layout, path, totals, flagged, error)
                    : ntk_fail_memory(error, "sums", n * sizeof *totals);
    if (!status) {
        json_object_set_new(json, "rows", json_integer((json_int_t)layout->rows));
        json_object_set_new(json, "flagged", describe_flags(flagged));
        json_object_set_new(json, "scores", gather_scores(manifest, layout, totals));
        result->rows += layout->rows;
        for (int bit = 0; bit < NTK_FLAG_COUNT; bit++)
            result->outside += 1 << bit == NTK_FLAG_OUTSIDE_SUPPORT ? (uint64_t)flagged[bit] : 0;
    }
    for (size_t i = 0; i < n && totals; i++)
        free(totals[i]);
    free(totals);
    free(layout);
    return status;
}

static json_t *describe_file(struct manifest *manifest, struct ntk_rescore_file *file,
                             struct ntk_rescore_result *result)
{
    static const char *const names[] = {"pending", "done", "failed"};
    json_t *json = json_pack("{s:s, s:I, s:s}", "archive", file->input->given, "bytes",
                             (json_int_t)file->input->bytes, "output", file->output);
    if (!json)
        return NULL;
    if (file->state == NTK_FILE_DONE && describe_output(manifest, file, json, result, &file->error))
        file->state = NTK_FILE_FAILED;
    json_object_set_new(json, "status", json_string(names[file->state]));
    if (file->state == NTK_FILE_FAILED) {
        json_t *error = json_string(file->error.text);
        json_object_set_new(json, "error", error ? error : json_string("not to be told"));
    }
    return json;
}

/* ---- all ------------------------------------------------------------------------------------ */

static json_t *describe_all(struct manifest *manifest, const char *calibration, const char *sha256,
                            struct ntk_rescore_file *files, size_t n,
                            struct ntk_rescore_result *result)
{
    json_t *list = json_array(), *levels = json_array(), *scores = json_array();
    int failed = 0;
    *result = (struct ntk_rescore_result){0};
    for (size_t i = 0; i < n; i++) {
        failed |= json_array_append_new(list, describe_file(manifest, &files[i], result));
        result->done += files[i].state == NTK_FILE_DONE;
        result->failed += files[i].state == NTK_FILE_FAILED;
        result->pending += files[i].state == NTK_FILE_PENDING;
    }
    for (size_t l = 0; l < manifest->arguments->n_levels; l++)
        json_array_append_new(levels, json_real(manifest->arguments->levels[l]));
    for (size_t i = 0; i < manifest->n_scores; i++) {
        const struct score *score = &manifest->scores[i];
        failed |=
            json_array_append_new(scores, describe_score(manifest, score->variable, score->units,
                                                         score->hours, score->total));
    }
    json_t *json =
        json_pack("{s:{s:s, s:s}, s:o, s:s, s:s, s:o, s:o}", "calibration", "name", calibration,
                  "sha256", sha256, "levels", levels, "program", "ntkuq " NTK_VERSION, "status",
                  result->done == n ? "complete" : "partial", "files", list, "scores", scores);
    if (failed || manifest->out_of_memory) {
        json_decref(json);
        return NULL;
    }
    return json;
}

/* Written where a kill leaves no litter among the outputs. */
static enum ntk_status publish(const char *folder, const char *text, struct ntk_error *error)
{
    char temporary[PATH_MAX], path[PATH_MAX];
    snprintf(temporary, sizeof temporary, "%s/.rescore/manifest.json", folder);
    snprintf(path, sizeof path, "%s/manifest.json", folder);
    int descriptor = open(temporary, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (descriptor < 0)
        return ntk_fail(error, NTK_CANNOT_CREATE, "cannot write %s: %s", temporary,
                        strerror(errno));
    close(descriptor);
    enum ntk_status status = ntk_publish_write(temporary, text, strlen(text), error);
    return status ? status : ntk_publish_file(temporary, path, 0644, 0, error);
}

enum ntk_status ntk_manifest_write(const char *folder, const struct ntk_arguments *arguments,
                                   const char *calibration, const char *sha256,
                                   struct ntk_rescore_file *files, size_t n,
                                   struct ntk_rescore_result *result, struct ntk_error *error)
{
    struct manifest manifest = {.folder = folder, .arguments = arguments};
    json_t *json = describe_all(&manifest, calibration, sha256, files, n, result);
    char *text = json ? json_dumps(json, JSON_INDENT(1) | JSON_SORT_KEYS) : NULL;
    enum ntk_status status;
    if (!text)
        status = ntk_fail(error, NTK_TRY_AGAIN, "no memory for the manifest of %zu archives", n);
    else
        status = publish(folder, text, error);
    for (size_t i = 0; i < manifest.n_scores; i++)
        free(manifest.scores[i].total);
    free(manifest.scores);
    free(text);
    json_decref(json);
    return status;
}
