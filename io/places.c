#include "io/places.h"

#include <string.h>

json_t *ntk_places_describe(const struct ntk_places *places)
{
    if (places->kind == NTK_PLACE_NONE)
        return NULL;
    return json_pack("{s:s, s:I, s:I}", "kind", ntk_place_name(places->kind), "latitudes",
                     (json_int_t)places->n_latitude, "longitudes", (json_int_t)places->n_longitude);
}

size_t ntk_places_list(const struct ntk_places *places, struct ntk_tensor *tensors)
{
    if (places->kind == NTK_PLACE_NONE)
        return 0;
    tensors[0] = (struct ntk_tensor){.name = "places/latitude",
                                     .dimensions = 1,
                                     .shape = {places->n_latitude},
                                     .values = places->latitude};
    tensors[1] = (struct ntk_tensor){.name = "places/longitude",
                                     .dimensions = 1,
                                     .shape = {places->n_longitude},
                                     .values = places->longitude};
    return NTK_PLACES_TENSORS;
}

enum ntk_status ntk_places_parse(const json_t *json, const struct ntk_safetensors *file,
                                 const char *what, struct ntk_places *out, struct ntk_error *error)
{
    json_error_t e;
    const char *kind;
    json_int_t rows, columns;
    const double *latitude, *longitude;
    if (!json) {
        *out = (struct ntk_places){0};
        return NTK_OK;
    }
    if (json_unpack_ex((json_t *)json, &e, 0, "{s:s, s:I, s:I !}", "kind", &kind, "latitudes",
                       &rows, "longitudes", &columns))
        return ntk_fail(error, NTK_BAD_DATA, "%s describes its places badly: %s", what, e.text);
    struct ntk_places found = {.n_latitude = (size_t)rows, .n_longitude = (size_t)columns};
    while (found.kind <= NTK_PLACE_STATION && strcmp(kind, ntk_place_name(found.kind)))
        found.kind++;
    if (found.kind > NTK_PLACE_STATION || found.kind == NTK_PLACE_NONE)
        return ntk_fail(error, NTK_BAD_DATA,
                        "%s has places of kind '%.40s', grid or points was expected", what, kind);
    enum ntk_status status;
    if ((status = ntk_safetensors_find(file, what, "places/latitude", found.n_latitude, 0,
                                       &latitude, error)) ||
        (status = ntk_safetensors_find(file, what, "places/longitude", found.n_longitude, 0,
                                       &longitude, error)))
        return status;
    found.latitude = (double *)latitude; /* borrowed until the copy */
    found.longitude = (double *)longitude;
    status = ntk_places_check(&found, what, error);
    return status ? status : ntk_places_copy(&found, out, error);
}
