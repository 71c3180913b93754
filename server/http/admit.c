#include "server/http/admit.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "server/http/access.h"
#include "server/http/cors.h"
#include "server/http/guard.h"
#include "server/http/request.h"
#include "server/http/routes.h"
#include "server/http/upload.h"

static void refuse_route(struct ntk_request *request, const char *method, const char *allowed)
{
    request->refusal = NTK_REFUSED_ROUTE;
    if (!*allowed) {
        ntk_reply_problem(request, MHD_HTTP_NOT_FOUND,
                          "there is nothing at %s; /openapi.json lists what there is",
                          request->path);
        return;
    }
    ntk_reply_problem(request, MHD_HTTP_METHOD_NOT_ALLOWED, "%s does not take %.20s, it takes %s",
                      request->path, method, allowed);
    ntk_reply_header(request, MHD_HTTP_HEADER_ALLOW, allowed);
}

/* Whether one of the words of `list`, which are separated by spaces, is `word`. */
static int is_listed(const char *list, const char *word, size_t length)
{
    for (const char *at = list; at && *at;) {
        size_t size = strcspn(at, " ");
        if (size == length && !strncasecmp(at, word, size))
            return 1;
        at += size + strspn(at + size, " ");
    }
    return 0;
}

/* Known, once (the one that a handler would find), and with a value. */
static enum MHD_Result check_parameter(void *user, enum MHD_ValueKind kind, const char *name,
                                       const char *value)
{
    struct ntk_request *request = user;
    const char *known = request->route->parameters;
    int is_known = is_listed(known, name, strlen(name));
    (void)kind;
    if (is_known && value && value == ntk_request_parameter(request, name))
        return MHD_YES;
    request->refusal = NTK_REFUSED_PARAMETER;
    if (!is_known)
        ntk_reply_problem(request, MHD_HTTP_BAD_REQUEST,
                          "there is no query parameter '%.60s' here; known: %s", name,
                          known ? known : "none");
    else
        ntk_reply_problem(request, MHD_HTTP_BAD_REQUEST, "query parameter '%.60s' %s", name,
                          value ? "is there twice, once was expected"
                                : "has no value, one was expected behind '='");
    return MHD_NO;
}

static int check_parameters(struct ntk_request *request)
{
    MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, check_parameter, request);
    return !request->response;
}

static int check_type(struct ntk_request *request)
{
    const char *known = request->route->request_types;
    const char *found = request->type;
    if (!known || is_listed(known, found ? found : "", request->type_length) ||
        is_listed(known, "*/*", 3))
        return 1;
    request->refusal = NTK_REFUSED_TYPE;
    ntk_reply_problem(request, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
                      "Content-Type is %.60s, one of these was expected: %s",
                      found ? found : "missing", known);
    return 0;
}

static void open_upload(struct ntk_request *request)
{
    struct ntk_error error = {""};
    enum ntk_status status =
        ntk_upload_create(request->server->config->state_dir, &request->upload, &error);
    if (status)
        ntk_reply_failure(request, status, &error);
}

static void refuse_message(struct ntk_request *request, const struct ntk_error *error)
{
    request->refusal = NTK_REFUSED_GUARD;
    ntk_reply_problem(request, MHD_HTTP_BAD_REQUEST, "%s", error->text);
    ntk_reply_header(request, MHD_HTTP_HEADER_CONNECTION, "close");
    request->untrusted = 1;
}

/* What goes to the disk is heavy, whatever its route costs otherwise. */
static enum ntk_cost cost_of(const struct ntk_request *request)
{
    return ntk_request_is_streamed(request) ? NTK_COST_HEAVY : request->route->cost;
}

void ntk_admit(struct ntk_request *request, const char *method, const char *version)
{
    struct ntk_error error = {""};
    struct ntk_guarded guarded = {0};
    char allowed[64];
    if (ntk_guard(request->connection, version, request->path, &guarded, &error)) {
        refuse_message(request, &error);
        return;
    }
    request->route =
        ntk_route_find(method, request->path, request->captures, allowed, sizeof allowed);
    if (!request->route) {
        if (!ntk_cors_preflight(request, method, allowed))
            refuse_route(request, method, allowed);
        return;
    }
    if (!ntk_access_check(request) || !check_parameters(request) || !check_type(request))
        return;
    if (guarded.has_length && guarded.length > ntk_request_body_limit(request))
        ntk_request_refuse_size(request, guarded.length);
    else if (ntk_access_enter(request, cost_of(request)) && ntk_request_is_streamed(request))
        open_upload(request);
}
