/* The document, its parameters and their values. Members go one after the other: all domains first,
 * so that every length is known, then all ranges. */
#include "io/covjson.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/covjson_internal.h"
#include "io/limits.h"

struct document {
    struct ntk_covjson *c;
    struct ntk_covjson_place place;
    const json_t *root;
    const json_t *members; /* an array; NULL: the root is the one member */
};

static const json_t *member_of(const struct document *document, size_t member)
{
    return document->members ? json_array_get(document->members, member) : document->root;
}

/* What a member says itself, or the collection for all. */
static const json_t *inherited(const struct document *document, const json_t *own, const char *key)
{
    const json_t *found = json_object_get(own, key);
    return found ? found : json_object_get(document->root, key);
}

/* ---- parameters ----------------------------------------------------------------------------- */

/* A text, or the English or first one of several languages; "" when there is none. */
static const char *text_of(const json_t *json)
{
    if (json_is_object(json)) {
        const json_t *english = json_object_get(json, "en");
        json = english ? english : json_object_iter_value(json_object_iter((json_t *)json));
    }
    return json_is_string(json) ? json_string_value(json) : "";
}

/* "air_temperature" of "http://vocab.nerc.ac.uk/standard_name/air_temperature/", or of itself; ""
 * when it is the name of something else. */
static void read_standard_name(const char *id, char out[NTK_NAME_SIZE])
{
    static const char folder[] = "standard_name/";
    const char *found = strstr(id, folder);
    const char *begin = found ? found + strlen(folder) : id;
    size_t length =
        strspn(begin, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
    int whole = !begin[length] || (found && !strcmp(begin + length, "/"));
    *out = 0;
    if (whole && length < NTK_NAME_SIZE) {
        memcpy(out, begin, length);
        out[length] = 0;
    }
}

static int is_name(const char *name)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
    size_t length = strlen(name);
    return length > 0 && length < NTK_NAME_SIZE && strchr(letters, *name) &&
           name[strspn(name,
                       "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-+@")] == 0;
}

/* Free text, cut between two characters of UTF-8 if need be. */
static void copy_long(char out[NTK_NAME_SIZE], const char *text)
{
    size_t length = strnlen(text, NTK_NAME_SIZE - 1);
    while (text[length] && ((unsigned char)text[length] & 0xC0) == 0x80)
        length--;
    memcpy(out, text, length);
    out[length] = 0;
}

static enum ntk_status read_parameter(const struct document *document, const char *name,
                                      const json_t *json, struct ntk_covjson_parameter *out,
                                      struct ntk_error *error)
{
    const json_t *property = json_object_get(json, "observedProperty");
    const json_t *symbol = json_object_get(json_object_get(json, "unit"), "symbol");
    const char *id = json_string_value(json_object_get(property, "id"));
    const char *label = text_of(json_object_get(json, "description"));
    if (json_is_object(symbol))
        symbol = json_object_get(symbol, "value");
    const char *units = json_is_string(symbol) ? json_string_value(symbol) : "";
    if (!is_name(name))
        return ntk_fail(error, NTK_BAD_DATA,
                        "%s: a parameter is called '%.60s', 1 to %d letters, digits, '_', '.', "
                        "'-', '+' or '@' were expected, beginning with a letter or '_'",
                        document->place.what, name, NTK_NAME_SIZE - 1);
    if (strlen(units) >= NTK_NAME_SIZE)
        return ntk_fail(error, NTK_BAD_DATA,
                        "%s: the unit of parameter %s has %zu bytes, at most %d were expected",
                        document->place.what, name, strlen(units), NTK_NAME_SIZE - 1);
    strcpy(out->name, name);
    strcpy(out->units, units);
    copy_long(out->long_name, *label ? label : text_of(json_object_get(property, "label")));
    read_standard_name(id ? id : "", out->standard_name);
    return NTK_OK;
}

static struct ntk_covjson_parameter *find_parameter(const struct ntk_covjson *c, const char *name)
{
    for (size_t p = 0; p < c->n_parameters; p++) {
        if (!strcmp(c->parameters[p].name, name))
            return &c->parameters[p];
    }
    return NULL;
}

