/* The eigenvalues behind one lead time of a version: too many numbers for the description of all.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "io/artifact.h"
#include "io/json.h"
#include "server/calibrations/registry.h"
#include "server/http/http.h"
#include "server/http/routes.h"

enum { EIGENVALUES_MOST = 512 };

/* The member of the calibration's description that tells of this lead; a new reference. */
static json_t *describe_lead(const struct ntk_calibration *calibration, size_t at)
{
    json_t *all = ntk_artifact_describe(calibration);
    json_t *lead = json_incref(json_array_get(json_object_get(all, "leads"), at));
    json_decref(all);
    return lead;
}

static json_t *describe_eigenvalues(const struct ntk_calibration_lead *lead)
{
    json_t *list = json_array();
    for (size_t i = 0; i < lead->count && i < EIGENVALUES_MOST; i++)
        json_array_append_new(list, ntk_json_real(lead->eigenvalues[i]));
    return list;
}

static json_t *describe_spectrum(const struct ntk_version *version,
                                 const struct ntk_calibration_lead *lead)
{
    json_t *described =
        describe_lead(version->calibration, (size_t)(lead - version->calibration->leads));
    json_t *json = json_pack(
        "{s:s, s:I, s:o, s:o, s:I, s:b, s:I, s:o, s:O}", "calibration", version->name, "version",
        (json_int_t)version->number, "lead_time_hours", ntk_json_real(lead->lead_hours),
        "eigenvalues", describe_eigenvalues(lead), "eigenvalue_count", (json_int_t)lead->count,
        "cut", lead->count > EIGENVALUES_MOST, "rank", (json_int_t)lead->posterior.k,
        "collapse_ratio", ntk_json_real(lead->collapse_ratio), "sweep",
        json_object_get(described, "sweep"));
    json_decref(described);
    return json;
}

static const struct ntk_calibration_lead *find_lead(struct ntk_request *request,
                                                    const struct ntk_version *version)
{
    char *end;
    const char *text = ntk_request_parameter(request, "lead_time_hours");
    double hours = text ? strtod(text, &end) : NAN;
    if (!text || end == text || *end || !isfinite(hours)) {
        ntk_reply_problem(request, MHD_HTTP_BAD_REQUEST,
                          "lead_time_hours is %.60s, a number of hours was expected",
                          text ? text : "missing");
        return NULL;
    }
    const struct ntk_calibration_lead *lead =
        ntk_calibration_find_lead(version->calibration, hours);
    if (!lead)
        ntk_reply_problem(request, MHD_HTTP_NOT_FOUND,
                          "calibration %s version %u has no lead time of %g h", version->name,
                          version->number, hours);
    return lead;
}

/* A whole number from 1, or 0. */
static unsigned read_version(const char *text)
{
    char *end;
    errno = 0;
    unsigned long number = strtoul(text, &end, 10);
    return errno || *end || *text == '-' || number > 999999999 ? 0 : (unsigned)number;
}

enum ntk_handled ntk_handle_spectrum(struct ntk_request *request)
{
    struct ntk_registry *registry = request->server->registry;
    const struct ntk_version *version = NULL;
    struct ntk_error error = {""};
    unsigned number = read_version(request->captures[1]);
    if (number == 0) {
        ntk_reply_problem(request, MHD_HTTP_NOT_FOUND,
                          "version is '%s', a whole number from 1 was expected",
                          request->captures[1]);
        return NTK_HANDLED;
    }
    enum ntk_status status =
        ntk_registry_acquire(registry, request->captures[0], number, &version, &error);
    if (status) {
        ntk_reply_failure(request, status, &error);
        return NTK_HANDLED;
    }
    const struct ntk_calibration_lead *lead = find_lead(request, version);
    if (lead) {
        ntk_reply_json(request, MHD_HTTP_OK, describe_spectrum(version, lead));
        /* A version never changes. */
        ntk_reply_header(request, MHD_HTTP_HEADER_CACHE_CONTROL, "max-age=86400, immutable");
    }
    ntk_registry_release(registry, version);
    return NTK_HANDLED;
}
