/* Places in a safetensors file: the tensors `places/latitude` and `places/longitude`, and a member
 * of the description
 *
 *   {"kind": "grid" or "points", "latitudes": rows, "longitudes": columns}
 *
 * that is absent, with the tensors, when there are none. Safe from any thread. */
#ifndef NTK_IO_PLACES_H
#define NTK_IO_PLACES_H

#include <jansson.h>

#include "core/places.h"
#include "io/safetensors.h"

/* Tensors of places at most. */
#define NTK_PLACES_TENSORS 2

/* The member of the description; NULL for nowhere, or without memory. */
json_t *ntk_places_describe(const struct ntk_places *places);

/* The tensors, which borrow the places; gives their number, 0 or 2. */
size_t ntk_places_list(const struct ntk_places *places, struct ntk_tensor *tensors);

/* Reads both back (`json` NULL: nowhere) and checks them: NTK_BAD_DATA says what is wrong with the
 * file `what`. */
enum ntk_status ntk_places_parse(const json_t *json, const struct ntk_safetensors *file,
                                 const char *what, struct ntk_places *out, struct ntk_error *error);

#endif