/* ---- ranges --------------------------------------------------------------------------------- */

static enum ntk_status bad_range(const struct document *document, const char *name,
                                 const char *found, struct ntk_error *error)
{
    return ntk_fail(error, NTK_BAD_DATA, "%s: the range of %.60s of coverage %zu %s",
                    document->place.what, name, document->place.member, found);
}

/* The axes of a range that are dimensions; those of length 1 that are not vary nothing. */
static enum ntk_status read_axes(const struct document *document, const char *name,
                                 const json_t *range, struct ntk_covjson_parameter *out,
                                 struct ntk_error *error)
{
    json_t *names = json_object_get(range, "axisNames"), *shape = json_object_get(range, "shape");
    int used[NTK_COVJSON_AXES] = {0};
    size_t n = json_array_size(names);
    if (json_array_size(shape) != n)
        return bad_range(document, name, "has not as many axisNames as numbers in its shape",
                         error);
    out->rank = 0;
    for (size_t i = 0; i < n; i++) {
        const char *axis = json_string_value(json_array_get(names, i));
        int a = axis ? ntk_covjson_find_axis(axis) : -1;
        if (a < 0 || document->c->axes[a].n == 0 || used[a]++)
            return bad_range(document, name, "names an axis twice or one that its domain lacks",
                             error);
        const struct ntk_covjson_axis *found = &document->c->axes[a];
        if (json_integer_value(json_array_get(shape, i)) != (json_int_t)found->n)
            return ntk_fail(error, NTK_BAD_DATA,
                            "%s: the range of %.60s of coverage %zu has %lld values along %s, the "
                            "axis has %zu",
                            document->place.what, name, document->place.member,
                            (long long)json_integer_value(json_array_get(shape, i)), axis,
                            found->n);
        if (found->is_dimension)
            out->axes[out->rank++] = (enum ntk_covjson_name)a;
    }
    for (int a = 0; a < NTK_COVJSON_AXES; a++) {
        if (document->c->axes[a].n > 1 && !used[a])
            return bad_range(document, name, "lacks an axis of its domain that has many values",
                             error);
    }
    return NTK_OK;
}

/* Dimensions of length 1 that a range does not name go first, where they change no order. */
static void complete_axes(const struct ntk_covjson *c, struct ntk_covjson_parameter *parameter)
{
    for (int a = NTK_COVJSON_AXES - 1; a >= 0; a--) {
        int there = 0;
        for (int i = 0; i < parameter->rank; i++)
            there = there || parameter->axes[i] == (enum ntk_covjson_name)a;
        if (there || !c->axes[a].is_dimension)
            continue;
        memmove(parameter->axes + 1, parameter->axes,
                (size_t)parameter->rank++ * sizeof *parameter->axes);
        parameter->axes[0] = (enum ntk_covjson_name)a;
    }
}

static enum ntk_status read_values(const struct document *document, const char *name,
                                   const json_t *range, double *out, struct ntk_error *error)
{
    const json_t *values = json_object_get(range, "values");
    for (size_t i = 0; i < document->c->n_values; i++) {
        const json_t *value = json_array_get(values, i);
        if (!json_is_number(value) && !json_is_null(value))
            return ntk_fail(error, NTK_BAD_DATA,
                            "%s: value %zu of %.60s of coverage %zu is neither a number nor null",
                            document->place.what, i, name, document->place.member);
        out[i] = json_is_number(value) ? json_number_value(value) : NAN;
    }
    return NTK_OK;
}

static enum ntk_status check_kind(const struct document *document, const char *name,
                                  const json_t *range, struct ntk_error *error)
{
    size_t n = json_array_size(json_object_get(range, "values"));
    const char *type = json_string_value(json_object_get(range, "type"));
    const char *data = json_string_value(json_object_get(range, "dataType"));
    if (!type || strcmp(type, "NdArray"))
        return bad_range(document, name, "is not an NdArray in the document itself", error);
    if (!data || (strcmp(data, "float") && strcmp(data, "integer")))
        return bad_range(document, name, "has a dataType that is not float or integer", error);
    if (n != document->c->n_values)
        return ntk_fail(error, NTK_BAD_DATA,
                        "%s: the range of %.60s of coverage %zu has %zu values, its axes have %zu",
                        document->place.what, name, document->place.member, n,
                        document->c->n_values);
    return NTK_OK;
}

