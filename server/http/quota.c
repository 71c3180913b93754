#include "server/http/quota.h"

#include <math.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* Clients that hash alike share a set of WAYS places. */
enum { SETS = 1024, WAYS = 4, KEY = 16 };

struct client {
    unsigned char key[KEY]; /* all zero: free */
    uint64_t seen_ns;
    double spent[NTK_COSTS]; /* requests that the bucket is short of being full */
};

struct ntk_quota {
    unsigned char secret[crypto_shorthash_KEYBYTES]; /* so that nobody can fill a chosen set */
    pthread_mutex_t lock;                            /* guards all below */
    uint64_t running[NTK_COSTS];
    struct client clients[SETS][WAYS];
};

enum ntk_status ntk_quota_create(struct ntk_quota **out, struct ntk_error *error)
{
    struct ntk_quota *quota = calloc(1, sizeof *quota);
    if (!quota)
        return ntk_fail_memory(error, "the table of clients", sizeof *quota);
    randombytes_buf(quota->secret, sizeof quota->secret);
    pthread_mutex_init(&quota->lock, NULL);
    *out = quota;
    return NTK_OK;
}

/* IPv4 as ::ffff:a.b.c.d, also where a socket gives it so; of IPv6 the network's half. */
static void make_key(const struct sockaddr *address, unsigned char key[KEY])
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    memset(key, 0, KEY);
    key[KEY - 1] = 1; /* whoever has no address is one client */
    if (address && address->sa_family == AF_INET) {
        memcpy(key, mapped, sizeof mapped);
        memcpy(key + sizeof mapped, &((const struct sockaddr_in *)address)->sin_addr, 4);
    } else if (address && address->sa_family == AF_INET6) {
        const unsigned char *bytes = ((const struct sockaddr_in6 *)address)->sin6_addr.s6_addr;
        memcpy(key, bytes, memcmp(bytes, mapped, sizeof mapped) ? 8 : KEY);
    }
}

/* The place of a client: its own, or that of the one of its set that was seen longest ago. */
static struct client *find_client(struct ntk_quota *quota, const unsigned char key[KEY])
{
    unsigned char hash[crypto_shorthash_BYTES];
    uint32_t number;
    crypto_shorthash(hash, key, KEY, quota->secret);
    memcpy(&number, hash, sizeof number);
    struct client *set = quota->clients[number % SETS], *oldest = set;
    for (size_t way = 0; way < WAYS; way++) {
        if (!memcmp(set[way].key, key, KEY))
            return &set[way];
        if (set[way].seen_ns < oldest->seen_ns)
            oldest = &set[way];
    }
    memset(oldest, 0, sizeof *oldest);
    memcpy(oldest->key, key, KEY);
    return oldest;
}

/* Requests a second that fill the bucket, and how many it holds. */
static double rate_of(const struct ntk_config *config, enum ntk_cost cost)
{
    return cost == NTK_COST_HEAVY ? (double)config->heavy_rate / 60 : (double)config->query_rate;
}

static double size_of(const struct ntk_config *config, enum ntk_cost cost)
{
    return (double)(cost == NTK_COST_HEAVY ? config->heavy_rate : config->query_rate);
}

/* 0, or the seconds until there is one. */
static double take_token(struct ntk_quota *quota, const struct ntk_config *config,
                         enum ntk_cost cost, const unsigned char key[KEY], uint64_t now_ns)
{
    struct client *client = find_client(quota, key);
    double seconds = now_ns > client->seen_ns ? (double)(now_ns - client->seen_ns) * 1e-9 : 0;
    for (enum ntk_cost each = NTK_COST_QUERY; each < NTK_COSTS; each++)
        client->spent[each] = fmax(0, client->spent[each] - seconds * rate_of(config, each));
    client->seen_ns = now_ns > client->seen_ns ? now_ns : client->seen_ns;
    double lacking = client->spent[cost] + 1 - size_of(config, cost);
    /* what a double rounds away must not cost a wait */
    if (lacking > 1e-9)
        return lacking / rate_of(config, cost);
    client->spent[cost]++;
    return 0;
}

static uint64_t places_of(const struct ntk_config *config, enum ntk_cost cost)
{
    return cost == NTK_COST_HEAVY ? config->heavy_concurrency : config->query_concurrency;
}

enum ntk_verdict ntk_quota_acquire(struct ntk_quota *quota, const struct ntk_config *config,
                                   enum ntk_cost cost, const struct sockaddr *client,
                                   uint64_t now_ns, unsigned *retry_after_s)
{
    unsigned char key[KEY];
    double wait = 0;
    if (cost == NTK_COST_CHEAP)
        return NTK_QUOTA_GRANTED;
    make_key(client, key);
    uint64_t places = places_of(config, cost);
    pthread_mutex_lock(&quota->lock);
    int full = places && quota->running[cost] >= places;
    if (!full && size_of(config, cost) > 0)
        wait = take_token(quota, config, cost, key, now_ns);
    if (!full && wait <= 0)
        quota->running[cost]++;
    pthread_mutex_unlock(&quota->lock);
    if (!full && wait <= 0)
        return NTK_QUOTA_GRANTED;
    *retry_after_s = full ? 1 : (unsigned)fmax(1, ceil(fmin(wait, 3600)));
    return full ? NTK_QUOTA_TOO_MANY : NTK_QUOTA_TOO_OFTEN;
}

void ntk_quota_release(struct ntk_quota *quota, enum ntk_cost cost)
{
    if (cost == NTK_COST_CHEAP)
        return;
    pthread_mutex_lock(&quota->lock);
    quota->running[cost]--;
    pthread_mutex_unlock(&quota->lock);
}

void ntk_quota_free(struct ntk_quota *quota)
{
    if (!quota)
        return;
    pthread_mutex_destroy(&quota->lock);
    free(quota);
}
