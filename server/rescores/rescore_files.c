/* What a rescore made: its manifest, and the files that the manifest names. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/digest.h"
#include "server/http/range.h"
#include "server/http/routes.h"
#include "server/rescores/rescore_lookup.h"

/* ---- manifests ------------------------------------------------------------------------------- */

/* Whether a list of tags has this one; a weak one is as good for a GET (RFC 9110, 13.1.2). */
static int has_tag(const char *list, const char *tag)
{
    return list && (!strcmp(list, "*") || strstr(list, tag));
}

static void reply_no_manifest(struct ntk_request *request)
{
    json_t *job = ntk_rescore_lookup_job(request, request->captures[0]);
    const char *status = json_string_value(json_object_get(job, "status"));
    ntk_reply_problem(request, MHD_HTTP_NOT_FOUND, "rescore %s has no manifest, its job is %s",
                      request->captures[0], status ? status : "forgotten");
    json_decref(job);
}

static void reply_manifest(struct ntk_request *request, char *bytes, size_t size)
{
    char hex[NTK_SHA256_HEX], tag[NTK_SHA256_HEX + 2];
    ntk_digest_bytes(bytes, size, hex);
    snprintf(tag, sizeof tag, "\"%s\"", hex);
    if (has_tag(ntk_request_header(request, MHD_HTTP_HEADER_IF_NONE_MATCH), tag)) {
        free(bytes);
        ntk_reply_empty(request, MHD_HTTP_NOT_MODIFIED);
    } else {
        ntk_reply_owned(request, MHD_HTTP_OK, "application/json", bytes, size);
    }
    ntk_reply_header(request, MHD_HTTP_HEADER_ETAG, tag);
    ntk_reply_header(request, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");
}

/* All of a file, owned; NULL when it cannot be read. */
static char *read_whole(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    char *bytes = NULL;
    long length;
    if (file && !fseek(file, 0, SEEK_END) && (length = ftell(file)) > 0) {
        rewind(file);
        bytes = malloc((size_t)length);
        *size = bytes ? fread(bytes, 1, (size_t)length, file) : 0;
    }
    if (file)
        fclose(file);
    return bytes;
}

enum ntk_handled ntk_handle_rescore_get(struct ntk_request *request)
{
    struct ntk_rescore_folder folder;
    size_t size = 0;
    if (!request->on_worker)
        return NTK_HANDLE_ON_WORKER;
    if (!ntk_rescore_lookup(request, &folder))
        return NTK_HANDLED;
    char *bytes = read_whole(folder.manifest, &size);
    if (bytes)
        reply_manifest(request, bytes, size);
    else
        reply_no_manifest(request);
    return NTK_HANDLED;
}

/* ---- files ----------------------------------------------------------------------------------- */

/* Whether the manifest has it as an output. A member with that text is one: within a string its
 * quotation marks would be escaped. */
static int is_output(const char *manifest, size_t size, const char *name)
{
    static const char member[] = "\"output\"";
    json_t *text = json_string(name);
    char *quoted = text ? json_dumps(text, JSON_ENCODE_ANY) : NULL;
    const char *end = manifest + size, *at = manifest;
    int found = 0;
    while (quoted && !found && (at = memmem(at, (size_t)(end - at), member, sizeof member - 1))) {
        at += sizeof member - 1;
        while (at < end && strchr(": \t\n", *at))
            at++;
        size_t length = strlen(quoted);
        found = (size_t)(end - at) >= length && !memcmp(at, quoted, length);
    }
    free(quoted);
    json_decref(text);
    return found;
}

/* A descriptor of the file, or -1. */
static int open_output(const struct ntk_rescore_folder *folder, const char *name, struct stat *info)
{
    size_t size = 0;
    char path[PATH_MAX], *manifest = strchr(name, '/') ? NULL : read_whole(folder->manifest, &size);
    int descriptor = -1;
    if (manifest && is_output(manifest, size, name)) {
        snprintf(path, sizeof path, "%.3800s/%s", folder->output, name);
        descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    }
    free(manifest);
    if (descriptor >= 0 && (fstat(descriptor, info) || !S_ISREG(info->st_mode))) {
        close(descriptor);
        descriptor = -1;
    }
    return descriptor;
}

/* An output is renamed into place when it is complete, and not changed after that. */
static void print_file_tag(const struct stat *info, char out[64])
{
    snprintf(out, 64, "\"%llx-%llx-%lx\"", (unsigned long long)info->st_size,
             (unsigned long long)info->st_mtim.tv_sec, info->st_mtim.tv_nsec);
}

static void reply_part(struct ntk_request *request, int descriptor, uint64_t first, uint64_t last,
                       uint64_t size)
{
    char range[80];
    ntk_reply_file_part(request, MHD_HTTP_PARTIAL_CONTENT, "application/x-netcdf", descriptor,
                        first, last - first + 1);
    snprintf(range, sizeof range, "bytes %llu-%llu/%llu", (unsigned long long)first,
             (unsigned long long)last, (unsigned long long)size);
    ntk_reply_header(request, MHD_HTTP_HEADER_CONTENT_RANGE, range);
}

static void reply_beyond(struct ntk_request *request, uint64_t size)
{
    char range[80];
    ntk_reply_problem(request, MHD_HTTP_RANGE_NOT_SATISFIABLE,
                      "nothing of the range is among the %llu bytes of the file",
                      (unsigned long long)size);
    snprintf(range, sizeof range, "bytes */%llu", (unsigned long long)size);
    ntk_reply_header(request, MHD_HTTP_HEADER_CONTENT_RANGE, range);
}

/* A part only of the file that the client began with, where it says so. */
static enum ntk_range asked_range(const struct ntk_request *request, const char *tag, uint64_t size,
                                  uint64_t *first, uint64_t *last)
{
    const char *condition = ntk_request_header(request, MHD_HTTP_HEADER_IF_RANGE);
    if (condition && strcmp(condition, tag))
        return NTK_RANGE_WHOLE;
    return ntk_range_parse(ntk_request_header(request, MHD_HTTP_HEADER_RANGE), size, first, last);
}

/* Takes the descriptor. */
static void send_file(struct ntk_request *request, int descriptor, const struct stat *info)
{
    char tag[64];
    uint64_t size = (uint64_t)info->st_size, first = 0, last = 0;
    print_file_tag(info, tag);
    enum ntk_range range = asked_range(request, tag, size, &first, &last);
    int is_current = has_tag(ntk_request_header(request, MHD_HTTP_HEADER_IF_NONE_MATCH), tag);
    if (is_current || range == NTK_RANGE_BEYOND)
        close(descriptor);
    if (is_current)
        ntk_reply_empty(request, MHD_HTTP_NOT_MODIFIED);
    else if (range == NTK_RANGE_BEYOND)
        reply_beyond(request, size);
    else if (range == NTK_RANGE_PART)
        reply_part(request, descriptor, first, last, size);
    else
        ntk_reply_file(request, MHD_HTTP_OK, "application/x-netcdf", descriptor);
    ntk_reply_header(request, MHD_HTTP_HEADER_ETAG, tag);
    ntk_reply_header(request, MHD_HTTP_HEADER_ACCEPT_RANGES, "bytes");
    ntk_reply_header(request, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");
}

enum ntk_handled ntk_handle_rescore_file(struct ntk_request *request)
{
    struct ntk_rescore_folder folder;
    struct stat info;
    if (!request->on_worker)
        return NTK_HANDLE_ON_WORKER;
    if (!ntk_rescore_lookup(request, &folder))
        return NTK_HANDLED;
    int descriptor = open_output(&folder, request->captures[1], &info);
    if (descriptor < 0)
        ntk_reply_problem(request, MHD_HTTP_NOT_FOUND, "rescore %s has no file '%s'",
                          request->captures[0], request->captures[1]);
    else
        send_file(request, descriptor, &info);
    return NTK_HANDLED;
}