/* A parameter that is met for the first time: missing in all members until read. */
static enum ntk_status add_parameter(const struct document *document, const char *name,
                                     const json_t *json, struct ntk_error *error)
{
    struct ntk_covjson *c = document->c;
    if (c->n_parameters == ntk_limits.variables)
        return ntk_fail(error, NTK_BAD_DATA, "%s has more than %zu parameters",
                        document->place.what, ntk_limits.variables);
    struct ntk_covjson_parameter *grown =
        realloc(c->parameters, (c->n_parameters + 1) * sizeof *grown);
    if (!grown)
        return ntk_fail_memory(error, "the parameters", (c->n_parameters + 1) * sizeof *grown);
    c->parameters = grown;
    struct ntk_covjson_parameter *made = &grown[c->n_parameters];
    memset(made, 0, sizeof *made);
    enum ntk_status status = read_parameter(document, name, json, made, error);
    if (status)
        return status;
    if ((status = ntk_covjson_allocate(&document->place, c->n_members, c->n_values, &made->values,
                                       error)))
        return status;
    for (size_t i = 0; i < c->n_members * c->n_values; i++)
        made->values[i] = NAN;
    c->n_parameters++;
    return NTK_OK;
}

static enum ntk_status take_range(const struct document *document, const char *name,
                                  const json_t *range, struct ntk_error *error)
{
    struct ntk_covjson *c = document->c;
    struct ntk_covjson_parameter axes = {.rank = 0};
    const json_t *described = json_object_get(
        inherited(document, member_of(document, document->place.member), "parameters"), name);
    struct ntk_covjson_parameter *parameter = find_parameter(c, name);
    enum ntk_status status;
    if (!json_is_object(described))
        return bad_range(document, name, "has no parameter that describes it", error);
    if ((status = check_kind(document, name, range, error)) ||
        (status = read_axes(document, name, range, &axes, error)))
        return status;
    complete_axes(c, &axes);
    if (!parameter) {
        if ((status = add_parameter(document, name, described, error)))
            return status;
        parameter = &c->parameters[c->n_parameters - 1];
        parameter->rank = axes.rank;
        memcpy(parameter->axes, axes.axes, sizeof axes.axes);
    }
    if (memcmp(parameter->axes, axes.axes, (size_t)axes.rank * sizeof *axes.axes))
        return bad_range(document, name, "has its axes in another order than before", error);
    return read_values(document, name, range,
                       parameter->values + document->place.member * c->n_values, error);
}

static enum ntk_status take_ranges(struct document *document, struct ntk_error *error)
{
    for (size_t m = 0; m < document->c->n_members; m++) {
        const char *name;
        json_t *range, *ranges = json_object_get(member_of(document, m), "ranges");
        document->place.member = m;
        if (!json_is_object(ranges))
            return ntk_fail(error, NTK_BAD_DATA, "%s: coverage %zu has no ranges",
                            document->place.what, m);
        json_object_foreach(ranges, name, range)
        {
            enum ntk_status status = take_range(document, name, range, error);
            if (status)
                return status;
        }
    }
    if (document->c->n_parameters == 0)
        return ntk_fail(error, NTK_BAD_DATA, "%s has no range, one or more were expected",
                        document->place.what);
    return NTK_OK;
}

/* ---- domains -------------------------------------------------------------------------------- */

static enum ntk_status take_member(struct document *document, size_t m, struct ntk_error *error)
{
    const json_t *member = member_of(document, m), *domain = json_object_get(member, "domain");
    const char *type = json_string_value(json_object_get(member, "type"));
    document->place.member = m;
    if (!json_is_object(domain) || !type || strcmp(type, "Coverage"))
        return ntk_fail(error, NTK_BAD_DATA,
                        "%s: coverage %zu is not an object of type Coverage with a domain",
                        document->place.what, m);
    const json_t *kind = json_object_get(domain, "domainType");
    const json_t *references = json_object_get(domain, "referencing");
    return ntk_covjson_take_domain(
        document->c, &document->place, domain,
        json_string_value(kind ? kind : inherited(document, member, "domainType")),
        references ? references : inherited(document, member, "referencing"), error);
}

