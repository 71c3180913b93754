#include "server/http/http.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* `type` may be NULL: there is no body. */
static void take_response(struct ntk_request *request, unsigned status, const char *type,
                          size_t size, struct MHD_Response *response)
{
    if (!response)
        return; /* the connection is closed */
    if (request->response)
        MHD_destroy_response(request->response);
    request->response = response;
    request->status = status;
    request->bytes_out = size;
    if (type)
        ntk_reply_header(request, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    ntk_reply_header(request, "X-Content-Type-Options", "nosniff");
}

void ntk_reply_header(struct ntk_request *request, const char *name, const char *value)
{
    if (request->response)
        MHD_add_response_header(request->response, name, value);
}

void ntk_reply_bytes(struct ntk_request *request, unsigned status, const char *type,
                     const void *bytes, size_t size)
{
    take_response(request, status, type, size,
                  MHD_create_response_from_buffer(size, (void *)bytes, MHD_RESPMEM_MUST_COPY));
}

void ntk_reply_text(struct ntk_request *request, unsigned status, const char *type)
{
    const struct ntk_text *text = &request->text;
    take_response(request, status, type, text->size,
                  MHD_create_response_from_buffer(text->size, text->bytes, MHD_RESPMEM_PERSISTENT));
}

void ntk_reply_empty(struct ntk_request *request, unsigned status)
{
    take_response(request, status, NULL, 0,
                  MHD_create_response_from_buffer(0, "", MHD_RESPMEM_PERSISTENT));
}

void ntk_reply_stream(struct ntk_request *request, unsigned status, const char *type, size_t block,
                      MHD_ContentReaderCallback read, void *user,
                      MHD_ContentReaderFreeCallback release)
{
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, block, read, user, release);
    if (!response)
        release(user);
    take_response(request, status, type, 0, response);
}

void ntk_reply_owned(struct ntk_request *request, unsigned status, const char *type, void *bytes,
                     size_t size)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(size, bytes, MHD_RESPMEM_MUST_FREE);
    if (!response)
        free(bytes);
    take_response(request, status, type, size, response);
}

static void reply_json_type(struct ntk_request *request, unsigned status, const char *type,
                            json_t *json)
{
    static const char no_memory[] = "{\"title\": \"no memory\", \"status\": 503, \"detail\": \"no "
                                    "memory for the reply\", \"error\": \"no memory for the "
                                    "reply\"}\n";
    /* 15 digits: what was 0.9 in the request is 0.9 in the reply */
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
    json_decref(json);
    if (!text) {
        take_response(request, MHD_HTTP_SERVICE_UNAVAILABLE, "application/problem+json",
                      sizeof no_memory - 1,
                      MHD_create_response_from_buffer(sizeof no_memory - 1, (void *)no_memory,
                                                      MHD_RESPMEM_PERSISTENT));
        return;
    }
    take_response(request, status, type, strlen(text),
                  MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE));
}

void ntk_reply_json(struct ntk_request *request, unsigned status, json_t *json)
{
    reply_json_type(request, status, "application/json", json);
}

void ntk_reply_file_part(struct ntk_request *request, unsigned status, const char *type,
                         int descriptor, uint64_t offset, uint64_t size)
{
    struct MHD_Response *response =
        MHD_create_response_from_fd_at_offset64(size, descriptor, offset);
    if (!response)
        close(descriptor);
    take_response(request, status, type, size, response);
}

void ntk_reply_file(struct ntk_request *request, unsigned status, const char *type, int descriptor)
{
    struct stat info;
    if (fstat(descriptor, &info)) {
        close(descriptor);
        return;
    }
    ntk_reply_file_part(request, status, type, descriptor, 0, (uint64_t)info.st_size);
}

static const char *title_of(unsigned status)
{
    const char *title = MHD_get_reason_phrase_for(status);
    return title ? title : "Error";
}

void ntk_reply_problem(struct ntk_request *request, unsigned status, const char *format, ...)
{
    char detail[700];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    /* A sentence may quote the client's bytes: what is not UTF-8 must not empty the reply. */
    json_t *text = json_string(detail);
    if (!text) {
        for (char *c = detail; *c; c++)
            *c = (unsigned char)*c < 128 ? *c : '?';
        text = json_string(detail);
    }
    json_t *instance = json_string(request->path);
    reply_json_type(request, status, "application/problem+json",
                    json_pack("{s:s, s:s, s:i, s:O, s:o, s:o}", "type", "about:blank", "title",
                              title_of(status), "status", (int)status, "detail", text, "error",
                              text, "instance", instance ? instance : json_null()));
}

void ntk_reply_failure(struct ntk_request *request, enum ntk_status status,
                       const struct ntk_error *error)
{
    unsigned code = MHD_HTTP_SERVICE_UNAVAILABLE;
    switch (status) {
    case NTK_USAGE:
        code = MHD_HTTP_BAD_REQUEST;
        break;
    case NTK_BAD_DATA:
    case NTK_NOT_CONVERGED:
        code = MHD_HTTP_UNPROCESSABLE_CONTENT;
        break;
    case NTK_NO_INPUT:
        code = MHD_HTTP_NOT_FOUND;
        break;
    case NTK_CONFLICT:
        code = MHD_HTTP_CONFLICT;
        break;
    case NTK_CANNOT_CREATE:
        code = MHD_HTTP_INSUFFICIENT_STORAGE;
        break;
    case NTK_OK:
    case NTK_TRY_AGAIN:
        break;
    }
    ntk_reply_problem(request, code, "%s", error->text);
    if (code == MHD_HTTP_SERVICE_UNAVAILABLE)
        ntk_reply_header(request, MHD_HTTP_HEADER_RETRY_AFTER, "5");
}
