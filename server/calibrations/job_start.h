/* Starting a job over HTTP: the key, the dry run, what is refused first, Prefer: wait and the reply
 * are the same for each kind. */
#ifndef NTK_SERVER_JOB_START_H
#define NTK_SERVER_JOB_START_H

#include "server/calibrations/jobs.h"
#include "server/http/http.h"

struct ntk_job_order {
    struct ntk_job_wish wish; /* its kind and name; the request and the key are filled in */
    /* Checks what is asked for and what it will need, and may fill the wish's plan. A refusal comes
     * as its status. With `answer` not NULL it is a dry run, whose answer it gives there. Not
     * called for a request that is known by its key. */
    enum ntk_status (*examine)(struct ntk_request *request, const json_t *body,
                               struct ntk_job_order *order, json_t **answer,
                               struct ntk_error *error);
    void *user; /* of examine */
};

/* Replies in any case. Waits: for workers alone. */
void ntk_job_start(struct ntk_request *request, const json_t *body, struct ntk_job_order *order);

/* The JSON body of a request that starts a job, owned; NULL with a reply when there is none. */
json_t *ntk_job_start_body(struct ntk_request *request);

#endif
