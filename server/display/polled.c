#include "server/display/polled.h"

#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/http/routes.h"
#include "server/ledger/ledger.h"

enum { KEPT = 64, KEPT_BYTES = 1 << 20, TAG = 48, KEY = 600 };

struct kept {
    char key[KEY]; /* the request, "" when free */
    uint64_t generation, used;
    char *bytes;
    size_t size;
};

struct ntk_polled {
    uint64_t boot;        /* immutable: tags of another process are not ours */
    pthread_mutex_t lock; /* guards all below */
    uint64_t clock;
    struct kept kept[KEPT];
};

enum ntk_status ntk_polled_create(struct ntk_polled **out, struct ntk_error *error)
{
    struct ntk_polled *polled = calloc(1, sizeof *polled);
    if (!polled)
        return ntk_fail_memory(error, "the polled replies", sizeof *polled);
    randombytes_buf(&polled->boot, sizeof polled->boot);
    pthread_mutex_init(&polled->lock, NULL);
    *out = polled;
    return NTK_OK;
}

void ntk_polled_free(struct ntk_polled *polled)
{
    if (!polled)
        return;
    for (size_t i = 0; i < KEPT; i++)
        free(polled->kept[i].bytes);
    pthread_mutex_destroy(&polled->lock);
    free(polled);
}

/* ---- what was asked ------------------------------------------------------------------------- */

struct key {
    char text[KEY];
    size_t size;
};

static enum MHD_Result add_parameter(void *user, enum MHD_ValueKind kind, const char *name,
                                     const char *value)
{
    struct key *key = user;
    (void)kind;
    size_t left = sizeof key->text - key->size, length = value ? strlen(value) : 0;
    /* with its length: a value may hold what looks like the next parameter */
    size_t wrote = (size_t)snprintf(key->text + key->size, left, "&%s=%zu:%s", name, length,
                                    value ? value : "");
    key->size = wrote < left ? key->size + wrote : sizeof key->text;
    return MHD_YES;
}

/* False when the request is too long to be kept. */
static int make_key(struct ntk_request *request, int csv, struct key *key)
{
    key->size = (size_t)snprintf(key->text, sizeof key->text, "%s?csv=%d", request->path, csv);
    MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, add_parameter, key);
    return key->size < sizeof key->text;
}

/* A request and a state have one tag. */
static void make_tag(const struct ntk_polled *polled, uint64_t generation, const struct key *key,
                     char tag[TAG])
{
    unsigned char hash[16];
    crypto_generichash(hash, sizeof hash, (const unsigned char *)key->text, key->size, NULL, 0);
    snprintf(tag, TAG, "\"%08llx-%llx-%02x%02x%02x%02x%02x%02x\"",
             (unsigned long long)(polled->boot & 0xffffffff), (unsigned long long)generation,
             hash[0], hash[1], hash[2], hash[3], hash[4], hash[5]);
}

/* ---- what was rendered ---------------------------------------------------------------------- */

/* A reply from what is kept; false when it is not. */
static int reply_kept(struct ntk_request *request, uint64_t generation, const struct key *key,
                      const char *type)
{
    struct ntk_polled *polled = request->server->polled;
    int found = 0;
    pthread_mutex_lock(&polled->lock);
    for (size_t i = 0; i < KEPT && !found; i++) {
        struct kept *kept = &polled->kept[i];
        if (kept->generation != generation || strcmp(kept->key, key->text))
            continue;
        kept->used = ++polled->clock;
        ntk_reply_bytes(request, MHD_HTTP_OK, type, kept->bytes, kept->size);
        found = 1;
    }
    pthread_mutex_unlock(&polled->lock);
    return found;
}

/* Takes the text's bytes, unless they are many, in the place that was not used for longest. */
static void keep(struct ntk_polled *polled, uint64_t generation, const struct key *key,
                 struct ntk_text *text)
{
    if (text->size > KEPT_BYTES)
        return; /* a field of many places: rendered again rather than kept */
    pthread_mutex_lock(&polled->lock);
    struct kept *oldest = &polled->kept[0];
    for (size_t i = 0; i < KEPT; i++) {
        struct kept *kept = &polled->kept[i];
        if (!strcmp(kept->key, key->text)) {
            oldest = kept;
            break;
        }
        if (kept->used < oldest->used)
            oldest = kept;
    }
    free(oldest->bytes);
    memcpy(oldest->key, key->text, key->size + 1);
    oldest->generation = generation;
    oldest->used = ++polled->clock;
    oldest->bytes = text->bytes;
    oldest->size = text->size;
    pthread_mutex_unlock(&polled->lock);
    *text = (struct ntk_text){0};
}

static enum ntk_status render_reply(struct ntk_request *request, uint64_t generation,
                                    const struct key *key, int csv, const char *type,
                                    ntk_polled_render *render, struct ntk_error *error)
{
    struct ntk_text text = {0};
    enum ntk_status status = render(request, csv, &text, error);
    if (!status && text.failed)
        status = ntk_fail_memory(error, "the reply", 2 * text.size);
    if (!status) {
        ntk_reply_bytes(request, MHD_HTTP_OK, type, text.bytes, text.size);
        keep(request->server->polled, generation, key, &text);
    }
    ntk_text_clear(&text);
    return status;
}

void ntk_polled_reply(struct ntk_request *request, int offers_csv, ntk_polled_render *render)
{
    const char *match = ntk_request_header(request, MHD_HTTP_HEADER_IF_NONE_MATCH);
    struct ntk_error error = {""};
    struct key key;
    char tag[TAG];
    int csv = !ntk_request_accepts(request, "application/json");
    const char *type = csv ? "text/csv" : "application/json";
    enum ntk_status status = NTK_OK;
    if (csv && !(offers_csv && ntk_request_accepts(request, type))) {
        ntk_reply_problem(request, MHD_HTTP_NOT_ACCEPTABLE, "Accept lacks %s",
                          request->route->response_types);
        return;
    }
    uint64_t generation = ntk_ledger_generation(request->server->ledger);
    if (!make_key(request, csv, &key)) {
        ntk_reply_problem(request, MHD_HTTP_URI_TOO_LONG, "the query has more than %d bytes",
                          KEY - 1);
        return;
    }
    make_tag(request->server->polled, generation, &key, tag);
    int known = match && strstr(match, tag); /* in a list or weak, too (RFC 9110, 13.1.2) */
    if (!known && !reply_kept(request, generation, &key, type))
        status = render_reply(request, generation, &key, csv, type, render, &error);
    if (!status && (known || (match && !strcmp(match, "*"))))
        ntk_reply_empty(request, MHD_HTTP_NOT_MODIFIED);
    if (status) {
        ntk_reply_failure(request, status, &error);
        return;
    }
    ntk_reply_header(request, MHD_HTTP_HEADER_ETAG, tag);
    ntk_reply_header(request, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");
    ntk_reply_header(request, MHD_HTTP_HEADER_VARY, "Accept");
}
