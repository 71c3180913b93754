#include "server/query/inference_reply.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "io/limits.h"
#include "server/query/interval_answer.h"
#include "server/text.h"

/* Outputs are of the sample, of all variables in one tensor, or of one variable. */
enum of_sample {
    SIGMA,
    PRIOR,
    CORRECTION,
    POSTERIOR,
    RESIDUAL,
    NOVELTY,
    RESIDUAL_NOVELTY,
    DISTANCE,
    DISTANCE_PERCENTILE,
    FLAGS,
    N_OF_SAMPLE
};
static const char *const sample_names[N_OF_SAMPLE] = {
    "sigma",   "prior_variance",   "correction", "posterior_variance",  "residual_variance",
    "novelty", "residual_novelty", "distance",   "distance_percentile", "flags",
};

enum of_variable { STD, LOWER, UPPER, VARIABLE_FLAGS, N_OF_VARIABLE };
static const char *const all_names[N_OF_VARIABLE] = {"std", "lower", "upper", "variable_flags"};
static const char *const variable_prefixes[N_OF_VARIABLE] = {"std_", "lower_", "upper_", "flags_"};

enum { OUTPUT_RANK = 3, OUTPUT_NAME_SIZE = NTK_NAME_SIZE + 8 };

struct output {
    char name[OUTPUT_NAME_SIZE];
    enum ntk_datatype type; /* FP64, FP32 or INT32 */
    int binary;
    size_t rank, shape[OUTPUT_RANK], count, size;
    unsigned char *values; /* owned; `size` bytes */
};

struct ntk_inference_reply {
    const struct ntk_inference_query *query;
    const struct ntk_inference *inference;
    const struct ntk_interval_query *first; /* the first group's: variables, levels, points */
    size_t n, size;
    struct output *outputs; /* in the order of the reply */
    /* What is wanted, into `outputs`; NULL: it is not. */
    struct output *of_sample[N_OF_SAMPLE], *of_all[N_OF_VARIABLE];
    struct output *(*of_variable)[N_OF_VARIABLE];
};

void ntk_inference_reply_free(struct ntk_inference_reply *reply)
{
    for (size_t i = 0; reply && i < reply->n; i++)
        free(reply->outputs[i].values);
    if (reply) {
        free(reply->outputs);
        free(reply->of_variable);
    }
    free(reply);
}

size_t ntk_inference_reply_size(const struct ntk_inference_reply *reply)
{
    return reply->size;
}

/* ---- the plan ------------------------------------------------------------------------------- */

/* Adds an output of the shape n x second x third, where 0 dimensions more are none. */
static enum ntk_status add(struct ntk_inference_reply *reply, const char *name, int binary,
                           enum ntk_datatype type, size_t rank, const size_t *shape,
                           struct output **slot, struct ntk_error *error)
{
    enum { JSON_VALUE_BYTES = 26 }; /* of a number with its comma, at most */
    struct output *output = &reply->outputs[reply->n];
    size_t unit = binary ? ntk_datatype_size(type) : JSON_VALUE_BYTES, size;
    *output = (struct output){.type = type, .binary = binary, .rank = rank, .count = 1};
    snprintf(output->name, sizeof output->name, "%s", name);
    int fits = 1;
    for (size_t i = 0; i < rank; i++) {
        output->shape[i] = shape[i];
        fits = fits && ntk_size_multiply(output->count, shape[i], &output->count);
    }
    if (!fits || !ntk_size_multiply(output->count, unit, &size) ||
        size > ntk_limits.reply_bytes - reply->size)
        return ntk_fail(error, NTK_BAD_DATA,
                        "the outputs would take more than %zu bytes; fewer rows, levels or outputs "
                        "were expected",
                        ntk_limits.reply_bytes);
    output->size = output->count * ntk_datatype_size(type);
    reply->size += size;
    reply->n++;
    *slot = output;
    return NTK_OK;
}

static enum ntk_status add_of_sample(struct ntk_inference_reply *reply, int kind, int binary,
                                     struct ntk_error *error)
{
    return add(reply, sample_names[kind], binary, kind == FLAGS ? NTK_INT32 : reply->query->real, 1,
               &reply->query->rows, &reply->of_sample[kind], error);
}

