/* The documents of OGC API - Environmental Data Retrieval: landing page, conformance, collections,
 * instances. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/coveragejson.h"
#include "io/json.h"
#include "server/edr/edr_catalogue.h"
#include "server/edr/edr_query.h"
#include "server/http/routes.h"

#define CRS84 "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
#define CRS84_WKT                                                                                  \
    "GEOGCS[\"WGS 84\",DATUM[\"WGS_1984\",SPHEROID[\"WGS 84\",6378137,298.257223563]],"            \
    "PRIMEM[\"Greenwich\",0],UNIT[\"degree\",0.0174532925199433]]"

enum { INSTANCES_MOST = 1000, INSTANCES_USUAL = 100 };

/* ---- links ---------------------------------------------------------------------------------- */

/* What stands before /edr: as the client called us, or nothing where that cannot be known. */
struct base {
    char text[300];
};

static struct base find_base(const struct ntk_request *request)
{
    struct base base = {""};
    const char *host = ntk_request_header(request, MHD_HTTP_HEADER_HOST);
    const char *before = ntk_request_header(request, "X-Forwarded-Proto");
    int is_https = request->server->uses_tls || (before && !strcmp(before, "https"));
    if (host && *host && strlen(host) < 256 &&
        !host[strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]")])
        snprintf(base.text, sizeof base.text, "%s://%s", is_https ? "https" : "http", host);
    return base;
}

static json_t *link_to(const struct base *base, const char *path, const char *rel, const char *type,
                       const char *title)
{
    char href[700];
    snprintf(href, sizeof href, "%s%s", base->text, path);
    return json_pack("{s:s, s:s, s:s, s:s}", "href", href, "rel", rel, "type", type, "title",
                     title);
}

static void add_link(json_t *links, const struct base *base, const char *path, const char *rel,
                     const char *title)
{
    json_array_append_new(links, link_to(base, path, rel, "application/json", title));
}

/* ---- landing page and conformance ------------------------------------------------------------ */

enum ntk_handled ntk_handle_edr_landing(struct ntk_request *request)
{
    struct base base = find_base(request);
    json_t *links = json_array();
    add_link(links, &base, "/edr", "self", "this document");
    add_link(links, &base, "/openapi.json", "service-desc", "the interface as OpenAPI 3.1");
    add_link(links, &base, "/edr/conformance", "conformance", "what is conformed to");
    add_link(links, &base, "/edr/collections", "data", "all collections");
    ntk_reply_json(request, MHD_HTTP_OK,
                   json_pack("{s:s, s:s, s:o}", "title", "ntkuqd", "description",
                             "prediction intervals of AI weather forecasts", "links", links));
    return NTK_HANDLED;
}

/* Those of which tests/http/test_edr.c tests every requirement that applies. The definition is in
 * OpenAPI 3.1, of which EDR 1.1 has no class. */
static const char *const classes[] = {
    "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-common-2/1.0/conf/collections",
    "http://www.opengis.net/spec/ogcapi-edr-1/1.1/conf/core",
    "http://www.opengis.net/spec/ogcapi-edr-1/1.1/conf/collections",
    "http://www.opengis.net/spec/ogcapi-edr-1/1.1/conf/json",
    "http://www.opengis.net/spec/ogcapi-edr-1/1.1/conf/covjson",
    "http://www.opengis.net/spec/ogcapi-edr-1/1.1/conf/queries",
};

enum ntk_handled ntk_handle_edr_conformance(struct ntk_request *request)
{
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        json_array_append_new(list, json_string(classes[i]));
    ntk_reply_json(request, MHD_HTTP_OK, json_pack("{s:o}", "conformsTo", list));
    return NTK_HANDLED;
}

/* ---- extents -------------------------------------------------------------------------------- */

static json_t *time_json(int64_t time)
{
    char text[NTK_TIME_TEXT_SIZE];
    ntk_time_text(time, text);
    return json_string(text);
}

static json_t *describe_times(const struct ntk_edr_instance *instance)
{
    json_t *values = json_array();
    for (size_t i = 0; i < instance->n_times; i++)
        json_array_append_new(values, time_json(instance->times[i]));
    return json_pack("{s:[[o, o]], s:o, s:s}", "interval", time_json(instance->times[0]),
                     time_json(instance->times[instance->n_times - 1]), "values", values, "trs",
                     "TIMECRS[\"DateTime\",TDATUM[\"Gregorian Calendar\"],CS[TemporalDateTime,1],"
                     "AXIS[\"Time (T)\",future]]");
}

/* The values of a custom dimension are texts, as those of the others are. */
static json_t *describe_quantiles(const struct ntk_edr_instance *instance)
{
    json_t *values = json_array();
    for (size_t i = 0; i < instance->n_quantiles; i++) {
        char text[32];
        snprintf(text, sizeof text, "%.12g", instance->quantiles[i]);
        json_array_append_new(values, json_string(text));
    }
    return json_pack("[{s:s, s:[[f, f]], s:o, s:s}]", "id", "quantile", "interval",
                     instance->quantiles[0], instance->quantiles[instance->n_quantiles - 1],
                     "values", values, "reference", "https://en.wikipedia.org/wiki/Quantile");
}

static json_t *describe_extent(const struct ntk_edr_instance *instance)
{
    struct ntk_edr_box box = ntk_edr_extent(instance->places);
    json_t *extent =
        json_pack("{s:{s:[[f, f, f, f]], s:s}, s:o}", "spatial", "bbox", box.west, box.south,
                  box.east, box.north, "crs", CRS84, "temporal", describe_times(instance));
    if (instance->n_quantiles)
        json_object_set_new(extent, "custom", describe_quantiles(instance));
    return extent;
}

/* ---- collections and instances --------------------------------------------------------------- */

static json_t *describe_parameter(const struct ntk_edr_parameter *parameter)
{
    const char *units = parameter->field->units;
    json_t *property = json_pack("{s:s}", "label", parameter->label);
    json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:O}", "type", "Parameter", "id",
                             parameter->name, "description", parameter->label, "data-type", "float",
                             "observedProperty", property);
    if (*parameter->standard_name) {
        char id[NTK_NAME_SIZE + 64];
        snprintf(id, sizeof id, "http://vocab.nerc.ac.uk/standard_name/%s/",
                 parameter->standard_name);
        json_object_set_new(property, "id", json_string(id));
    }
    if (*units)
        json_object_set_new(json, "unit", json_pack("{s:s, s:s}", "label", units, "symbol", units));
    json_decref(property);
    return json;
}

