/* Reading reference numbers out of JSON files. Numbers may be written as strings ("0.1", "inf"). */
#ifndef NTK_TESTS_GOLDEN_JSON_H
#define NTK_TESTS_GOLDEN_JSON_H

#include <jansson.h>
#include <stddef.h>

/* A file of the shared data, or NULL after a line saying that `test` was skipped. */
json_t *ntk_test_load_json(const char *name, const char *test);

/* A number; any failure ends the test. */
double ntk_test_number(const json_t *value);
double ntk_test_member(const json_t *object, const char *key);
double ntk_test_element(const json_t *object, const char *key, size_t i);

/* The whole number of thousandths that a decimal string such as "0.05" stands for, exactly. */
size_t ntk_test_thousandths(const json_t *object, const char *key);

#endif