/* n x variables, and for limits x levels: for variables that have one point here. */
static enum ntk_status add_of_all(struct ntk_inference_reply *reply, int kind, int binary,
                                  struct ntk_error *error)
{
    const struct ntk_interval_query *query = reply->first;
    const size_t shape[] = {reply->query->rows, query->n_variables, query->n_levels};
    for (size_t v = 0; v < query->n_variables && kind != VARIABLE_FLAGS; v++) {
        if (query->variables[v].points > 1)
            return ntk_fail(error, NTK_BAD_DATA,
                            "output %s is of variables with one point, %s has %zu here: "
                            "%s%s was expected",
                            all_names[kind], query->variables[v].variable->name,
                            query->variables[v].points, variable_prefixes[kind],
                            query->variables[v].variable->name);
    }
    return add(reply, all_names[kind], binary,
               kind == VARIABLE_FLAGS ? NTK_INT32 : reply->query->real,
               kind == LOWER || kind == UPPER ? 3 : 2, shape, &reply->of_all[kind], error);
}

/* std_ n x points, limits n x levels x points, flags_ n. */
static enum ntk_status add_of_variable(struct ntk_inference_reply *reply, int kind, size_t v,
                                       int binary, struct ntk_error *error)
{
    const struct ntk_query_variable *variable = &reply->first->variables[v];
    int limits = kind == LOWER || kind == UPPER;
    const size_t shape[] = {reply->query->rows, limits ? reply->first->n_levels : variable->points,
                            variable->points};
    char name[OUTPUT_NAME_SIZE];
    snprintf(name, sizeof name, "%s%s", variable_prefixes[kind], variable->variable->name);
    return add(reply, name, binary, kind == VARIABLE_FLAGS ? NTK_INT32 : reply->query->real,
               limits                   ? 3
               : kind == VARIABLE_FLAGS ? 1
                                        : 2,
               shape, &reply->of_variable[v][kind], error);
}

static int is_field(const struct ntk_interval_query *query)
{
    int field = 0;
    for (size_t v = 0; v < query->n_variables; v++)
        field |= query->variables[v].points > 1;
    return field;
}

/* Without a list: the sample, flags of each variable, and its limits in one tensor or several. */
static enum ntk_status plan_all(struct ntk_inference_reply *reply, struct ntk_error *error)
{
    int binary = reply->inference->binary_output, field = is_field(reply->first);
    enum ntk_status status = NTK_OK;
    for (int kind = 0; kind < N_OF_SAMPLE && !status; kind++)
        status = add_of_sample(reply, kind, binary, error);
    for (int kind = 0; kind < N_OF_VARIABLE && !status; kind++) {
        if (!field || kind == VARIABLE_FLAGS)
            status = add_of_all(reply, kind, binary, error);
    }
    for (size_t v = 0; v < reply->first->n_variables && field; v++) {
        for (int kind = 0; kind < VARIABLE_FLAGS && !status; kind++)
            status = add_of_variable(reply, kind, v, binary, error);
    }
    return status;
}

/* The variable that an output's name ends with, of the query; SIZE_MAX: none. */
static size_t find_variable(const struct ntk_interval_query *query, const char *name,
                            const char *prefix)
{
    size_t length = strlen(prefix), v = 0;
    if (strncmp(name, prefix, length))
        return SIZE_MAX;
    while (v < query->n_variables && strcmp(query->variables[v].variable->name, name + length))
        v++;
    return v < query->n_variables ? v : SIZE_MAX;
}

static enum ntk_status plan_one(struct ntk_inference_reply *reply,
                                const struct ntk_requested_output *wanted, struct ntk_error *error)
{
    for (int kind = 0; kind < N_OF_SAMPLE; kind++) {
        if (!strcmp(wanted->name, sample_names[kind]))
            return add_of_sample(reply, kind, wanted->binary, error);
    }
    for (int kind = 0; kind < N_OF_VARIABLE; kind++) {
        if (!strcmp(wanted->name, all_names[kind]))
            return add_of_all(reply, kind, wanted->binary, error);
        size_t v = find_variable(reply->first, wanted->name, variable_prefixes[kind]);
        if (v != SIZE_MAX)
            return add_of_variable(reply, kind, v, wanted->binary, error);
    }
    return ntk_fail(error, NTK_BAD_DATA,
                    "there is no output '%.60s' of this request; the model's metadata list the "
                    "outputs, those of a variable need that it is asked about",
                    wanted->name);
}

/* One tensor holds all rows, so that lead times must agree on what its other dimensions are. */
static enum ntk_status check_groups(const struct ntk_inference_query *query,
                                    struct ntk_error *error)
{
    const struct ntk_interval_query *first = &query->groups->query;
    for (size_t g = 1; g < query->n_groups; g++) {
        const struct ntk_interval_query *other = &query->groups[g].query;
        int same = first->n_variables == other->n_variables;
        for (size_t v = 0; v < first->n_variables && same; v++)
            same = first->variables[v].points == other->variables[v].points &&
                   !strcmp(first->variables[v].variable->name, other->variables[v].variable->name);
        if (!same)
            return ntk_fail(error, NTK_BAD_DATA,
                            "lead times %g and %g hours have different variables, a request of "
                            "each was expected",
                            first->lead->lead_hours, other->lead->lead_hours);
    }
    return NTK_OK;
}

