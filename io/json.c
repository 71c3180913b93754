#include "io/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

json_t *ntk_json_real(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

double ntk_json_real_or_nan(const json_t *value)
{
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static int is_allowed(const char *key, const char *const *allowed)
{
    while (*allowed && strcmp(key, *allowed))
        allowed++;
    return *allowed != NULL;
}

enum ntk_status ntk_json_unknown_key(const json_t *object, const char *what,
                                     const char *const *allowed, struct ntk_error *error)
{
    const char *key;
    json_t *value;
    char list[300] = "";
    size_t used = 0;
    json_object_foreach((json_t *)object, key, value)
    {
        if (is_allowed(key, allowed))
            continue;
        for (const char *const *name = allowed; *name && used < sizeof list; name++)
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%s",
                                     name == allowed ? "" : ", ", *name);
        return ntk_fail(error, NTK_BAD_DATA, "%s has an unknown field '%.60s'; it may have %s",
                        what, key, list);
    }
    return NTK_OK;
}
