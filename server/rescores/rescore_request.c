#include "server/rescores/rescore_request.h"

#include <stdio.h>
#include <string.h>

#include "io/json.h"
#include "server/calibrations/ntkuq.h"
#include "server/calibrations/registry.h"

enum { MEMORY_LEAST = 64 << 20, VERSION_MOST = 999999999 };

static enum ntk_status read_calibration(const json_t *body, struct ntk_rescore_request *out,
                                        struct ntk_error *error)
{
    const json_t *version = json_object_get(body, "version"),
                 *label = json_object_get(body, "label");
    json_int_t number = json_integer_value(version);
    out->calibration = json_string_value(json_object_get(body, "calibration"));
    if (!out->calibration || !ntk_registry_is_name(out->calibration))
        return ntk_fail(error, NTK_BAD_DATA, "calibration is %s%.80s, the name of one was expected",
                        out->calibration ? "" : "missing",
                        out->calibration ? out->calibration : "");
    if (version && (!json_is_integer(version) || number < 1 || number > VERSION_MOST))
        return ntk_fail(error, NTK_BAD_DATA, "version is not a whole number from 1 to %d",
                        VERSION_MOST);
    if (label && !json_is_string(label))
        return ntk_fail(error, NTK_BAD_DATA, "label is not a string such as \"stable\"");
    if (version && label)
        return ntk_fail(error, NTK_BAD_DATA, "both version and label were found, one was expected");
    out->version = (unsigned)number;
    out->label = json_string_value(label);
    return NTK_OK;
}

static enum ntk_status read_names(const json_t *list, struct ntk_rescore_request *out,
                                  struct ntk_error *error)
{
    size_t n = json_array_size(list);
    if (!json_is_array(list))
        return ntk_fail(error, NTK_BAD_DATA,
                        "archives is %s, an array of 1 to %d paths was expected",
                        list ? "no array" : "missing", NTK_RESCORE_NAMES);
    if (n < 1 || n > NTK_RESCORE_NAMES)
        return ntk_fail(error, NTK_BAD_DATA,
                        "archives has %zu entries, an array of 1 to %d paths was expected", n,
                        NTK_RESCORE_NAMES);
    for (size_t i = 0; i < n; i++) {
        const json_t *name = json_array_get(list, i);
        size_t length = json_string_length(name);
        if (length < 1 || length >= PATH_MAX || strlen(json_string_value(name)) < length)
            return ntk_fail(error, NTK_BAD_DATA,
                            "entry %zu of archives is not a path of 1 to %d bytes", i,
                            PATH_MAX - 1);
        out->names[out->n_names++] = json_string_value(name);
    }
    return NTK_OK;
}

static enum ntk_status read_levels(const json_t *list, struct ntk_rescore_request *out,
                                   struct ntk_error *error)
{
    double levels[NTK_RESCORE_LEVELS];
    size_t n = json_array_size(list);
    if (!list)
        return NTK_OK;
    if (!json_is_array(list) || n < 1 || n > NTK_RESCORE_LEVELS)
        return ntk_fail(error, NTK_BAD_DATA,
                        "levels has %zu entries, an array of 1 to %d numbers was expected", n,
                        NTK_RESCORE_LEVELS);
    for (size_t l = 0; l < n; l++) {
        const json_t *level = json_array_get(list, l);
        levels[l] = json_number_value(level);
        if (!json_is_number(level) || !(levels[l] > 0 && levels[l] < 1))
            return ntk_fail(error, NTK_BAD_DATA, "level %zu is not a number above 0 and below 1",
                            l);
    }
    ntk_ntkuq_print_levels(levels, n, out->levels, sizeof out->levels);
    return NTK_OK;
}

static enum ntk_status read_missing(const json_t *value, struct ntk_rescore_request *out,
                                    struct ntk_error *error)
{
    static const char *const choices[] = {"reject", "mask_point"};
    const char *text = json_string_value(value);
    for (size_t i = 0; text && i < sizeof choices / sizeof *choices; i++) {
        if (!strcmp(text, choices[i]))
            out->missing = choices[i];
    }
    if (value && !out->missing)
        return ntk_fail(error, NTK_BAD_DATA, "missing is %s%.40s, it may be reject or mask_point",
                        text ? "" : "no string", text ? text : "");
    return NTK_OK;
}

static enum ntk_status read_memory(const struct ntk_config *config, const json_t *value,
                                   struct ntk_rescore_request *out, struct ntk_error *error)
{
    json_int_t bytes = json_integer_value(value);
    out->memory_bytes = config->job_memory_bytes;
    if (!value)
        return NTK_OK;
    if (!json_is_integer(value) || bytes < MEMORY_LEAST ||
        (uint64_t)bytes > config->job_memory_bytes)
        return ntk_fail(error, NTK_BAD_DATA,
                        "memory_bytes is %lld, a whole number from %d to the %llu of "
                        "job_memory_bytes was expected",
                        (long long)bytes, MEMORY_LEAST,
                        (unsigned long long)config->job_memory_bytes);
    out->memory_bytes = (uint64_t)bytes;
    return NTK_OK;
}

enum ntk_status ntk_rescore_request_read(const struct ntk_config *config, const json_t *body,
                                         struct ntk_rescore_request *out, struct ntk_error *error)
{
    static const char *const allowed[] = {"calibration", "version", "label",        "archives",
                                          "levels",      "missing", "memory_bytes", NULL};
    memset(out, 0, sizeof *out);
    if (ntk_json_unknown_key(body, "the rescore request", allowed, error))
        return NTK_USAGE;
    enum ntk_status status = read_calibration(body, out, error);
    if (!status)
        status = read_names(json_object_get(body, "archives"), out, error);
    if (!status)
        status = read_levels(json_object_get(body, "levels"), out, error);
    if (!status)
        status = read_missing(json_object_get(body, "missing"), out, error);
    return status ? status : read_memory(config, json_object_get(body, "memory_bytes"), out, error);
}

void ntk_rescore_request_options(const struct ntk_rescore_request *request, char memory[24],
                                 const char *options[6], size_t *n)
{
    size_t used = 0;
    snprintf(memory, 24, "%llu", (unsigned long long)request->memory_bytes);
    options[used++] = "--memory";
    options[used++] = memory;
    if (*request->levels) {
        options[used++] = "--levels";
        options[used++] = request->levels;
    }
    if (request->missing) {
        options[used++] = "--missing";
        options[used++] = request->missing;
    }
    *n = used;
}
