#include "server/edr/edr_answer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/ledger/store.h"

/* ---- parameters ----------------------------------------------------------------------------- */

/* Whether one of the names, which are separated by commas, is `name`. */
static int is_named(const char *names, const char *name)
{
    size_t length = strlen(name);
    for (; *names; names += *names == ',') {
        size_t found = strcspn(names, ",");
        if (found == length && !strncmp(names, name, length))
            return 1;
        names += found;
    }
    return 0;
}

static int is_parameter(const struct ntk_edr_plan *plan, const char *name, size_t length)
{
    for (size_t p = 0; p < plan->n_parameters; p++) {
        if (strlen(plan->parameters[p].name) == length &&
            !strncmp(plan->parameters[p].name, name, length))
            return 1;
    }
    return 0;
}

static enum ntk_status check_names(const char *names, const struct ntk_edr_plan *plan,
                                   struct ntk_error *error)
{
    for (const char *name = names;; name++) {
        size_t length = strcspn(name, ",");
        if (!is_parameter(plan, name, length))
            return ntk_fail(error, NTK_USAGE,
                            "parameter-name has '%.*s', which collection %.64s does not have at "
                            "this reference time; its description lists parameter_names",
                            length < 60 ? (int)length : 60, name, plan->collection->name);
        name += length;
        if (!*name)
            return NTK_OK;
    }
}

/* Without names all are meant; but who names quantiles means what has them, and a NetCDF file has
 * one set of axes. */
static enum ntk_status choose_parameters(const struct ntk_edr_query *query,
                                         struct ntk_edr_plan *plan, struct ntk_error *error)
{
    size_t kept = 0;
    const char *names = query->parameters;
    enum ntk_status status =
        ntk_edr_parameters(plan->instance, &plan->parameters, &plan->n_parameters, error);
    if (!status && names)
        status = check_names(names, plan, error);
    if (status)
        return status;
    for (size_t p = 0; p < plan->n_parameters; p++) {
        const struct ntk_edr_parameter *parameter = &plan->parameters[p];
        if (names ? is_named(names, parameter->name)
                  : !parameter->is_forecast ||
                        (query->wanted.n == 0 && query->format != NTK_EDR_NETCDF))
            plan->parameters[kept++] = *parameter;
    }
    plan->n_parameters = kept;
    return NTK_OK;
}

/* ---- axes ----------------------------------------------------------------------------------- */

/* Whether some parameter of the plan is of the field's variable. */
static int is_chosen(const struct ntk_edr_plan *plan, const struct ntk_edr_field *field,
                     int with_quantiles)
{
    for (size_t p = 0; p < plan->n_parameters; p++) {
        if (!strcmp(plan->parameters[p].field->variable, field->variable) &&
            (!with_quantiles || !plan->parameters[p].is_forecast))
            return 1;
    }
    return 0;
}

static int has_time(const struct ntk_edr_plan *plan, int64_t time)
{
    for (size_t i = 0; i < plan->instance->n_fields; i++) {
        const struct ntk_edr_field *field = &plan->instance->fields[i];
        if (field->valid_time == time && is_chosen(plan, field, 0))
            return 1;
    }
    return 0;
}

static int has_quantile(const struct ntk_edr_plan *plan, double quantile)
{
    for (size_t i = 0; i < plan->instance->n_fields; i++) {
        const struct ntk_edr_field *field = &plan->instance->fields[i];
        for (size_t l = 0; l < 2 * field->n_levels && is_chosen(plan, field, 1); l++) {
            if (ntk_edr_quantile(field->levels[l / 2], l % 2) == quantile)
                return 1;
        }
    }
    return 0;
}

static enum ntk_status choose_axes(const struct ntk_edr_query *query, struct ntk_edr_plan *plan,
                                   struct ntk_error *error)
{
    const struct ntk_edr_instance *instance = plan->instance;
    plan->t = calloc(instance->n_times + 1, sizeof *plan->t);
    plan->quantiles = calloc(instance->n_quantiles + 1, sizeof *plan->quantiles);
    if (!plan->t || !plan->quantiles)
        return ntk_fail_memory(error, "the axes", instance->n_times * sizeof *plan->t);
    for (size_t i = 0; i < instance->n_times; i++) {
        int64_t time = instance->times[i];
        if (time >= query->from && time <= query->to && has_time(plan, time))
            plan->t[plan->n_t++] = time;
    }
    for (size_t i = 0; i < instance->n_quantiles; i++) {
        double quantile = instance->quantiles[i];
        if (ntk_edr_wants_quantile(&query->wanted, quantile) && has_quantile(plan, quantile))
            plan->quantiles[plan->n_quantiles++] = quantile;
    }
    return NTK_OK;
}

