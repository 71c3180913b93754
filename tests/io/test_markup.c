#include <stdio.h>
#include <stdlib.h>

#include "io/markup.h"
#include "tests/io/suites.h"

static void expect(const char *text, enum ntk_markup kind, const char *expected)
{
    char *written = NULL;
    size_t size;
    FILE *out = open_memstream(&written, &size);
    ntk_markup_write(out, text, kind);
    fclose(out);
    ck_assert_str_eq(written, expected);
    free(written);
}

START_TEST(nothing_in_a_text_ends_an_element_or_an_attribute)
{
    expect("</a>\"&lt;'", NTK_MARKUP_LINE, "&lt;/a&gt;&quot;&amp;lt;'");
    expect("</a>\"&lt;'", NTK_MARKUP_PAGE, "&lt;/a&gt;&quot;&amp;lt;&#39;");
    expect("", NTK_MARKUP_LINE, "");
    expect("", NTK_MARKUP_PAGE, "");
}
END_TEST

START_TEST(a_line_is_ascii_without_breaks_and_a_page_is_utf_8_with_them)
{
    const char *text = "\xC2\xB0"
                       "C\t\xE2\x82\xAC\n\xF0\x9F\x98\x80\r.\x7F";
    expect(text, NTK_MARKUP_LINE, "&#176;C &#8364; &#128512; .\x7F");
    expect(text, NTK_MARKUP_PAGE,
           "\xC2\xB0"
           "C\t\xE2\x82\xAC\n\xF0\x9F\x98\x80&#65533;.&#65533;");
}
END_TEST

START_TEST(what_is_no_character_is_replaced)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {{"\x01\x1F.", "&#65533;&#65533;."},
                 {"\xFF.", "&#65533;."},
                 {"\xC3", "&#65533;"},
                 {"\xE2\x82.", "&#65533;."},
                 {"\xE0\x80\xAF.", "&#65533;."},
                 {"\xED\xA0\x80.", "&#65533;."},
                 {"\xEF\xBF\xBF.", "&#65533;."},
                 {"\xF4\x90\x80\x80.", "&#65533;."}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        expect(cases[i].text, NTK_MARKUP_LINE, cases[i].expected);
        expect(cases[i].text, NTK_MARKUP_PAGE, cases[i].expected);
    }
}
END_TEST

Suite *ntk_suite_markup(void)
{
    Suite *suite = suite_create("markup");
    TCase *tests = tcase_create("markup");
    tcase_add_test(tests, nothing_in_a_text_ends_an_element_or_an_attribute);
    tcase_add_test(tests, a_line_is_ascii_without_breaks_and_a_page_is_utf_8_with_them);
    tcase_add_test(tests, what_is_no_character_is_replaced);
    suite_add_tcase(suite, tests);
    return suite;
}
