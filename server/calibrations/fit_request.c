#include "server/calibrations/fit_request.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "io/json.h"
#include "server/calibrations/datasets.h"
#include "server/calibrations/registry.h"

/* Fields that become an option of ntkuq fit; ntkuq checks their values. */
static const struct {
    const char *field, *option, *choices; /* choices: separated by '|'; NULL: free text */
} fit_options[NTK_FIT_OPTIONS] = {
    {"method", "--method", "auto|svd|ica"},
    {"rank", "--rank", NULL},
    {"select", "--select", "auto|rule|validate"},
    {"noise", "--noise", "tail_mean|per_sample|marchenko_pastur|validate"},
    {"centre", "--centre", "auto|none|mean|season|gp_mean"},
    {"scale", "--scale", "auto|constant|sigma|season|ntk|learned"},
    {"place", "--place", "auto|none|band|cell"},
    {"groups", "--groups", "none|season|region"},
    {"bounds", "--bounds", NULL},
    {"variance", "--variance", "published|reference"},
    {"standardise", "--standardise", "mean_norm|per_channel"},
    {"ica_form", "--ica-form", "ritz|diagonal"},
    {"features", "--features", NULL},
    {"split", "--split", NULL},
    {"seed", "--seed", NULL},
    {"missing", "--missing", "reject|drop_sample|mask_point"},
};

static int is_choice(const char *value, const char *choices)
{
    size_t length = strlen(value);
    for (const char *choice = choices; choice; choice = strchr(choice, '|')) {
        choice += *choice == '|';
        if (strcspn(choice, "|") == length && !strncmp(choice, value, length))
            return 1;
    }
    return 0;
}

static enum ntk_status read_option(const json_t *body, size_t i, struct ntk_fit_request *fit,
                                   size_t *used, struct ntk_error *error)
{
    const char *field = fit_options[i].field, *choices = fit_options[i].choices;
    const json_t *value = json_object_get(body, field);
    char *text = fit->values[i];
    int number = !strcmp(field, "rank") || !strcmp(field, "seed");
    if (!value)
        return NTK_OK;
    if (json_is_integer(value) && number)
        snprintf(text, NTK_NAME_SIZE, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_string(value) && strcmp(field, "seed") && *json_string_value(value) &&
             strlen(json_string_value(value)) < NTK_NAME_SIZE)
        strcpy(text, json_string_value(value));
    else
        return ntk_fail(error, NTK_BAD_DATA, "%s has the wrong type or length, %s was expected",
                        field, number ? "a whole number" : "a string");
    if (choices && !is_choice(text, choices))
        return ntk_fail(error, NTK_BAD_DATA, "%s is '%.60s', it may be %s", field, text, choices);
    if (!strcmp(field, "rank") && json_is_string(value) && strcmp(text, "auto"))
        return ntk_fail(error, NTK_BAD_DATA,
                        "rank is '%.60s', a whole number or \"auto\" was expected", text);
    if (number && *text == '-')
        return ntk_fail(error, NTK_BAD_DATA, "%s is %s, it cannot be negative", field, text);
    fit->options[(*used)++] = fit_options[i].option;
    fit->options[(*used)++] = text;
    return NTK_OK;
}

static enum ntk_status read_datasets(const struct ntk_config *config, const json_t *list,
                                     struct ntk_fit_request *fit, struct ntk_error *error)
{
    size_t n = json_array_size(list);
    if (!json_is_array(list) || n < 1 || n > NTK_FIT_DATASETS)
        return ntk_fail(error, NTK_BAD_DATA,
                        "datasets has %zu ids, an array of 1 to %d was expected", n,
                        NTK_FIT_DATASETS);
    for (size_t i = 0; i < n; i++) {
        char path[PATH_MAX];
        fit->datasets[i] = json_string_value(json_array_get(list, i));
        if (!fit->datasets[i] || !ntk_dataset_path(config, fit->datasets[i], path, sizeof path))
            return ntk_fail(error, NTK_NO_INPUT, "there is no dataset '%.80s'",
                            fit->datasets[i] ? fit->datasets[i] : "");
    }
    return NTK_OK;
}

static enum ntk_status refuse_unknown(const json_t *body, struct ntk_error *error)
{
    const char *allowed[NTK_FIT_OPTIONS + 3] = {"name", "datasets"};
    for (size_t i = 0; i < NTK_FIT_OPTIONS; i++)
        allowed[i + 2] = fit_options[i].field;
    return ntk_json_unknown_key(body, "the fit request", allowed, error) ? NTK_USAGE : NTK_OK;
}

enum ntk_status ntk_fit_request_read(const struct ntk_config *config, const json_t *body,
                                     struct ntk_fit_request *out, struct ntk_error *error)
{
    size_t used = 0;
    *out = (struct ntk_fit_request){.name = json_string_value(json_object_get(body, "name"))};
    enum ntk_status status = refuse_unknown(body, error);
    if (!status && (!out->name || !ntk_registry_is_name(out->name)))
        status = ntk_fail(error, NTK_BAD_DATA,
                          "name is %s%.80s, 1 to 64 letters, digits, '.', '_' or '-' were expected",
                          out->name ? "" : "missing", out->name ? out->name : "");
    for (size_t i = 0; i < NTK_FIT_OPTIONS && !status; i++)
        status = read_option(body, i, out, &used, error);
    return status ? status : read_datasets(config, json_object_get(body, "datasets"), out, error);
}