/* ---- places --------------------------------------------------------------------------------- */

/* The place of each position that has one. */
static enum ntk_status choose_positions(const struct ntk_edr_query *query,
                                        struct ntk_edr_plan *plan, struct ntk_error *error)
{
    struct ntk_edr_selection *s = &plan->places;
    struct ntk_edr_point found;
    size_t point;
    s->rows = calloc(query->points.n, sizeof *s->rows);
    s->y = ntk_matrix_create(1, query->points.n);
    s->x = ntk_matrix_create(1, query->points.n);
    if (!s->rows || !s->y || !s->x)
        return ntk_fail_memory(error, "the places", query->points.n * sizeof *s->y);
    for (size_t i = 0; i < query->points.n; i++) {
        if (!ntk_edr_nearest(plan->instance->places, query->points.at[i], &point, &found))
            continue;
        s->rows[s->n_x] = point;
        s->y[s->n_x] = found.latitude;
        s->x[s->n_x++] = found.longitude;
    }
    s->n_y = s->n_x;
    return NTK_OK;
}

static enum ntk_status choose_places(const struct ntk_edr_query *query, struct ntk_edr_plan *plan,
                                     struct ntk_error *error)
{
    const struct ntk_places *places = plan->instance->places;
    plan->is_series = !query->is_cube || places->kind == NTK_PLACE_STATION;
    plan->is_multi = query->points.is_multi || (query->is_cube && plan->is_series);
    enum ntk_status status = query->is_cube
                                 ? ntk_edr_select(places, &query->box, &plan->places, error)
                                 : choose_positions(query, plan, error);
    if (!status)
        plan->n_places = plan->is_series ? plan->places.n_x : plan->places.n_y * plan->places.n_x;
    return status;
}

/* Index in the instance's fields. */
static size_t point_of(const struct ntk_edr_plan *plan, size_t place)
{
    const struct ntk_edr_selection *s = &plan->places;
    return plan->is_series ? s->rows[place]
                           : s->rows[place / s->n_x] * plan->instance->places->n_longitude +
                                 s->columns[place % s->n_x];
}

/* ---- the plan ------------------------------------------------------------------------------- */

static size_t quantiles_of(const struct ntk_edr_plan *plan, size_t p)
{
    return plan->parameters[p].is_forecast ? 1 : plan->n_quantiles;
}

static size_t values_of(const struct ntk_edr_plan *plan, size_t p)
{
    return plan->n_t * plan->n_places * quantiles_of(plan, p);
}

/* Parameters that want quantiles when there are none have no data. */
static void drop_empty_parameters(struct ntk_edr_plan *plan)
{
    size_t kept = 0;
    for (size_t p = 0; p < plan->n_parameters; p++) {
        if (quantiles_of(plan, p))
            plan->parameters[kept++] = plan->parameters[p];
    }
    plan->n_parameters = kept;
    for (size_t p = 0; p < kept; p++)
        plan->n_values += values_of(plan, p);
}

enum ntk_status ntk_edr_plan_make(const struct ntk_edr_collection *collection,
                                  const struct ntk_edr_instance *instance,
                                  const struct ntk_edr_query *query, struct ntk_edr_plan *out,
                                  struct ntk_error *error)
{
    struct ntk_edr_plan made = {.collection = collection, .instance = instance};
    enum ntk_status status = choose_parameters(query, &made, error);
    if (!status)
        status = choose_axes(query, &made, error);
    if (!status)
        status = choose_places(query, &made, error);
    if (status) {
        ntk_edr_plan_clear(&made);
        return status;
    }
    drop_empty_parameters(&made);
    *out = made;
    return NTK_OK;
}

void ntk_edr_plan_clear(struct ntk_edr_plan *plan)
{
    free(plan->parameters);
    free(plan->t);
    free(plan->quantiles);
    ntk_edr_selection_clear(&plan->places);
    *plan = (struct ntk_edr_plan){0};
}

