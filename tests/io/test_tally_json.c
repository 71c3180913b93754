#include <math.h>
#include <string.h>

#include "io/tally_json.h"
#include "tests/io/suites.h"

static const double levels[2] = {0.5, 0.995};

static struct ntk_tally_scores make_scores(void)
{
    return (struct ntk_tally_scores){
        .rows = 12,
        .verified = 5000000000,
        .bias = -0.25,
        .mean_absolute_error = 0.5,
        .rmse = 0.75,
        .crps = 0.375,
        .spread = 0.625,
        .pit = {0.25, 0.125, 0.0625, 0.0625, 0, 0, 0.0625, 0.0625, 0.125, 0.25},
        .n_levels = 2,
        .levels = {{0.5, 0, 1.5, 2.5}, {1, 7, NAN, NAN}}};
}

START_TEST(an_entry_has_the_scores_under_their_names)
{
    const struct ntk_tally_scores scores = make_scores();
    json_t *json = ntk_tally_json(&scores, "t2m", "K", 24, levels);
    char *text = json_dumps(json, JSON_SORT_KEYS | JSON_COMPACT);
    ck_assert_str_eq(
        text, "{\"bias\":-0.25,\"crps\":0.375,\"lead_time_hours\":24.0,\"levels\":["
              "{\"coverage\":0.5,\"interval_score\":2.5,\"level\":0.5,\"unbounded\":0,"
              "\"width\":1.5},"
              "{\"coverage\":1.0,\"interval_score\":null,\"level\":0.995,\"unbounded\":7,"
              "\"width\":null}],"
              "\"mean_absolute_error\":0.5,"
              "\"pit\":[0.25,0.125,0.0625,0.0625,0.0,0.0,0.0625,0.0625,0.125,0.25],"
              "\"rmse\":0.75,\"rows\":12,\"spread\":0.625,\"units\":\"K\",\"variable\":\"t2m\","
              "\"verified\":5000000000}");
    free(text);
    json_decref(json);
}
END_TEST

START_TEST(what_is_not_finite_is_null)
{
    struct ntk_tally_total *total = ntk_tally_total_create(1);
    struct ntk_tally_scores scores;
    ntk_tally_scores(total, &scores);
    scores.crps = INFINITY;
    json_t *json = ntk_tally_json(&scores, "t2m", "K", 24, levels), *value;
    char *text = json_dumps(json, 0);
    const char *key;
    size_t nulls = 0;
    ck_assert_ptr_nonnull(text);
    json_object_foreach(json, key, value) nulls += json_is_null(value);
    ck_assert_uint_eq(nulls, 5);
    ck_assert(json_is_null(json_array_get(json_object_get(json, "pit"), 9)));
    ck_assert_int_eq(json_integer_value(json_object_get(json, "verified")), 0);
    free(text);
    json_decref(json);
    free(total);
}
END_TEST

START_TEST(a_name_that_is_not_utf8_is_refused)
{
    const struct ntk_tally_scores scores = make_scores();
    ck_assert_ptr_null(ntk_tally_json(&scores, "t\xff", "K", 24, levels));
}
END_TEST

Suite *ntk_suite_tally_json(void)
{
    Suite *suite = suite_create("tally_json");
    TCase *tests = tcase_create("tally_json");
    tcase_add_test(tests, an_entry_has_the_scores_under_their_names);
    tcase_add_test(tests, what_is_not_finite_is_null);
    tcase_add_test(tests, a_name_that_is_not_utf8_is_refused);
    suite_add_tcase(suite, tests);
    return suite;
}
