/* Memory of one request after another. */
#include <stdint.h>
#include <string.h>

#include "server/arena.h"
#include "tests/server/suites.h"

enum { KEEP = 4096 };

START_TEST(pieces_are_zeroed_aligned_and_apart)
{
    struct ntk_arena arena = {0};
    for (int round = 0; round < 3; round++) {
        unsigned char *pieces[20];
        for (size_t i = 0; i < 20; i++) {
            pieces[i] = ntk_arena_take(&arena, i, 7);
            ck_assert_ptr_nonnull(pieces[i]);
            ck_assert_uint_eq((uintptr_t)pieces[i] % 64, 0);
            for (size_t j = 0; j < 7 * i; j++)
                ck_assert_uint_eq(pieces[i][j], 0);
            memset(pieces[i], (int)i + 1, 7 * i);
        }
        for (size_t i = 0; i < 20; i++) {
            for (size_t j = 0; j < 7 * i; j++)
                ck_assert_uint_eq(pieces[i][j], i + 1);
        }
        ntk_arena_reset(&arena, KEEP);
    }
    ntk_arena_reset(&arena, 0);
    ck_assert_ptr_null(arena.block);
}
END_TEST

START_TEST(what_one_request_took_is_there_for_the_next)
{
    struct ntk_arena arena = {0};
    ntk_arena_take(&arena, 100, 8);
    ntk_arena_take(&arena, 200, 8);
    ntk_arena_reset(&arena, KEEP);
    unsigned char *first = ntk_arena_take(&arena, 100, 8);
    ck_assert_ptr_eq(first, arena.block);
    ntk_arena_take(&arena, 200, 8);
    ck_assert_ptr_null(arena.extra);
    ntk_arena_reset(&arena, KEEP);
    ck_assert_ptr_eq(arena.block, first);
    ntk_arena_reset(&arena, 0);
}
END_TEST

START_TEST(what_is_larger_than_is_kept_is_given_back)
{
    struct ntk_arena arena = {0};
    ck_assert_ptr_nonnull(ntk_arena_take(&arena, KEEP, 2));
    ntk_arena_reset(&arena, KEEP);
    ck_assert_ptr_null(arena.block);
    ck_assert_ptr_nonnull(ntk_arena_take(&arena, KEEP, 1));
    ntk_arena_reset(&arena, 2 * KEEP);
    ck_assert_uint_ge(arena.size, KEEP);
    ntk_arena_reset(&arena, KEEP / 2);
    ck_assert_ptr_null(arena.block);
}
END_TEST

START_TEST(a_size_that_overflows_is_refused)
{
    struct ntk_arena arena = {0};
    ck_assert_ptr_null(ntk_arena_take(&arena, SIZE_MAX, 2));
    ck_assert_ptr_null(ntk_arena_take(&arena, SIZE_MAX, 1));
    ck_assert_ptr_null(ntk_arena_take(&arena, SIZE_MAX / 8, 8));
    ck_assert_ptr_null(arena.extra);
}
END_TEST

Suite *ntk_suite_arena(void)
{
    Suite *suite = suite_create("arena");
    TCase *tests = tcase_create("arena");
    tcase_add_test(tests, pieces_are_zeroed_aligned_and_apart);
    tcase_add_test(tests, what_one_request_took_is_there_for_the_next);
    tcase_add_test(tests, what_is_larger_than_is_kept_is_given_back);
    tcase_add_test(tests, a_size_that_overflows_is_refused);
    suite_add_tcase(suite, tests);
    return suite;
}
