#include "server/http/openapi.h"

#include <stdio.h>
#include <string.h>

#include "server/http/routes.h"

extern const char openapi_schemas[], openapi_schemas_end[];

/* One route on its way into the document. Members of the operation that are not there are NULL,
 * which jansson's functions take. */
struct described {
    const struct ntk_route *route;
    const json_t *operation;  /* of the schemas; NULL: it has none */
    const json_t *components; /* borrowed as well */
};

static json_t *refer(const char *kind, const char *name)
{
    return json_pack("{s:o}", "$ref", json_sprintf("#/components/%s/%s", kind, name));
}

/* The next word of a list with spaces; false at its end. */
static int next_word(const char **list, char *word, size_t size)
{
    size_t length = *list ? strcspn(*list, " ") : 0;
    if (length == 0)
        return 0;
    snprintf(word, size, "%.*s", (int)length, *list);
    *list += length + strspn(*list + length, " ");
    return 1;
}

/* ---- parameters ----------------------------------------------------------------------------- */

/* A reference to the component `place.name`, or to what the operation has instead; a parameter that
 * no component tells of is a string. */
static void add_parameter(const struct described *d, json_t *list, const char *place,
                          const char *name)
{
    char key[96];
    const char *own =
        json_string_value(json_object_get(json_object_get(d->operation, "parameters"), name));
    snprintf(key, sizeof key, "%s.%s", place, name);
    if (!strcmp(place, "header"))
        own = NULL;
    if (own)
        snprintf(key, sizeof key, "%s", own);
    if (json_object_get(json_object_get(d->components, "parameters"), key))
        json_array_append_new(list, refer("parameters", key));
    else
        json_array_append_new(list, json_pack("{s:s, s:s, s:b, s:{s:s}}", "name", name, "in", place,
                                              "required", !strcmp(place, "path"), "schema", "type",
                                              "string"));
}

static json_t *describe_parameters(const struct described *d)
{
    json_t *list = json_array();
    const json_t *headers = json_object_get(d->operation, "request_headers");
    const char *words = d->route->parameters;
    char name[64];
    for (const char *c = d->route->path; (c = strchr(c, '{')); c++) {
        snprintf(name, sizeof name, "%.*s", (int)strcspn(c + 1, "}"), c + 1);
        add_parameter(d, list, "path", name);
    }
    while (next_word(&words, name, sizeof name))
        add_parameter(d, list, "query", name);
    for (size_t i = 0; i < json_array_size(headers); i++)
        add_parameter(d, list, "header", json_string_value(json_array_get(headers, i)));
    return list;
}

/* ---- bodies --------------------------------------------------------------------------------- */

/* {"type": {"schema": ...}} for each of the types: JSON has the schema, text is a string, and of
 * the bytes of other types OpenAPI says nothing. The wildcard is left to the description. */
static json_t *describe_content(const char *types, const char *schema)
{
    json_t *content = json_object();
    char type[64];
    while (next_word(&types, type, sizeof type)) {
        json_t *described = json_object();
        if (!strcmp(type, "*/*")) {
            json_decref(described);
            continue;
        }
        if (strstr(type, "json") && schema)
            json_object_set_new(described, "schema", refer("schemas", schema));
        else if (!strncmp(type, "text/", 5))
            json_object_set_new(described, "schema", json_pack("{s:s}", "type", "string"));
        json_object_set_new(content, type, described);
    }
    return content;
}

static void add_reply(const struct described *d, json_t *responses, const char *status,
                      const json_t *schema)
{
    int is_current = !strcmp(status, "304"), is_empty = is_current || !strcmp(status, "204");
    const json_t *headers = json_object_get(d->operation, "headers");
    json_t *reply = json_pack("{s:s}", "description",
                              is_current ? "what the client has is current"
                              : is_empty ? "there is none"
                                         : d->route->summary);
    if (json_array_size(headers))
        json_object_set_new(reply, "headers", json_object());
    for (size_t i = 0; i < json_array_size(headers); i++) {
        const char *name = json_string_value(json_array_get(headers, i));
        json_object_set_new(json_object_get(reply, "headers"), name, refer("headers", name));
    }
    if (!is_empty)
        json_object_set_new(reply, "content",
                            describe_content(d->route->response_types, json_string_value(schema)));
    json_object_set_new(responses, status, reply);
}

/* ---- refusals ------------------------------------------------------------------------------- */