static size_t count_forecasts(const struct ntk_edr_plan *plan)
{
    size_t n = 0;
    for (size_t p = 0; p < plan->n_parameters; p++)
        n += plan->parameters[p].is_forecast != 0;
    return n;
}

int ntk_edr_plan_is_mixed(const struct ntk_edr_plan *plan)
{
    size_t forecasts = count_forecasts(plan);
    return forecasts > 0 && forecasts < plan->n_parameters;
}

/* ---- reading -------------------------------------------------------------------------------- */

struct reading {
    const struct ntk_edr_plan *plan;
    struct ntk_edr_answer *answer;
};

static const struct ntk_edr_field *find_field(const struct ntk_edr_instance *instance, int64_t id)
{
    for (size_t i = 0; i < instance->n_fields; i++) {
        if (instance->fields[i].id == id)
            return &instance->fields[i];
    }
    return NULL;
}

/* A series keeps the values of a place together, a grid those of a field. */
static void put_field(const struct ntk_edr_plan *plan, double *out, size_t n_quantiles, size_t t,
                      size_t q, const double *field)
{
    for (size_t place = 0; place < plan->n_places; place++) {
        size_t at = plan->is_series ? (place * plan->n_t + t) * n_quantiles + q
                                    : (t * n_quantiles + q) * plan->n_places + place;
        out[at] = field[point_of(plan, place)];
    }
}

static void put_levels(const struct ntk_edr_plan *plan, double *out, size_t t,
                       const struct ntk_record *record)
{
    for (size_t q = 0; q < plan->n_quantiles; q++) {
        for (size_t l = 0; l < record->n_levels; l++) {
            if (ntk_edr_quantile(record->levels[l], 0) == plan->quantiles[q])
                put_field(plan, out, plan->n_quantiles, t, q, ntk_record_lower(record, l));
            if (ntk_edr_quantile(record->levels[l], 1) == plan->quantiles[q])
                put_field(plan, out, plan->n_quantiles, t, q, ntk_record_upper(record, l));
        }
    }
}

static enum ntk_status take_record(void *user, int64_t id, const struct ntk_record *record,
                                   struct ntk_error *error)
{
    const struct reading *reading = user;
    const struct ntk_edr_plan *plan = reading->plan;
    const struct ntk_edr_field *field = find_field(plan->instance, id);
    size_t t = 0;
    (void)error;
    while (field && t < plan->n_t && plan->t[t] != field->valid_time)
        t++;
    if (!field || t == plan->n_t || record->points != field->points)
        return NTK_OK; /* an older version's, or not asked for */
    for (size_t p = 0; p < plan->n_parameters; p++) {
        double *out = reading->answer->values[p];
        if (strcmp(plan->parameters[p].field->variable, record->variable))
            continue;
        if (plan->parameters[p].is_forecast)
            put_field(plan, out, 1, t, 0, ntk_record_forecast(record));
        else
            put_levels(plan, out, t, record);
    }
    return NTK_OK;
}

/* The one variable that is asked for, or "" when there are more. */
static const char *only_variable(const struct ntk_edr_plan *plan)
{
    const char *first = plan->parameters[0].field->variable;
    for (size_t p = 1; p < plan->n_parameters; p++) {
        if (strcmp(plan->parameters[p].field->variable, first))
            return "";
    }
    return first;
}

static enum ntk_status read_values(const struct ntk_edr_plan *plan, struct ntk_edr_answer *answer,
                                   struct ntk_error *error)
{
    struct reading reading = {plan, answer};
    struct ntk_record_filter filter = ntk_record_filter_any;
    filter.calibration = plan->collection->name;
    filter.variable = only_variable(plan);
    filter.from = filter.to = plan->instance->reference_time;
    return ntk_store_records(plan->collection->server->store, &filter, take_record, &reading,
                             error);
}

/* ---- the document --------------------------------------------------------------------------- */

