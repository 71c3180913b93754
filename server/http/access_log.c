#include "server/http/access_log.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "server/http/routes.h"
#include "server/http/settings.h"
#include "server/log.h"

static int is_wanted(const struct ntk_request *request)
{
    int reads = !strcmp(request->method, "GET") || !strcmp(request->method, "HEAD");
    switch ((enum ntk_access_log)request->settings->config.access_log) {
    case NTK_ACCESS_LOG_OFF:
        return 0;
    case NTK_ACCESS_LOG_ALL:
        return 1;
    case NTK_ACCESS_LOG_WRITES:
        if (!reads)
            return 1;
        break;
    case NTK_ACCESS_LOG_ERRORS:
        break;
    }
    return request->status == 0 || request->status >= 400;
}

/* The client's bytes as JSON can hold them. */
static json_t *as_text(const char *text)
{
    char plain[sizeof((struct ntk_request *)0)->path];
    json_t *json = json_string(text);
    if (json)
        return json;
    snprintf(plain, sizeof plain, "%s", text);
    for (char *c = plain; *c; c++)
        *c = (unsigned char)*c < 128 ? *c : '?';
    return json_string(plain);
}

static json_t *client_text(const struct ntk_request *request)
{
    char text[64];
    const struct sockaddr *address = ntk_request_client(request);
    socklen_t length = address && address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                                 : sizeof(struct sockaddr_in);
    if (!address || getnameinfo(address, length, text, sizeof text, NULL, 0, NI_NUMERICHOST))
        return json_null();
    return json_string(text);
}

void ntk_access_log(const struct ntk_request *request)
{
    if (!is_wanted(request))
        return;
    double seconds = (double)(ntk_request_now_ns() - request->started_ns) * 1e-9;
    json_t *json =
        json_pack("{s:o, s:o, s:o, s:i, s:f, s:I, s:I, s:o}", "method", as_text(request->method),
                  "route", request->route ? json_string(request->route->path) : json_null(), "path",
                  as_text(request->path), "status", (int)request->status, "duration_s", seconds,
                  "bytes_in", (json_int_t)request->bytes_in, "bytes_out",
                  (json_int_t)request->bytes_out, "client", client_text(request));
    if (json && *request->trace_id) {
        json_object_set_new(json, "trace_id", json_string(request->trace_id));
        json_object_set_new(json, "span_id", json_string(request->span_id));
    }
    ntk_log_json(NTK_LOG_INFO, "request", json);
}
