#include "server/cors.h"

#include <string.h>

#include "server/settings.h"

#define ALLOWED_HEADERS                                                                            \
    "Authorization, Content-Type, Accept, If-Match, If-None-Match, "                               \
    "Idempotency-Key, Prefer, Last-Event-ID, traceparent"
#define EXPOSED_HEADERS                                                                            \
    "ETag, Location, Retry-After, Preference-Applied, NTKUQ-Calibration, "                         \
    "NTKUQ-Artifact"

/* The request's Origin when it is listed, else NULL. */
static const char *listed_origin(const struct ntk_request *request)
{
    const char *origin = ntk_request_header(request, MHD_HTTP_HEADER_ORIGIN);
    if (!origin)
        return NULL;
    size_t wanted = strlen(origin);
    for (const char *at = request->settings->config.cors_origins; *at;) {
        size_t length = strcspn(at, ",");
        if (length == wanted && !strncmp(at, origin, length))
            return origin;
        at += length + (at[length] == ',');
    }
    return NULL;
}

int ntk_cors_preflight(struct ntk_request *request, const char *method, const char *allowed)
{
    if (strcmp(method, MHD_HTTP_METHOD_OPTIONS) || !*allowed || !listed_origin(request) ||
        !ntk_request_header(request, MHD_HTTP_HEADER_ACCESS_CONTROL_REQUEST_METHOD))
        return 0;
    ntk_reply_empty(request, MHD_HTTP_NO_CONTENT);
    ntk_reply_header(request, MHD_HTTP_HEADER_ACCESS_CONTROL_ALLOW_METHODS, allowed);
    ntk_reply_header(request, MHD_HTTP_HEADER_ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS);
    ntk_reply_header(request, MHD_HTTP_HEADER_ACCESS_CONTROL_MAX_AGE, "600");
    return 1;
}

void ntk_cors_mark(struct ntk_request *request)
{
    if (!*request->settings->config.cors_origins)
        return;
    /* Also for other origins, so that a cache keeps what each may see apart. */
    ntk_reply_header(request, MHD_HTTP_HEADER_VARY, MHD_HTTP_HEADER_ORIGIN);
    const char *origin = listed_origin(request);
    if (!origin)
        return;
    ntk_reply_header(request, MHD_HTTP_HEADER_ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    ntk_reply_header(request, MHD_HTTP_HEADER_ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
}