static enum ntk_status plan(struct ntk_inference_reply *reply, struct ntk_error *error)
{
    const struct ntk_inference *inference = reply->inference;
    size_t variables = reply->first->n_variables;
    size_t most =
        inference->n_outputs ? inference->n_outputs : N_OF_SAMPLE + N_OF_VARIABLE * (1 + variables);
    reply->outputs = calloc(most, sizeof *reply->outputs);
    reply->of_variable = calloc(variables + 1, sizeof *reply->of_variable);
    if (!reply->outputs || !reply->of_variable)
        return ntk_fail_memory(error, "the outputs", most * sizeof *reply->outputs);
    enum ntk_status status = inference->n_outputs ? NTK_OK : plan_all(reply, error);
    for (size_t i = 0; i < inference->n_outputs && !status; i++)
        status = plan_one(reply, &inference->outputs[i], error);
    return status;
}

enum ntk_status ntk_inference_reply_create(const struct ntk_inference_query *query,
                                           const struct ntk_inference *inference,
                                           struct ntk_inference_reply **out,
                                           struct ntk_error *error)
{
    enum ntk_status status = check_groups(query, error);
    if (status)
        return status;
    struct ntk_inference_reply *reply = calloc(1, sizeof *reply);
    if (!reply)
        return ntk_fail_memory(error, "the outputs", sizeof *reply);
    reply->query = query;
    reply->inference = inference;
    reply->first = &query->groups->query;
    if ((status = plan(reply, error)))
        ntk_inference_reply_free(reply);
    else
        *out = reply;
    return status;
}

/* ---- values --------------------------------------------------------------------------------- */

static void put_real(struct output *output, size_t i, double value)
{
    float narrow = (float)value;
    if (!output)
        return;
    if (output->type == NTK_FP64)
        memcpy(output->values + i * sizeof value, &value, sizeof value);
    else
        memcpy(output->values + i * sizeof narrow, &narrow, sizeof narrow);
}

static void put_flags(struct output *output, size_t i, unsigned flags)
{
    int32_t value = (int32_t)flags;
    if (output)
        memcpy(output->values + i * sizeof value, &value, sizeof value);
}

static void put_sample(struct ntk_inference_reply *reply, const struct ntk_interval_answer *answer,
                       size_t row)
{
    put_real(reply->of_sample[SIGMA], row, answer->variance.sigma);
    put_real(reply->of_sample[PRIOR], row, answer->variance.prior);
    put_real(reply->of_sample[CORRECTION], row, answer->variance.correction);
    put_real(reply->of_sample[POSTERIOR], row, answer->variance.posterior);
    put_real(reply->of_sample[RESIDUAL], row, answer->variance.residual);
    put_real(reply->of_sample[NOVELTY], row, answer->novelty.prior);
    put_real(reply->of_sample[RESIDUAL_NOVELTY], row, answer->novelty.residual);
    put_real(reply->of_sample[DISTANCE], row, answer->novelty.distance);
    put_real(reply->of_sample[DISTANCE_PERCENTILE], row, answer->novelty.distance_percentile);
}

static void put_limits(struct output *output, const struct ntk_interval_answer *answer, int upper,
                       size_t start)
{
    size_t points = answer->variable->points;
    unsigned ignored = 0;
    for (size_t l = 0; output && l < answer->query->n_levels; l++) {
        for (size_t p = 0; p < points; p++)
            put_real(output, start + l * points + p,
                     ntk_interval_answer_limit(answer, l, upper, p, &ignored));
    }
}

static void put_std(struct output *output, const struct ntk_interval_answer *answer, size_t start)
{
    for (size_t p = 0; output && p < answer->variable->points; p++)
        put_real(output, start + p, ntk_interval_answer_std(answer, p));
}

/* Gives the variable's flags. With one point a variable, its place among all is row x variables + v
 * for whatever kind, and its limits begin there times the levels. */
