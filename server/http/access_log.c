#include "server/http/access_log.h"

#include <string.h>

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

static void append_string(struct ntk_text *line, const char *name, const char *value)
{
    ntk_text_append(line, name);
    if (value)
        ntk_log_append_string(line, value);
    else
        ntk_text_append(line, "null");
}

static void append_number(struct ntk_text *line, const char *name, double value)
{
    ntk_text_append(line, name);
    ntk_text_append_real(line, value, "null");
}

void ntk_access_log(struct ntk_request *request)
{
    struct ntk_text *line = &request->text;
    if (!is_wanted(request) || !ntk_log_begin(NTK_LOG_INFO, "request", line))
        return;
    uint64_t duration_ns = ntk_request_now_ns() - request->started_ns;
    append_string(line, ",\"method\":", request->method);
    append_string(line, ",\"route\":", request->route ? request->route->path : NULL);
    append_string(line, ",\"path\":", request->path);
    append_number(line, ",\"status\":", request->status);
    append_number(line, ",\"duration_s\":", (double)duration_ns / 1e9);
    append_number(line, ",\"bytes_in\":", (double)request->bytes_in);
    append_number(line, ",\"bytes_out\":", (double)request->bytes_out);
    append_string(line, ",\"client\":", *request->client ? request->client : NULL);
    if (*request->trace_id) {
        append_string(line, ",\"trace_id\":", request->trace_id);
        append_string(line, ",\"span_id\":", request->span_id);
    }
    ntk_log_end(line);
}
