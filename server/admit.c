#include "server/admit.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "server/guard.h"
#include "server/request.h"
#include "server/routes.h"
#include "server/tokens.h"
#include "server/upload.h"

static void refuse_route(struct ntk_request *request, const char *method, const char *allowed)
{
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

static void refuse_token(struct ntk_request *request)
{
    ntk_reply_problem(request, MHD_HTTP_UNAUTHORIZED,
                      "%s %s needs 'Authorization: Bearer' with a known token",
                      request->route->method, request->path);
    ntk_reply_header(request, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
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

static enum MHD_Result check_parameter(void *user, enum MHD_ValueKind kind, const char *name,
                                       const char *value)
{
    struct ntk_request *request = user;
    const char *known = request->route->parameters;
    (void)kind, (void)value;
    if (is_listed(known, name, strlen(name)))
        return MHD_YES;
    ntk_reply_problem(request, MHD_HTTP_BAD_REQUEST,
                      "there is no query parameter '%.60s' here; known: %s", name,
                      known ? known : "none");
    return MHD_NO;
}

static int check_parameters(struct ntk_request *request)
{
    MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, check_parameter, request);
    return !request->response;
}

static int check_type(struct ntk_request *request)
{
    char type[80] = "";
    const char *known = request->route->request_types;
    const char *found = ntk_request_header(request, MHD_HTTP_HEADER_CONTENT_TYPE);
    if (found)
        snprintf(type, sizeof type, "%.*s", (int)strcspn(found, "; \t"), found);
    if (!known || is_listed(known, type, strlen(type)))
        return 1;
    ntk_reply_problem(request, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
                      "Content-Type is %.60s, one of these was expected: %s",
                      found ? found : "missing", known);
    return 0;
}

void ntk_admit(struct ntk_request *request, const char *method, const char *version)
{
    struct ntk_error error = {""};
    struct ntk_guarded guarded = {0};
    char allowed[64];
    if (ntk_guard(request->connection, version, request->path, &guarded, &error)) {
        ntk_reply_problem(request, MHD_HTTP_BAD_REQUEST, "%s", error.text);
        ntk_reply_header(request, MHD_HTTP_HEADER_CONNECTION, "close");
        request->untrusted = 1;
        return;
    }
    request->route =
        ntk_route_find(method, request->path, request->captures, allowed, sizeof allowed);
    if (!request->route)
        refuse_route(request, method, allowed);
    else if (request->route->write &&
             !ntk_tokens_allow(request->server->tokens,
                               ntk_request_header(request, MHD_HTTP_HEADER_AUTHORIZATION)))
        refuse_token(request);
    else if (!check_parameters(request) || !check_type(request))
        return;
    else if (guarded.has_length && guarded.length > ntk_request_body_limit(request))
        ntk_request_refuse_size(request, guarded.length);
    else if (ntk_request_is_streamed(request)) {
        enum ntk_status status =
            ntk_upload_create(request->server->config->state_dir, &request->upload, &error);
        if (status)
            ntk_reply_failure(request, status, &error);
    }
}
