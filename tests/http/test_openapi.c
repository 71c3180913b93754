/* The document of the interface against the program it is of: its routes, and the names that the
 * program gives to things. tests/openapi asks a daemon whether it answers as the document says. */
#include <stdio.h>
#include <string.h>

#include "core/calibration.h"
#include "core/decompose.h"
#include "core/groups.h"
#include "core/interval.h"
#include "core/places.h"
#include "core/spectrum.h"
#include "io/inference.h"
#include "io/limits.h"
#include "server/http/openapi.h"
#include "server/http/routes.h"
#include "server/query/interval_query.h"
#include "tests/http/suites.h"

static json_t *document, *schemas;

static void load(void)
{
    document = ntk_openapi_describe();
    schemas = ntk_openapi_schemas();
    ck_assert_ptr_nonnull(document);
    ck_assert_ptr_nonnull(schemas);
}

static void unload(void)
{
    json_decref(document);
    json_decref(schemas);
}

/* A member of members: "components.schemas.Flags". Fails when it is not there. */
static json_t *at(json_t *json, const char *path)
{
    char name[80];
    for (const char *next = path; *next;) {
        size_t length = strcspn(next, ".");
        snprintf(name, sizeof name, "%.*s", (int)length, next);
        json = json_object_get(json, name);
        ck_assert_msg(json != NULL, "%s has no %s", path, name);
        next += length + (next[length] == '.');
    }
    return json;
}

static json_t *operation_of(const struct ntk_route *route)
{
    char method[8];
    snprintf(method, sizeof method, "%s", route->method);
    for (char *c = method; *c; c++)
        *c = (char)(*c | 32);
    return json_object_get(json_object_get(at(document, "paths"), route->path), method);
}

/* ---- routes --------------------------------------------------------------------------------- */

START_TEST(every_route_is_described_and_nothing_else)
{
    const char *key;
    json_t *value, *operations = at(schemas, "operations");
    for (size_t i = 0; i < ntk_route_count(); i++) {
        char name[200];
        const struct ntk_route *route = ntk_route_at(i);
        snprintf(name, sizeof name, "%s %s", route->method, route->path);
        ck_assert_msg(json_object_get(operations, name) != NULL,
                      "server/http/schemas.json says nothing of %s", name);
        ck_assert_ptr_nonnull(operation_of(route));
    }
    json_object_foreach(operations, key, value)
    {
        char method[16], path[200], captures[NTK_CAPTURES_MOST][NTK_CAPTURE_SIZE], allowed[64];
        ck_assert_int_eq(sscanf(key, "%15s %199s", method, path), 2);
        const struct ntk_route *route =
            ntk_route_find(method, path, captures, allowed, sizeof allowed);
        ck_assert_msg(route && !strcmp(route->path, path), "there is no route %s", key);
    }
}
END_TEST

START_TEST(operations_have_names_of_their_own)
{
    for (size_t i = 0; i < ntk_route_count(); i++) {
        json_t *id = json_object_get(operation_of(ntk_route_at(i)), "operationId");
        ck_assert_msg(json_is_string(id), "%s has none", ntk_route_at(i)->path);
        for (size_t j = 0; j < i; j++)
            ck_assert_msg(
                !json_equal(id, json_object_get(operation_of(ntk_route_at(j)), "operationId")),
                "%s and %s share one", ntk_route_at(i)->path, ntk_route_at(j)->path);
    }
}
END_TEST

START_TEST(a_route_that_takes_json_has_a_schema_for_it)
{
    for (size_t i = 0; i < ntk_route_count(); i++) {
        const struct ntk_route *route = ntk_route_at(i);
        char key[200];
        snprintf(key, sizeof key, "%s %s", route->method, route->path);
        json_t *told = json_object_get(at(schemas, "operations"), key);
        int takes = route->request_types && strstr(route->request_types, "json");
        char success[8];
        snprintf(success, sizeof success, "%u", route->success);
        ck_assert_msg(takes == json_is_string(json_object_get(told, "body")), "%s", key);
        ck_assert_msg(
            !strstr(route->response_types, "json") ==
                !json_is_string(json_object_get(json_object_get(told, "replies"), success)),
            "%s: %s", key, success);
    }
}
END_TEST

START_TEST(every_parameter_is_described)
{
    for (size_t i = 0; i < ntk_route_count(); i++) {
        size_t j;
        json_t *parameter, *list = json_object_get(operation_of(ntk_route_at(i)), "parameters");
        json_array_foreach(list, j, parameter)
        {
            ck_assert_msg(json_object_get(parameter, "$ref") != NULL,
                          "server/http/schemas.json says nothing of %s of %s",
                          json_string_value(json_object_get(parameter, "name")),
                          ntk_route_at(i)->path);
        }
    }
}
END_TEST