static json_t *describe_parameters(const struct ntk_edr_instance *instance)
{
    struct ntk_error ignored;
    struct ntk_edr_parameter *parameters = NULL;
    size_t n = 0;
    json_t *json = json_object();
    ntk_edr_parameters(instance, &parameters, &n, &ignored);
    for (size_t p = 0; p < n; p++)
        json_object_set_new(json, parameters[p].name, describe_parameter(&parameters[p]));
    free(parameters);
    return json;
}

static json_t *describe_formats(void)
{
    json_t *formats = json_array();
    for (int f = 0; f < NTK_EDR_FORMATS; f++)
        json_array_append_new(formats, json_string(ntk_edr_format_name((enum ntk_edr_format)f)));
    return formats;
}

static json_t *describe_query(const struct base *base, const char *path, const char *type,
                              const char *where)
{
    char full[400], title[40];
    snprintf(full, sizeof full, "%s/%s?%s={%s}", path, type, where, where);
    snprintf(title, sizeof title, "%s query", type);
    json_t *link = link_to(base, full, "data", ntk_edr_format_type(NTK_EDR_COVERAGEJSON), title);
    json_object_set_new(link, "templated", json_true());
    json_object_set_new(link, "variables",
                        json_pack("{s:s, s:s, s:o, s:s, s:[{s:s, s:s}]}", "title", title,
                                  "query_type", type, "output_formats", describe_formats(),
                                  "default_output_format", "CoverageJSON", "crs_details", "crs",
                                  "OGC:CRS84", "wkt", CRS84_WKT));
    return json_pack("{s:o}", "link", link);
}

