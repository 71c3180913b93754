/* Liveness, readiness and the interface's own description. */
#include "server/calibrations/registry.h"
#include "server/http/http.h"
#include "server/http/openapi.h"
#include "server/http/routes.h"

enum ntk_handled ntk_handle_health(struct ntk_request *request)
{
    ntk_reply_json(request, MHD_HTTP_OK,
                   json_pack("{s:s, s:s}", "status", "alive", "version", NTK_VERSION));
    return NTK_HANDLED;
}

enum ntk_handled ntk_handle_ready(struct ntk_request *request)
{
    if (atomic_load(&request->server->draining)) {
        ntk_reply_problem(request, MHD_HTTP_SERVICE_UNAVAILABLE, "the daemon is stopping");
        return NTK_HANDLED;
    }
    json_t *all = ntk_registry_describe(request->server->registry);
    ntk_reply_json(request, MHD_HTTP_OK,
                   json_pack("{s:s, s:I}", "status", "ready", "calibrations",
                             (json_int_t)json_array_size(json_object_get(all, "calibrations"))));
    json_decref(all);
    return NTK_HANDLED;
}

enum ntk_handled ntk_handle_openapi(struct ntk_request *request)
{
    ntk_reply_json(request, MHD_HTTP_OK, ntk_openapi_describe());
    return NTK_HANDLED;
}