/* An axis of a single value is a dimension of a grid that all members share, else a property: the
 * position of a point, the time of one coverage of many. */
static enum ntk_status settle_axes(struct ntk_covjson *c, const char *what, struct ntk_error *error)
{
    c->n_values = 1;
    for (int a = 0; a < NTK_COVJSON_AXES; a++) {
        struct ntk_covjson_axis *axis = &c->axes[a];
        if (c->is_collection && c->is_points && a >= NTK_COVJSON_Y)
            axis->shared = 0; /* a point each, also when there is one */
        axis->is_dimension = axis->n > 1 || (axis->n && !c->is_points && axis->shared);
        if (axis->n && !ntk_size_multiply(c->n_values, axis->n, &c->n_values))
            return ntk_fail_memory(error, "values", SIZE_MAX);
    }
    if (c->axes[NTK_COVJSON_QUANTILE].n && !c->axes[NTK_COVJSON_QUANTILE].shared)
        return ntk_fail(error, NTK_BAD_DATA,
                        "%s: its coverages have different quantiles, the same were expected", what);
    return NTK_OK;
}

static enum ntk_status take_domains(struct document *document, struct ntk_error *error)
{
    enum ntk_status status = NTK_OK;
    for (int a = 0; a < NTK_COVJSON_AXES; a++)
        document->c->axes[a].shared = 1;
    for (size_t m = 0; m < document->c->n_members && !status; m++)
        status = take_member(document, m, error);
    return status ? status : settle_axes(document->c, document->place.what, error);
}

/* ---- document ------------------------------------------------------------------------------- */

static enum ntk_status find_members(struct document *document, struct ntk_error *error)
{
    const char *type = json_string_value(json_object_get(document->root, "type"));
    document->c->n_members = 1;
    if (type && !strcmp(type, "Coverage"))
        return NTK_OK;
    if (!type || strcmp(type, "CoverageCollection"))
        return ntk_fail(error, NTK_BAD_DATA,
                        "%s has type '%.40s', Coverage or CoverageCollection was expected",
                        document->place.what, type ? type : "");
    document->members = json_object_get(document->root, "coverages");
    document->c->is_collection = 1;
    document->c->n_members = json_array_size(document->members);
    if (document->c->n_members == 0)
        return ntk_fail(error, NTK_BAD_DATA,
                        "%s is a collection without coverages, one or more were expected",
                        document->place.what);
    return NTK_OK;
}

enum ntk_status ntk_covjson_parse(const char *text, size_t size, const char *what,
                                  struct ntk_covjson **out, struct ntk_error *error)
{
    json_error_t e;
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &e);
    struct ntk_covjson *made = calloc(1, sizeof *made);
    enum ntk_status status;
    if (!root) {
        status =
            ntk_fail(error, NTK_BAD_DATA, "%s is not JSON: %s at line %d", what, e.text, e.line);
        goto done;
    }
    if (!made) {
        status = ntk_fail_memory(error, "a coverage", sizeof *made);
        goto done;
    }
    struct document document = {.c = made, .place = {.what = what}, .root = root};
    if ((status = find_members(&document, error)) || (status = take_domains(&document, error)) ||
        (status = take_ranges(&document, error)))
        goto done;
    *out = made;
    made = NULL;
done:
    ntk_covjson_free(made);
    json_decref(root);
    return status;
}

void ntk_covjson_free(struct ntk_covjson *coverage)
{
    if (!coverage)
        return;
    for (int a = 0; a < NTK_COVJSON_AXES; a++)
        free(coverage->axes[a].values);
    for (size_t p = 0; p < coverage->n_parameters; p++)
        free(coverage->parameters[p].values);
    free(coverage->parameters);
    free(coverage);
}
