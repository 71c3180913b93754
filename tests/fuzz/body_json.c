/* JSON bodies as matrices: accepted rows hold finite values of one width, refused ones are named in
 * a sentence. An object is asked for unknown fields instead. */
#include <assert.h>
#include <math.h>
#include <stdint.h>

#include "io/body.h"
#include "io/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_matrix(const json_t *json)
{
    struct ntk_body_matrix matrix = {.rows = 7};
    struct ntk_error error = {""};
    enum ntk_status status = ntk_body_json(json, NULL, "features", &matrix, &error);
    if (status) {
        assert(status == NTK_BAD_DATA || status == NTK_TRY_AGAIN);
        assert(!matrix.values && !matrix.owned && matrix.rows == 7 && *error.text);
        return;
    }
    assert(matrix.rows && matrix.columns && matrix.values == matrix.owned);
    int nested = json_is_array(json_array_get(json, 0));
    for (size_t i = 0; i < matrix.rows * matrix.columns; i++) {
        const json_t *row = nested ? json_array_get(json, i / matrix.columns) : json;
        double number = json_number_value(json_array_get(row, i % matrix.columns));
        assert(isfinite(matrix.values[i]) && matrix.values[i] == (float)number);
    }
    assert(ntk_body_check_finite(&matrix, "features", NULL) == NTK_OK);
    ntk_body_clear(&matrix);
}

static void check_object(const json_t *json)
{
    static const char *const allowed[] = {"calibration", "features", "levels", NULL};
    struct ntk_error error = {""};
    size_t known = 0;
    for (const char *const *key = allowed; *key; key++)
        known += json_object_get(json, *key) != NULL;
    enum ntk_status status = ntk_json_unknown_key(json, "the query", allowed, &error);
    assert((status == NTK_OK) == (known == json_object_size(json)));
    assert((status == NTK_OK) == (*error.text == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *json =
        json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
    if (!json)
        return 0;
    if (json_is_object(json))
        check_object(json);
    check_matrix(json);
    json_decref(json);
    return 0;
}