/* `own` is the path of what is described; a collection has instances, which have none. */
static json_t *describe_queries(const struct base *base, const char *own, int is_collection)
{
    char path[400];
    json_t *queries =
        json_pack("{s:o, s:o}", "position", describe_query(base, own, "position", "coords"), "cube",
                  describe_query(base, own, "cube", "bbox"));
    if (is_collection) {
        snprintf(path, sizeof path, "%s/instances", own);
        json_t *link = link_to(base, path, "data", "application/json", "forecast reference times");
        json_object_set_new(
            link, "variables",
            json_pack("{s:s, s:s}", "title", "instances query", "query_type", "instances"));
        json_object_set_new(queries, "instances", json_pack("{s:o}", "link", link));
    }
    return queries;
}

static json_t *describe(const struct base *base, const char *id, const char *title,
                        const char *path, int is_collection,
                        const struct ntk_edr_instance *instance)
{
    json_t *links = json_array();
    add_link(links, base, path, "self", "this description");
    return json_pack("{s:s, s:s, s:s, s:[s, s, s], s:o, s:o, s:o, s:[s], s:o, s:o}", "id", id,
                     "title", title, "description",
                     is_collection ? "recorded prediction intervals of a calibration; queries are "
                                     "answered with the newest forecast reference time"
                                   : "recorded prediction intervals of one forecast reference time",
                     "keywords", "forecast", "prediction interval", "quantile", "links", links,
                     "extent", describe_extent(instance), "data_queries",
                     describe_queries(base, path, is_collection), "crs", "OGC:CRS84",
                     "output_formats", describe_formats(), "parameter_names",
                     describe_parameters(instance));
}

/* A collection as its newest instance has it. */
static enum ntk_status describe_collection(struct ntk_server *server, const struct base *base,
                                           const char *name, json_t **out, struct ntk_error *error)
{
    struct ntk_edr_collection collection;
    struct ntk_edr_instance instance;
    char path[200];
    enum ntk_status status = ntk_edr_collection_open(server, name, &collection, error);
    if (status)
        return status;
    status = ntk_edr_instance_open(&collection, collection.times[0], &instance, error);
    if (!status) {
        snprintf(path, sizeof path, "/edr/collections/%s", name);
        *out = describe(base, name, name, path, 1, &instance);
        ntk_edr_instance_close(&instance);
    }
    ntk_edr_collection_close(&collection);
    return status;
}

static enum ntk_status describe_instance(const struct base *base,
                                         const struct ntk_edr_collection *collection, int64_t time,
                                         json_t **out, struct ntk_error *error)
{
    struct ntk_edr_instance instance;
    char id[NTK_EDR_ID_SIZE], path[300], title[NTK_TIME_TEXT_SIZE];
    enum ntk_status status = ntk_edr_instance_open(collection, time, &instance, error);
    if (status)
        return status;
    ntk_edr_instance_id(time, id);
    ntk_time_text(time, title);
    snprintf(path, sizeof path, "/edr/collections/%s/instances/%s", collection->name, id);
    *out = describe(base, id, title, path, 0, &instance);
    ntk_edr_instance_close(&instance);
    return NTK_OK;
}

static enum ntk_handled reply(struct ntk_request *request, enum ntk_status status, json_t *json,
                              const struct ntk_error *error)
{
    if (status)
        ntk_reply_failure(request, status, error);
    else
        ntk_reply_json(request, MHD_HTTP_OK, json);
    return NTK_HANDLED;
}

/* Long lists of records are looked through: not on a connection's thread. */
enum ntk_handled ntk_handle_edr_collections(struct ntk_request *request)
{
    if (!request->on_worker)
        return NTK_HANDLE_ON_WORKER;
    struct base base = find_base(request);
    struct ntk_error ignored;
    json_t *names = ntk_edr_collection_names(request->server);
    json_t *list = json_array(), *links = json_array(), *name;
    size_t i;
    add_link(links, &base, "/edr/collections", "self", "this document");
    json_array_foreach(names, i, name)
    {
        json_t *json;
        if (!describe_collection(request->server, &base, json_string_value(name), &json, &ignored))
            json_array_append_new(list, json);
    }
    json_decref(names);
    ntk_reply_json(request, MHD_HTTP_OK,
                   json_pack("{s:o, s:o}", "links", links, "collections", list));
    return NTK_HANDLED;
}

