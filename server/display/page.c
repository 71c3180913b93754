/* The page at /: files that are part of the program, so that it needs no folder beside it. */
#include <stdio.h>
#include <string.h>

#include "io/digest.h"
#include "server/http/http.h"
#include "server/http/routes.h"

#define BYTES(name) extern const char page_##name[], page_##name##_end[]
BYTES(index_html);
BYTES(page_css);
BYTES(page_js);
BYTES(format_js);
BYTES(dom_js);
BYTES(fetch_js);
BYTES(now_js);
BYTES(fan_js);
BYTES(field_js);
BYTES(map_js);
BYTES(spectrum_js);
BYTES(jobs_js);
BYTES(uplot_js);
BYTES(uplot_css);
BYTES(coastline_json);

#define HTML   "text/html; charset=utf-8"
#define CSS    "text/css; charset=utf-8"
#define SCRIPT "text/javascript; charset=utf-8"
#define FILE_OF(name, path, type)                                                                  \
    {                                                                                              \
        path, type, page_##name, page_##name##_end                                                 \
    }

struct page_file {
    const char *name, *type, *begin, *end;
};

static const struct page_file files[] = {
    FILE_OF(index_html, "index.html", HTML),
    FILE_OF(page_css, "page.css", CSS),
    FILE_OF(page_js, "page.js", SCRIPT),
    FILE_OF(format_js, "format.js", SCRIPT),
    FILE_OF(dom_js, "dom.js", SCRIPT),
    FILE_OF(fetch_js, "fetch.js", SCRIPT),
    FILE_OF(now_js, "now.js", SCRIPT),
    FILE_OF(fan_js, "fan.js", SCRIPT),
    FILE_OF(field_js, "field.js", SCRIPT),
    FILE_OF(map_js, "map.js", SCRIPT),
    FILE_OF(spectrum_js, "spectrum.js", SCRIPT),
    FILE_OF(jobs_js, "jobs.js", SCRIPT),
    FILE_OF(uplot_js, "uPlot.iife.min.js", SCRIPT),
    FILE_OF(uplot_css, "uPlot.min.css", CSS),
    FILE_OF(coastline_json, "coastline.json", "application/json"),
};

enum { N_FILES = sizeof files / sizeof *files };

/* Nothing from elsewhere, nothing inline, nobody may frame it. */
static const char policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src "
    "'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/* Whether If-None-Match has the tag; a weak one is as good here (RFC 9110, 13.1.2). */
static int is_known(const struct ntk_request *request, const char *tag)
{
    const char *list = ntk_request_header(request, MHD_HTTP_HEADER_IF_NONE_MATCH);
    return list && (!strcmp(list, "*") || strstr(list, tag));
}

static void reply_file(struct ntk_request *request, const struct page_file *file)
{
    char hex[NTK_SHA256_HEX], tag[NTK_SHA256_HEX + 2];
    size_t size = (size_t)(file->end - file->begin);
    ntk_digest_bytes(file->begin, size, hex);
    snprintf(tag, sizeof tag, "\"%s\"", hex);
    /* libmicrohttpd sends a 304 without the body and with its length. */
    unsigned status = is_known(request, tag) ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK;
    ntk_reply_bytes(request, status, file->type, file->begin, size);
    ntk_reply_header(request, MHD_HTTP_HEADER_ETAG, tag);
    ntk_reply_header(request, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");
    ntk_reply_header(request, "Content-Security-Policy", policy);
    ntk_reply_header(request, "Referrer-Policy", "no-referrer");
    ntk_reply_header(request, "Cross-Origin-Opener-Policy", "same-origin");
    ntk_reply_header(request, "Cross-Origin-Resource-Policy", "same-origin");
}

enum ntk_handled ntk_handle_page(struct ntk_request *request)
{
    reply_file(request, &files[0]);
    return NTK_HANDLED;
}

enum ntk_handled ntk_handle_page_file(struct ntk_request *request)
{
    const char *name = request->captures[0];
    for (size_t i = 0; i < N_FILES; i++) {
        if (!strcmp(files[i].name, name)) {
            reply_file(request, &files[i]);
            return NTK_HANDLED;
        }
    }
    ntk_reply_problem(request, MHD_HTTP_NOT_FOUND, "the page has no file '%s'", name);
    return NTK_HANDLED;
}