static void expect_scope(const struct ntk_route *route)
{
    json_t *security = json_object_get(operation_of(route), "security");
    json_t *last = json_array_get(security, json_array_size(security) - 1);
    json_t *scope = json_array_get(json_object_get(last, "token"), 0);
    size_t n = route->scope == NTK_SCOPE_NONE ? 0 : route->scope == NTK_SCOPE_QUERY ? 2 : 1;
    ck_assert_msg(json_array_size(security) == n, "%s", route->path);
    if (n)
        ck_assert_str_eq(json_string_value(scope), ntk_scope_name(route->scope));
}

START_TEST(the_scope_of_every_route_is_told)
{
    for (size_t i = 0; i < ntk_route_count(); i++)
        expect_scope(ntk_route_at(i));
}
END_TEST

/* ---- components ----------------------------------------------------------------------------- */

enum { COMPONENTS_MOST = 400 };
struct used {
    size_t n;
    const char *names[COMPONENTS_MOST]; /* "schemas/Flags" */
};

static int is_used(const struct used *used, const char *name)
{
    for (size_t i = 0; i < used->n; i++) {
        if (!strcmp(used->names[i], name))
            return 1;
    }
    return 0;
}

/* Follows every reference below `json` once. */
static void follow(const json_t *json, struct used *used)
{
    static const char prefix[] = "#/components/";
    const char *key;
    json_t *value;
    size_t i;
    json_array_foreach(json, i, value) follow(value, used);
    json_object_foreach((json_t *)json, key, value)
    {
        const char *target = strcmp(key, "$ref") ? NULL : json_string_value(value);
        if (!target) {
            follow(value, used);
            continue;
        }
        ck_assert_msg(!strncmp(target, prefix, sizeof prefix - 1), "%s", target);
        const char *name = target + sizeof prefix - 1, *slash = strchr(name, '/');
        char kind[40];
        ck_assert_ptr_nonnull(slash);
        snprintf(kind, sizeof kind, "%.*s", (int)(slash - name), name);
        json_t *component =
            json_object_get(json_object_get(at(document, "components"), kind), slash + 1);
        ck_assert_msg(component != NULL, "%s leads nowhere", target);
        if (is_used(used, name))
            continue;
        ck_assert_uint_lt(used->n, COMPONENTS_MOST);
        used->names[used->n++] = name;
        follow(component, used);
    }
}

START_TEST(references_lead_somewhere_and_nothing_is_left_over)
{
    struct used used = {0};
    const char *kind, *key;
    json_t *components, *value;
    follow(at(document, "paths"), &used);
    json_object_foreach(at(document, "components"), kind, components)
    {
        json_object_foreach(components, key, value)
        {
            char name[120];
            snprintf(name, sizeof name, "%s/%s", kind, key);
            ck_assert_msg(!strcmp(kind, "securitySchemes") || is_used(&used, name),
                          "nothing uses %s", name);
        }
    }
}
END_TEST

/* Every object that a request may have says which members there are. */
static void expect_closed(const json_t *schema, const char *name)
{
    const char *key;
    json_t *value;
    if (json_object_get(schema, "properties"))
        ck_assert_msg(json_is_false(json_object_get(schema, "additionalProperties")), "%s", name);
    json_object_foreach(json_object_get(schema, "properties"), key, value)
        expect_closed(value, key);
    if (json_object_get(schema, "items"))
        expect_closed(json_object_get(schema, "items"), name);
}

START_TEST(request_bodies_take_no_other_members)
{
    static const char *const bodies[] = {"IntervalQuery", "Truths",           "Truth",
                                         "FitRequest",    "LabelChange",      "AdaptationSwitch",
                                         "InputTensor",   "InferenceRequest", "RequestedTensor",
                                         "RescoreRequest"};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        expect_closed(at(at(document, "components.schemas"), bodies[i]), bodies[i]);
}
END_TEST

/* ---- names ---------------------------------------------------------------------------------- */

/* The enum at a path has exactly these names, in their order. */
static void expect_names(const char *path, size_t n, const char *(*name)(size_t i))
{
    json_t *names = at(at(document, "components.schemas"), path);
    ck_assert_msg(json_array_size(names) == n, "%s has %zu names, the program %zu", path,
                  json_array_size(names), n);
    for (size_t i = 0; i < n; i++)
        ck_assert_str_eq(json_string_value(json_array_get(names, i)), name(i));
}

static const char *flag(size_t i)
{
    return ntk_flag_names[i];
}

static const char *family(size_t i)
{
    return ntk_family_name((enum ntk_family)i);
}

static const char *method(size_t i)
{
    return ntk_method_name((enum ntk_method)i);
}

static const char *datatype(size_t i)
{
    return ntk_datatype_name((enum ntk_datatype)i);
}

static const char *grouping(size_t i)
{
    return ntk_grouping_name((enum ntk_grouping)i);
}

