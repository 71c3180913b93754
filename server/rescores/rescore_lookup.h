/* The rescore that a path names, for its handlers. */
#ifndef NTK_SERVER_RESCORE_LOOKUP_H
#define NTK_SERVER_RESCORE_LOOKUP_H

#include "server/http/http.h"
#include "server/rescores/rescore_folder.h"

/* The folder of {id}; 0 with a reply of 404 when there is none. Waits for the disk. */
int ntk_rescore_lookup(struct ntk_request *request, struct ntk_rescore_folder *out);

/* The status document of a job that is remembered, owned; else NULL. */
json_t *ntk_rescore_lookup_job(struct ntk_request *request, const char *id);

#endif