enum ntk_handled ntk_handle_edr_collection(struct ntk_request *request)
{
    if (!request->on_worker)
        return NTK_HANDLE_ON_WORKER;
    struct base base = find_base(request);
    struct ntk_error error = {""};
    json_t *json = NULL;
    enum ntk_status status =
        describe_collection(request->server, &base, request->captures[0], &json, &error);
    return reply(request, status, json, &error);
}

/* ---- instances ------------------------------------------------------------------------------ */

static enum ntk_status read_limit(const struct ntk_request *request, size_t *out,
                                  struct ntk_error *error)
{
    const char *text = ntk_request_parameter(request, "limit");
    *out = INSTANCES_USUAL;
    if (!text)
        return NTK_OK;
    *out = strspn(text, "0123456789") == strlen(text) && strlen(text) < 6 ? strtoul(text, NULL, 10)
                                                                          : 0;
    if (*out < 1 || *out > INSTANCES_MOST)
        return ntk_fail(error, NTK_USAGE, "limit is '%.40s', 1 to %d was expected", text,
                        INSTANCES_MOST);
    return NTK_OK;
}

static enum ntk_status list_instances(const struct base *base,
                                      const struct ntk_edr_collection *collection, size_t limit,
                                      json_t **out, struct ntk_error *error)
{
    enum ntk_status status = NTK_OK;
    char path[200];
    json_t *list = json_array(), *links = json_array(), *json;
    for (size_t i = 0; i < collection->n_times && i < limit && !status; i++) {
        status = describe_instance(base, collection, collection->times[i], &json, error);
        if (!status)
            json_array_append_new(list, json);
    }
    snprintf(path, sizeof path, "/edr/collections/%s/instances", collection->name);
    add_link(links, base, path, "self", "this document");
    snprintf(path, sizeof path, "/edr/collections/%s", collection->name);
    add_link(links, base, path, "collection", "the collection");
    *out = json_pack("{s:o, s:I, s:I, s:o}", "links", links, "numberMatched",
                     (json_int_t)collection->n_times, "numberReturned",
                     (json_int_t)json_array_size(list), "instances", list);
    return status;
}

/* The newest first. */
enum ntk_handled ntk_handle_edr_instances(struct ntk_request *request)
{
    if (!request->on_worker)
        return NTK_HANDLE_ON_WORKER;
    struct base base = find_base(request);
    struct ntk_edr_collection collection;
    struct ntk_error error = {""};
    json_t *json = NULL;
    size_t limit;
    enum ntk_status status = read_limit(request, &limit, &error);
    if (!status)
        status =
            ntk_edr_collection_open(request->server, request->captures[0], &collection, &error);
    if (status)
        return reply(request, status, NULL, &error);
    status = list_instances(&base, &collection, limit, &json, &error);
    ntk_edr_collection_close(&collection);
    if (status)
        json_decref(json);
    return reply(request, status, json, &error);
}

enum ntk_handled ntk_handle_edr_instance(struct ntk_request *request)
{
    if (!request->on_worker)
        return NTK_HANDLE_ON_WORKER;
    struct base base = find_base(request);
    struct ntk_edr_collection collection;
    struct ntk_error error = {""};
    json_t *json = NULL;
    int64_t time;
    enum ntk_status status =
        ntk_edr_collection_open(request->server, request->captures[0], &collection, &error);
    if (status)
        return reply(request, status, NULL, &error);
    status = ntk_edr_request_time(request, &collection, &time, &error);
    if (!status)
        status = describe_instance(&base, &collection, time, &json, &error);
    ntk_edr_collection_close(&collection);
    return reply(request, status, json, &error);
}
