#include "server/http/access.h"

#include <stdio.h>

#include "server/http/routes.h"
#include "server/http/settings.h"

static void refuse_unknown(struct ntk_request *request, enum ntk_scope scope)
{
    request->refusal = NTK_REFUSED_TOKEN;
    if (request->settings->tokens)
        ntk_reply_problem(request, MHD_HTTP_UNAUTHORIZED,
                          "%s %s needs 'Authorization: Bearer' with a known token of scope %s",
                          request->route->method, request->path, ntk_scope_name(scope));
    else
        ntk_reply_problem(request, MHD_HTTP_UNAUTHORIZED,
                          "%s %s needs a token, and this daemon knows none: the options "
                          "token_file, or on loopback open_writes, say who may write",
                          request->route->method, request->path);
    ntk_reply_header(request, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
}

static void refuse_scope(struct ntk_request *request, enum ntk_scope scope, enum ntk_scope granted)
{
    request->refusal = NTK_REFUSED_SCOPE;
    char challenge[80];
    ntk_reply_problem(
        request, MHD_HTTP_FORBIDDEN, "%s %s needs a token of scope %s, this one has scope %s",
        request->route->method, request->path, ntk_scope_name(scope), ntk_scope_name(granted));
    snprintf(challenge, sizeof challenge, "Bearer error=\"insufficient_scope\", scope=\"%s\"",
             ntk_scope_name(scope));
    ntk_reply_header(request, MHD_HTTP_HEADER_WWW_AUTHENTICATE, challenge);
}

int ntk_request_may(struct ntk_request *request, enum ntk_scope scope)
{
    const struct ntk_settings *settings = request->settings;
    if (scope == NTK_SCOPE_NONE || (scope == NTK_SCOPE_QUERY && !settings->config.query_tokens) ||
        (!settings->tokens && settings->config.open_writes))
        return 1;
    enum ntk_scope granted = ntk_tokens_scope(
        settings->tokens, ntk_request_header(request, MHD_HTTP_HEADER_AUTHORIZATION));
    if (granted >= scope)
        return 1;
    if (granted == NTK_SCOPE_NONE)
        refuse_unknown(request, scope);
    else
        refuse_scope(request, scope, granted);
    return 0;
}

int ntk_access_check(struct ntk_request *request)
{
    return ntk_request_may(request, request->route->scope);
}

static void refuse_often(struct ntk_request *request, enum ntk_cost cost)
{
    request->refusal = NTK_REFUSED_RATE;
    const struct ntk_config *config = &request->settings->config;
    if (cost == NTK_COST_HEAVY)
        ntk_reply_problem(request, MHD_HTTP_TOO_MANY_REQUESTS,
                          "this client asks too often, %llu heavy requests a minute are taken",
                          (unsigned long long)config->heavy_rate);
    else
        ntk_reply_problem(request, MHD_HTTP_TOO_MANY_REQUESTS,
                          "this client asks too often, %llu queries a second are taken",
                          (unsigned long long)config->query_rate);
}

static void refuse_many(struct ntk_request *request, enum ntk_cost cost)
{
    request->refusal = NTK_REFUSED_CONCURRENCY;
    const struct ntk_config *config = &request->settings->config;
    if (cost == NTK_COST_HEAVY)
        ntk_reply_problem(request, MHD_HTTP_SERVICE_UNAVAILABLE,
                          "%llu heavy requests run already, no more are taken at once",
                          (unsigned long long)config->heavy_concurrency);
    else
        ntk_reply_problem(request, MHD_HTTP_SERVICE_UNAVAILABLE,
                          "%llu queries run already, no more are taken at once",
                          (unsigned long long)config->query_concurrency);
}

int ntk_access_enter(struct ntk_request *request, enum ntk_cost cost)
{
    unsigned seconds = 1;
    char text[16];
    enum ntk_verdict verdict =
        ntk_quota_acquire(request->server->quota, &request->settings->config, cost,
                          ntk_request_client(request), request->started_ns, &seconds);
    if (verdict == NTK_QUOTA_GRANTED) {
        request->cost = cost;
        return 1;
    }
    if (verdict == NTK_QUOTA_TOO_OFTEN)
        refuse_often(request, cost);
    else
        refuse_many(request, cost);
    snprintf(text, sizeof text, "%u", seconds);
    ntk_reply_header(request, MHD_HTTP_HEADER_RETRY_AFTER, text);
    return 0;
}

void ntk_access_leave(struct ntk_request *request)
{
    ntk_quota_release(request->server->quota, request->cost);
    request->cost = NTK_COST_CHEAP;
}