static unsigned put_variable(struct ntk_inference_reply *reply, struct ntk_interval_answer *answer,
                             size_t row, size_t v)
{
    struct output **own = reply->of_variable[v];
    size_t at = row * reply->first->n_variables + v, levels = answer->query->n_levels;
    ntk_interval_answer_variable(answer, &answer->query->variables[v]);
    size_t points = answer->variable->points;
    unsigned flags = ntk_interval_answer_flags(answer);
    put_std(own[STD], answer, row * points);
    put_limits(own[LOWER], answer, 0, row * levels * points);
    put_limits(own[UPPER], answer, 1, row * levels * points);
    put_flags(own[VARIABLE_FLAGS], row, flags);
    put_std(reply->of_all[STD], answer, at);
    put_limits(reply->of_all[LOWER], answer, 0, at * levels);
    put_limits(reply->of_all[UPPER], answer, 1, at * levels);
    put_flags(reply->of_all[VARIABLE_FLAGS], at, flags);
    return flags;
}

/* Limits are most of the work: they are left where nothing asks for them. */
static int wants_variables(const struct ntk_inference_reply *reply)
{
    size_t of_sample = 0;
    for (int kind = 0; kind < N_OF_SAMPLE; kind++)
        of_sample += reply->of_sample[kind] != NULL;
    return reply->of_sample[FLAGS] || of_sample < reply->n;
}

static enum ntk_status eval_group(struct ntk_inference_reply *reply,
                                  const struct ntk_inference_group *group, struct ntk_error *error)
{
    struct ntk_interval_answer answer;
    size_t variables = wants_variables(reply) ? group->query.n_variables : 0;
    enum ntk_status status = ntk_interval_answer_init(&answer, &group->query, error);
    if (status)
        return status;
    for (size_t i = 0; i < group->query.features.rows; i++) {
        ntk_interval_answer_sample(&answer, i);
        put_sample(reply, &answer, group->rows[i]);
        unsigned flags = answer.flags;
        for (size_t v = 0; v < variables; v++)
            flags |= put_variable(reply, &answer, group->rows[i], v);
        put_flags(reply->of_sample[FLAGS], group->rows[i], flags);
    }
    return NTK_OK;
}

enum ntk_status ntk_inference_reply_eval(struct ntk_inference_reply *reply, struct ntk_error *error)
{
    enum ntk_status status = NTK_OK;
    for (size_t i = 0; i < reply->n; i++) {
        struct output *output = &reply->outputs[i];
        if (!(output->values = malloc(output->size + 1)))
            return ntk_fail_memory(error, "the outputs", output->size);
    }
    for (size_t g = 0; g < reply->query->n_groups && !status; g++)
        status = eval_group(reply, &reply->query->groups[g], error);
    return status;
}

/* ---- the body ------------------------------------------------------------------------------- */

static void write_value(const struct output *output, size_t i, struct ntk_text *text)
{
    double real;
    float narrow;
    int32_t flags;
    if (output->type == NTK_FP64) {
        memcpy(&real, output->values + i * sizeof real, sizeof real);
    } else if (output->type == NTK_FP32) {
        memcpy(&narrow, output->values + i * sizeof narrow, sizeof narrow);
        real = (double)narrow;
    } else {
        memcpy(&flags, output->values + i * sizeof flags, sizeof flags);
        real = flags;
    }
    ntk_text_append_real(text, real, "null");
}

static void write_output(const struct output *output, struct ntk_text *text)
{
    ntk_text_append(text, "{\"name\":");
    ntk_text_append_quoted(text, output->name);
    ntk_text_append(text, ",\"datatype\":");
    ntk_text_append_quoted(text, ntk_datatype_name(output->type));
    for (size_t i = 0; i < output->rank; i++) {
        ntk_text_append(text, i ? "," : ",\"shape\":[");
        ntk_text_append_size(text, output->shape[i]);
    }
    if (output->binary) {
        ntk_text_append(text, "],\"parameters\":{\"binary_data_size\":");
        ntk_text_append_size(text, output->size);
        ntk_text_append(text, "}}");
        return;
    }
    ntk_text_append(text, "],\"data\":[");
    for (size_t i = 0; i < output->count; i++) {
        ntk_text_append(text, i ? "," : "");
        write_value(output, i, text);
    }
    ntk_text_append(text, "]}");
}

static void write_json(const struct ntk_inference_reply *reply, struct ntk_text *text)
{
    const struct ntk_version *version = reply->first->version;
    ntk_text_append(text, "{");
    if (reply->inference->id) {
        ntk_text_append(text, "\"id\":");
        ntk_text_append_quoted(text, reply->inference->id);
        ntk_text_append(text, ",");
    }
    ntk_text_append(text, "\"model_name\":");
    ntk_text_append_quoted(text, version->name);
    ntk_text_append(text, ",\"model_version\":\"");
    ntk_text_append_size(text, version->number);
    ntk_text_append(text, "\",\"outputs\":[");
    for (size_t i = 0; i < reply->n; i++) {
        ntk_text_append(text, i ? "," : "");
        write_output(&reply->outputs[i], text);
    }
    ntk_text_append(text, "]}");
}

