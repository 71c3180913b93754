/* The same rows as JSON and as CSV. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/display/table.h"
#include "tests/server/suites.h"

static const char *const columns[] = {"text", "real", "count", "flag", "time", "counts", NULL};

/* Texts that a careless writer would break on. */
static const char *const texts[] = {"plain",       "a,b",   "say \"so\"", "two\nlines",
                                    "cr\r",        "",      NULL,         "\xc3\xa9t\xc3\xa9",
                                    "back\\slash", "tab\t", "\x01"};
static const double reals[] = {0, -0.5, 0.1, 1e300, -1e-300, NAN, INFINITY, -INFINITY, 1.0 / 3};
enum { TEXTS = sizeof texts / sizeof *texts, REALS = sizeof reals / sizeof *reals };
static const size_t counts[] = {3, 0, 12};

static struct ntk_text write_table(int csv)
{
    struct ntk_text text = {0};
    struct ntk_table table;
    ntk_table_begin(&table, &text, columns, csv);
    for (size_t i = 0; i < TEXTS * REALS; i++) {
        ntk_table_string(&table, texts[i % TEXTS]);
        ntk_table_real(&table, reals[i / TEXTS]);
        ntk_table_count(&table, i);
        ntk_table_flag(&table, i % 2 == 0);
        ntk_table_time(&table, i % 3 ? (int64_t)i * 86400 : INT64_MIN);
        ntk_table_counts(&table, counts, i % 4);
    }
    ntk_table_end(&table);
    ck_assert_int_eq(text.failed, 0);
    return text;
}

/* A cell of CSV as RFC 4180 has it, unquoted; the caller frees it. */
static char *read_cell(const char **next)
{
    const char *c = *next;
    char *out = malloc(strlen(c) + 1);
    size_t n = 0;
    if (*c == '"') {
        for (c++; *c && (*c != '"' || c[1] == '"'); c++) {
            c += *c == '"';
            out[n++] = *c;
        }
        ck_assert_int_eq(*c++, '"');
    } else {
        while (*c && *c != ',' && *c != '\n')
            out[n++] = *c++;
    }
    out[n] = 0;
    *next = c;
    return out;
}

static void expect_cell(const json_t *json, const char *cell)
{
    if (json_is_null(json)) {
        ck_assert_str_eq(cell, "");
    } else if (json_is_string(json)) {
        ck_assert_str_eq(cell, json_string_value(json));
    } else if (json_is_boolean(json)) {
        ck_assert_str_eq(cell, json_is_true(json) ? "true" : "false");
    } else if (json_is_array(json)) {
        char *rest = (char *)cell;
        for (size_t i = 0; i < json_array_size(json); i++)
            ck_assert_int_eq((json_int_t)strtoul(rest, &rest, 10),
                             json_integer_value(json_array_get(json, i)));
        ck_assert_str_eq(rest, "");
    } else {
        ck_assert(json_is_number(json));
        ck_assert_double_eq(strtod(cell, NULL), json_number_value(json));
    }
}

START_TEST(csv_and_json_say_the_same)
{
    struct ntk_text json_text = write_table(0), csv_text = write_table(1);
    json_t *json = json_loadb(json_text.bytes, json_text.size, 0, NULL);
    ck_assert_ptr_nonnull(json);
    json_t *rows = json_object_get(json, "rows");
    ck_assert_uint_eq(json_array_size(rows), TEXTS * REALS);
    char *csv = strndup(csv_text.bytes, csv_text.size);
    const char *next = csv;
    for (size_t i = 0; i <= TEXTS * REALS; i++) {
        for (size_t c = 0; columns[c]; c++) {
            char *cell = read_cell(&next);
            if (i == 0)
                ck_assert_str_eq(cell, columns[c]);
            else
                expect_cell(json_object_get(json_array_get(rows, i - 1), columns[c]), cell);
            free(cell);
            ck_assert_int_eq(*next++, columns[c + 1] ? ',' : '\n');
        }
    }
    ck_assert_int_eq(*next, 0);
    free(csv);
    json_decref(json);
    ntk_text_clear(&json_text);
    ntk_text_clear(&csv_text);
}
END_TEST

START_TEST(no_rows_are_a_head_or_an_empty_array)
{
    for (int csv = 0; csv < 2; csv++) {
        struct ntk_text text = {0};
        struct ntk_table table;
        ntk_table_begin(&table, &text, columns, csv);
        ntk_table_end(&table);
        char *all = strndup(text.bytes, text.size);
        json_t *json = json_loads(all, 0, NULL);
        if (csv)
            ck_assert_str_eq(all, "text,real,count,flag,time,counts\n");
        else
            ck_assert_uint_eq(json_array_size(json_object_get(json, "rows")), 0);
        ck_assert(csv || json_is_array(json_object_get(json, "rows")));
        json_decref(json);
        free(all);
        ntk_text_clear(&text);
    }
}
END_TEST

Suite *ntk_suite_table(void)
{
    Suite *suite = suite_create("table");
    TCase *all = tcase_create("table");
    tcase_add_test(all, csv_and_json_say_the_same);
    tcase_add_test(all, no_rows_are_a_head_or_an_empty_array);
    suite_add_tcase(suite, all);
    return suite;
}