/* Without data until they are read. */
static enum ntk_status make_values(const struct ntk_edr_plan *plan, struct ntk_edr_answer *answer,
                                   struct ntk_error *error)
{
    for (size_t p = 0; p < plan->n_parameters; p++) {
        size_t n = values_of(plan, p);
        answer->values[p] = ntk_matrix_create(1, n);
        if (!answer->values[p])
            return ntk_fail_memory(error, "the values", n * sizeof(double));
        for (size_t i = 0; i < n; i++)
            answer->values[p][i] = NAN;
    }
    return NTK_OK;
}

static void describe_parameters(const struct ntk_edr_plan *plan, struct ntk_edr_answer *answer)
{
    for (size_t p = 0; p < plan->n_parameters; p++) {
        const struct ntk_edr_parameter *parameter = &plan->parameters[p];
        answer->parameters[p] =
            (struct ntk_coverage_parameter){.name = parameter->name,
                                            .units = parameter->field->units,
                                            .standard_name = parameter->standard_name,
                                            .label = parameter->label,
                                            .has_quantiles = !parameter->is_forecast};
    }
}

/* The member of a place (0 for a grid) with quantiles or without. */
static void add_member(const struct ntk_edr_plan *plan, struct ntk_edr_answer *answer, size_t place,
                       size_t n_quantiles)
{
    size_t m = answer->document.n_members++;
    const double **pointers = answer->pointers + m * plan->n_parameters;
    struct ntk_coverage_member *member = &answer->members[m];
    *member = (struct ntk_coverage_member){.n_t = plan->n_t,
                                           .n_quantiles = n_quantiles,
                                           .n_y = plan->is_series ? 1 : plan->places.n_y,
                                           .n_x = plan->is_series ? 1 : plan->places.n_x,
                                           .t = plan->t,
                                           .quantiles = plan->quantiles,
                                           .y = plan->places.y + place,
                                           .x = plan->places.x + place,
                                           .values = pointers};
    for (size_t p = 0; p < plan->n_parameters; p++) {
        if (ntk_coverage_has(member, &answer->parameters[p]))
            pointers[p] = answer->values[p] + place * ntk_coverage_count(member);
    }
}

static void add_members(const struct ntk_edr_plan *plan, struct ntk_edr_answer *answer)
{
    size_t forecasts = count_forecasts(plan);
    size_t places = plan->is_series ? plan->n_places : 1;
    for (size_t place = 0; place < places; place++) {
        if (forecasts < plan->n_parameters)
            add_member(plan, answer, place, plan->n_quantiles);
        if (forecasts > 0)
            add_member(plan, answer, place, 0);
    }
}

static enum ntk_status allocate(const struct ntk_edr_plan *plan, struct ntk_edr_answer *answer,
                                struct ntk_error *error)
{
    size_t most = 2 * (plan->is_series ? plan->n_places : 1);
    answer->parameters = calloc(plan->n_parameters, sizeof *answer->parameters);
    answer->values = calloc(plan->n_parameters, sizeof *answer->values);
    answer->members = calloc(most, sizeof *answer->members);
    answer->pointers = calloc(most * plan->n_parameters, sizeof *answer->pointers);
    if (answer->parameters && answer->values && answer->members && answer->pointers)
        return make_values(plan, answer, error);
    return ntk_fail_memory(error, "the coverages", most * sizeof *answer->members);
}

enum ntk_status ntk_edr_answer_read(const struct ntk_edr_plan *plan, struct ntk_edr_answer *out,
                                    struct ntk_error *error)
{
    struct ntk_edr_answer made = {0};
    enum ntk_status status = allocate(plan, &made, error);
    if (!status)
        status = read_values(plan, &made, error);
    if (status) {
        ntk_edr_answer_clear(plan, &made);
        return status;
    }
    describe_parameters(plan, &made);
    add_members(plan, &made);
    made.document.is_series = plan->is_series;
    made.document.is_collection = plan->is_multi || made.document.n_members > 1;
    made.document.n_parameters = plan->n_parameters;
    made.document.parameters = made.parameters;
    made.document.members = made.members;
    *out = made;
    return NTK_OK;
}

void ntk_edr_answer_clear(const struct ntk_edr_plan *plan, struct ntk_edr_answer *answer)
{
    for (size_t p = 0; answer->values && p < plan->n_parameters; p++)
        free(answer->values[p]);
    free(answer->parameters);
    free(answer->members);
    free(answer->values);
    free(answer->pointers);
    *answer = (struct ntk_edr_answer){0};
}
