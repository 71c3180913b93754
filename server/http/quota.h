/* How often one client, and how many at once, may ask for what costs. Safe from any thread.
 *
 * A client is an IPv4 address or the /64 of an IPv6 one, which one subscriber has whole. Each has a
 * bucket for each class, filled at the class's rate up to what comes in one second (one minute for
 * heavy), at least one request. The table of clients has a fixed size: where it is full, the client
 * that asked least recently is forgotten, which gives it a full bucket. */
#ifndef NTK_SERVER_QUOTA_H
#define NTK_SERVER_QUOTA_H

#include <stdint.h>
#include <sys/socket.h>

#include "config/config.h"
#include "core/status.h"

enum ntk_cost {
    NTK_COST_CHEAP, /* never refused */
    NTK_COST_QUERY, /* query_rate, query_concurrency */
    NTK_COST_HEAVY, /* heavy_rate, heavy_concurrency */
    NTK_COSTS
};

enum ntk_verdict { NTK_QUOTA_GRANTED, NTK_QUOTA_TOO_OFTEN, NTK_QUOTA_TOO_MANY };

struct ntk_quota;

enum ntk_status ntk_quota_create(struct ntk_quota **out, struct ntk_error *error);

/* Takes a place and a token; a granted one is given back with ntk_quota_release. Otherwise
 * *retry_after_s, at least 1, is when it is worth to ask again. Costs no allocation. `now_ns` is
 * monotonic. */
enum ntk_verdict ntk_quota_acquire(struct ntk_quota *quota, const struct ntk_config *config,
                                   enum ntk_cost cost, const struct sockaddr *client,
                                   uint64_t now_ns, unsigned *retry_after_s);

void ntk_quota_release(struct ntk_quota *quota, enum ntk_cost cost);

void ntk_quota_free(struct ntk_quota *quota);

#endif