static const char *noise(size_t i)
{
    return ntk_noise_name((enum ntk_noise)i);
}

static const char *form(size_t i)
{
    return ntk_ica_form_name((enum ntk_ica_form)i);
}

static const char *variance(size_t i)
{
    return ntk_variance_mode_name((enum ntk_variance_mode)i);
}

static const char *standardise(size_t i)
{
    return ntk_standardise_mode_name((enum ntk_standardise_mode)i);
}

static const char *route_of_decomposition(size_t i)
{
    return ntk_decompose_route_name((enum ntk_decompose_route)i);
}

static const char *locality(size_t i)
{
    return ntk_locality_name((enum ntk_locality)i);
}

static const char *place(size_t i)
{
    return ntk_place_name((enum ntk_place)(i + 1)); /* 0 is none */
}

START_TEST(enums_are_the_programs_own_names)
{
    expect_names("Flags.items.enum", NTK_FLAG_COUNT, flag);
    expect_names("Family.enum", NTK_FAMILY_COUNT, family);
    expect_names("Method.enum", 2, method);
    expect_names("Datatype.enum", NTK_DATATYPE_COUNT, datatype);
    expect_names("CalibrationVariable.properties.grouping.enum", 3, grouping);
    expect_names("IntervalModel.properties.grouping.enum", 3, grouping);
    expect_names("FitRequest.properties.groups.enum", 3, grouping);
    expect_names("FitRequest.properties.noise.enum", 4, noise);
    expect_names("CalibrationLead.properties.noise.enum", 4, noise);
    expect_names("FitRequest.properties.ica_form.enum", 2, form);
    expect_names("CalibrationLead.properties.ica.properties.form.enum", 2, form);
    expect_names("FitRequest.properties.variance.enum", 2, variance);
    expect_names("Calibration.properties.variance.enum", 2, variance);
    expect_names("FitRequest.properties.standardise.enum", 2, standardise);
    expect_names("CalibrationLead.properties.standardise.enum", 2, standardise);
    expect_names("CalibrationLead.properties.route.enum", 4, route_of_decomposition);
    expect_names("ErrorTerms.properties.place.enum", 4, locality);
    expect_names("Calibration.properties.places.properties.kind.enum", 2, place);
}
END_TEST

START_TEST(every_baseline_is_named)
{
    json_t *baselines =
        at(document, "components.schemas.CalibrationVariable.properties.baselines.properties");
    ck_assert_uint_eq(json_object_size(baselines), NTK_BASELINE_COUNT);
    for (int b = 0; b < NTK_BASELINE_COUNT; b++)
        ck_assert_ptr_nonnull(json_object_get(baselines, ntk_baseline_name((enum ntk_baseline)b)));
}
END_TEST

static void expect_number(const char *path, json_int_t expected)
{
    json_int_t found = json_integer_value(at(at(document, "components.schemas"), path));
    ck_assert_msg(found == expected, "%s is %lld, the program has %lld", path, (long long)found,
                  (long long)expected);
}

START_TEST(bounds_are_the_programs_own_numbers)
{
    expect_number("IntervalQuery.properties.levels.maxItems", NTK_QUERY_LEVELS_MOST);
    expect_number("InferenceRequest.properties.inputs.maxItems", (json_int_t)ntk_limits.tensors);
    expect_number("InferenceRequest.properties.outputs.maxItems", (json_int_t)ntk_limits.tensors);
    expect_number("InputTensor.properties.shape.maxItems", NTK_TENSOR_RANK_MOST);
    expect_number("Truth.properties.variable.maxLength", NTK_NAME_SIZE - 1);
    expect_number("FitRequest.properties.bounds.maxLength", NTK_NAME_SIZE - 1);
    expect_number("LabelChange.properties.override.maxLength", NTK_REASON_SIZE - 1);
}
END_TEST

Suite *ntk_suite_openapi(void)
{
    Suite *suite = suite_create("openapi");
    TCase *tests = tcase_create("openapi");
    tcase_add_checked_fixture(tests, load, unload);
    tcase_add_test(tests, every_route_is_described_and_nothing_else);
    tcase_add_test(tests, operations_have_names_of_their_own);
    tcase_add_test(tests, a_route_that_takes_json_has_a_schema_for_it);
    tcase_add_test(tests, every_parameter_is_described);
    tcase_add_test(tests, the_scope_of_every_route_is_told);
    tcase_add_test(tests, references_lead_somewhere_and_nothing_is_left_over);
    tcase_add_test(tests, request_bodies_take_no_other_members);
    tcase_add_test(tests, enums_are_the_programs_own_names);
    tcase_add_test(tests, every_baseline_is_named);
    tcase_add_test(tests, bounds_are_the_programs_own_numbers);
    suite_add_tcase(suite, tests);
    return suite;
}
