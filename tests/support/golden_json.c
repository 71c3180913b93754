#include "tests/support/golden_json.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/support.h"

json_t *ntk_test_load_json(const char *name, const char *test)
{
    const char *path = ntk_test_shared(name);
    if (!path) {
        printf("SKIPPED: %s needs shared data\n", test);
        return NULL;
    }
    json_t *json = json_load_file(path, JSON_ALLOW_NUL, NULL);
    ck_assert_msg(json != NULL, "%s is not JSON", path);
    return json;
}

double ntk_test_number(const json_t *value)
{
    ck_assert_msg(json_is_string(value) || json_is_number(value), "a number is missing");
    return json_is_string(value) ? strtod(json_string_value(value), NULL)
                                 : json_number_value(value);
}

double ntk_test_member(const json_t *object, const char *key)
{
    return ntk_test_number(json_object_get(object, key));
}

double ntk_test_element(const json_t *object, const char *key, size_t i)
{
    return ntk_test_number(json_array_get(json_object_get(object, key), i));
}

size_t ntk_test_thousandths(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    ck_assert_msg(text && text[0] == '0' && text[1] == '.', "%s is not a decimal string", key);
    size_t value = 0;
    text += 2;
    for (int digit = 0; digit < 3; digit++)
        value = value * 10 + (*text ? (size_t)(*text++ - '0') : 0);
    ck_assert_msg(*text == 0, "%s has more than three decimals", key);
    return value;
}