static void add_problems(json_t *responses, const char *statuses)
{
    char status[8];
    while (next_word(&statuses, status, sizeof status))
        json_object_set_new(responses, status, refer("responses", status));
}

/* What follows from the row of the table, and what the operation has besides. */
static void add_refusals(const struct described *d, json_t *responses)
{
    const struct ntk_route *route = d->route;
    const json_t *more = json_object_get(d->operation, "problems");
    add_problems(responses, "400");
    if (route->scope != NTK_SCOPE_NONE)
        add_problems(responses, "401 403");
    if (strchr(route->path, '{'))
        add_problems(responses, "404");
    if (route->body != NTK_BODY_NONE)
        add_problems(responses, "413 415 503");
    if (route->cost != NTK_COST_CHEAP)
        add_problems(responses, "429 503");
    for (size_t i = 0; i < json_array_size(more); i++)
        add_problems(responses, json_string_value(json_array_get(more, i)));
    add_problems(responses, "default");
}

static json_t *describe_responses(const struct described *d)
{
    const char *status;
    json_t *responses = json_object(), *schema;
    json_t *replies = json_object_get(d->operation, "replies");
    char success[8];
    snprintf(success, sizeof success, "%u", d->route->success);
    if (!json_object_get(replies, success))
        add_reply(d, responses, success, NULL);
    json_object_foreach(replies, status, schema) add_reply(d, responses, status, schema);
    add_refusals(d, responses);
    return responses;
}

/* ---- the whole ------------------------------------------------------------------------------ */

/* [{}, ...]: without a token as well, unless query_tokens is on. */
static json_t *describe_security(enum ntk_scope scope)
{
    if (scope == NTK_SCOPE_NONE)
        return json_array();
    if (scope == NTK_SCOPE_QUERY)
        return json_pack("[{}, {s:[s]}]", "token", ntk_scope_name(scope));
    return json_pack("[{s:[s]}]", "token", ntk_scope_name(scope));
}

static void copy_text(json_t *to, const char *name, const json_t *value)
{
    if (json_is_string(value))
        json_object_set(to, name, (json_t *)value);
}

static json_t *describe_route(const struct described *d)
{
    const char *body = json_string_value(json_object_get(d->operation, "body"));
    json_t *json = json_pack("{s:s, s:o, s:o, s:o}", "summary", d->route->summary, "parameters",
                             describe_parameters(d), "responses", describe_responses(d), "security",
                             describe_security(d->route->scope));
    copy_text(json, "operationId", json_object_get(d->operation, "id"));
    copy_text(json, "description", json_object_get(d->operation, "description"));
    if (json_object_get(d->operation, "tag"))
        json_object_set_new(json, "tags", json_pack("[O]", json_object_get(d->operation, "tag")));
    if (d->route->request_types)
        json_object_set_new(json, "requestBody",
                            json_pack("{s:b, s:o}", "required", 1, "content",
                                      describe_content(d->route->request_types, body)));
    return json;
}

static void add_route(json_t *paths, const json_t *schemas, const struct ntk_route *route)
{
    char key[200], method[8];
    snprintf(key, sizeof key, "%s %s", route->method, route->path);
    struct described d = {route, json_object_get(json_object_get(schemas, "operations"), key),
                          json_object_get(schemas, "components")};
    snprintf(method, sizeof method, "%s", route->method);
    for (char *c = method; *c; c++)
        *c = (char)(*c | 32);
    if (!json_object_get(paths, route->path))
        json_object_set_new(paths, route->path, json_object());
    json_object_set_new(json_object_get(paths, route->path), method, describe_route(&d));
}

json_t *ntk_openapi_schemas(void)
{
    return json_loadb(openapi_schemas, (size_t)(openapi_schemas_end - openapi_schemas),
                      JSON_REJECT_DUPLICATES, NULL);
}

json_t *ntk_openapi_describe(void)
{
    json_t *schemas = ntk_openapi_schemas(), *paths = json_object();
    json_t *info = json_copy(json_object_get(schemas, "info"));
    json_object_set_new(info, "version", json_string(NTK_VERSION));
    for (size_t i = 0; i < ntk_route_count(); i++)
        add_route(paths, schemas, ntk_route_at(i));
    json_t *json = json_pack("{s:s, s:o, s:O, s:o, s:O}", "openapi", "3.1.0", "info", info, "tags",
                             json_object_get(schemas, "tags"), "paths", paths, "components",
                             json_object_get(schemas, "components"));
    json_decref(schemas);
    return json;
}