enum ntk_status ntk_inference_reply_encode(const struct ntk_inference_reply *reply, void **body,
                                           size_t *size, size_t *json_size, struct ntk_error *error)
{
    struct ntk_text text = {0};
    size_t binary = 0; /* within ntk_limits.reply_bytes */
    write_json(reply, &text);
    for (size_t i = 0; i < reply->n; i++)
        binary += reply->outputs[i].binary ? reply->outputs[i].size : 0;
    unsigned char *bytes = text.failed ? NULL : malloc(text.size + binary);
    if (!bytes) {
        ntk_text_clear(&text);
        return ntk_fail_memory(error, "the reply", text.size + binary);
    }
    memcpy(bytes, text.bytes, text.size);
    *json_size = *size = text.size;
    for (size_t i = 0; i < reply->n; i++) {
        const struct output *output = &reply->outputs[i];
        if (output->binary) {
            memcpy(bytes + *size, output->values, output->size);
            *size += output->size;
        }
    }
    ntk_text_clear(&text);
    *body = bytes;
    return NTK_OK;
}

/* ---- metadata ------------------------------------------------------------------------------- */

/* A tensor whose dimensions are all open but the second, which is `second` unless that is 0. */
static void describe(json_t *list, const char *prefix, const char *name, const char *type, int rank,
                     size_t second, int optional)
{
    json_t *shape = json_array();
    for (int i = 0; i < rank; i++)
        json_array_append_new(shape, json_integer(i == 1 && second ? (json_int_t)second : -1));
    json_t *tensor =
        json_pack("{s:s++, s:s, s:o}", "name", prefix, name, "", "datatype", type, "shape", shape);
    if (tensor && optional)
        json_object_set_new(tensor, "parameters", json_pack("{s:b}", "optional", 1));
    json_array_append_new(list, tensor);
}

/* Calls `each` with every variable once, whichever lead time has it. */
static void for_each_variable(const struct ntk_calibration *calibration, json_t *list,
                              void (*each)(json_t *list, const char *name))
{
    for (size_t l = 0; l < calibration->n_leads; l++) {
        for (size_t v = 0; v < calibration->leads[l].n_variables; v++) {
            const char *name = calibration->leads[l].variables[v].name;
            size_t earlier = 0;
            while (earlier < l &&
                   !ntk_calibration_find_variable(&calibration->leads[earlier], name))
                earlier++;
            if (earlier == l)
                each(list, name);
        }
    }
}

static void describe_forecast(json_t *list, const char *name)
{
    describe(list, "forecast_", name, "FP64", 2, 0, 1);
}

static void describe_variable(json_t *list, const char *name)
{
    describe(list, variable_prefixes[STD], name, "FP64", 2, 0, 0);
    describe(list, variable_prefixes[LOWER], name, "FP64", 3, 0, 0);
    describe(list, variable_prefixes[UPPER], name, "FP64", 3, 0, 0);
    describe(list, variable_prefixes[VARIABLE_FLAGS], name, "INT32", 1, 0, 0);
}

json_t *ntk_inference_describe_inputs(const struct ntk_calibration *calibration)
{
    json_t *list = json_array();
    describe(list, "", "features", "FP32", 2, calibration->d, 0);
    describe(list, "", "lead_time_hours", "FP64", 1, 0, 0);
    describe(list, "", "forecast", "FP64", 2, 0, 1);
    for_each_variable(calibration, list, describe_forecast);
    describe(list, "", "levels", "FP64", 1, 0, 1);
    describe(list, "", "forecast_reference_time", "BYTES", 1, 0, 1);
    describe(list, "", "covariates", "FP32", 2, 0, 1);
    return list;
}

json_t *ntk_inference_describe_outputs(const struct ntk_calibration *calibration)
{
    json_t *list = json_array();
    for (int kind = 0; kind < N_OF_SAMPLE; kind++)
        describe(list, "", sample_names[kind], kind == FLAGS ? "INT32" : "FP64", 1, 0, 0);
    for (int kind = 0; kind < N_OF_VARIABLE; kind++)
        describe(list, "", all_names[kind], kind == VARIABLE_FLAGS ? "INT32" : "FP64",
                 kind == LOWER || kind == UPPER ? 3 : 2, 0, 0);
    for_each_variable(calibration, list, describe_variable);
    return list;
}
