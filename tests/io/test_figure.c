/* Figures: what is drawn, what is left out, and that every SVG is well formed. */
#include <check.h>
#include <ctype.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "io/figure.h"
#include "tests/io/suites.h"

static struct ntk_figure *figure;
static char *svg;
static size_t size;

static void start(void)
{
    figure = ntk_figure_create("title", "description", 2, 300, 240);
    svg = NULL;
}

static void finish(void)
{
    free(svg);
    ntk_figure_free(figure);
}

static void draw(void)
{
    struct ntk_error error = {""};
    free(svg);
    svg = NULL;
    ck_assert_msg(ntk_figure_write(figure, &svg, &size, &error) == NTK_OK, "%s", error.text);
    ck_assert_uint_eq(size, strlen(svg));
}

static size_t count(const char *text, const char *word)
{
    size_t n = 0;
    while ((text = strstr(text, word))) {
        n++;
        text += strlen(word);
    }
    return n;
}

/* The part of the SVG between two words, to be freed. */
static char *between(const char *from, const char *to)
{
    const char *begin = strstr(svg, from);
    ck_assert_msg(begin != NULL, "%s is not in %.2000s", from, svg);
    const char *end = strstr(begin + strlen(from), to);
    ck_assert_ptr_nonnull(end);
    return strndup(begin, (size_t)(end - begin));
}

/* Tags open and close in order, attributes are quoted, and texts hold ASCII and entities alone. */
static int is_well_formed(const char *text)
{
    char open[32][40];
    size_t depth = 0;
    if (strncmp(text, "<?xml", 5))
        return 0;
    for (text = strstr(text, "?>") + 2; *text; text++) {
        if ((unsigned char)*text >= 0x7F || (iscntrl((unsigned char)*text) && *text != '\n'))
            return 0;
        if (*text == '&' &&
            (strspn(text + 1, "#0123456789abcdefghijklmnopqrstuvwxyz") == 0 ||
             text[1 + strspn(text + 1, "#0123456789abcdefghijklmnopqrstuvwxyz")] != ';'))
            return 0;
        if (*text != '<')
            continue;
        int closing = text[1] == '/';
        const char *name = text + 1 + closing;
        size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzGLPT");
        if (length == 0 || length >= sizeof *open)
            return 0;
        int quoted = 0;
        while (*text && (quoted || *text != '>')) {
            if (quoted && *text == '<')
                return 0;
            quoted ^= *text++ == '"';
        }
        if (!*text)
            return 0;
        if (closing) {
            if (depth == 0 || strlen(open[depth - 1]) != length ||
                strncmp(open[--depth], name, length))
                return 0;
        } else if (text[-1] != '/') {
            if (depth == 32)
                return 0;
            snprintf(open[depth++], sizeof *open, "%.*s", (int)length, name);
        }
    }
    return depth == 0;
}

static void ck_assert_clean(void)
{
    ck_assert_msg(is_well_formed(svg), "not well formed: %.3000s", svg);
    ck_assert_msg(!strstr(svg, "nan") && !strstr(svg, "inf"), "not a number: %.3000s", svg);
}

START_TEST(texts_are_escaped_whatever_they_hold)
{
    static const char *const texts[] = {"a < b & c > \"d\"",
                                        "]]>",
                                        "</svg>",
                                        "T\xE2\x82\x82 \xC3\xA9",
                                        "\xFF\xFE bad \xC3",
                                        "\x01\x1F control",
                                        "\xED\xA0\x80 surrogate",
                                        "\xF4\x90\x80\x80 beyond",
                                        "\xE2\x82",
                                        "\xC0\xAF overlong",
                                        "\xEF\xBF\xBF not a character",
                                        "",
                                        NULL};
    double x = 1;
    ntk_figure_free(figure);
    figure = ntk_figure_create(texts[0], texts[4], 2, 300, 240);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct ntk_panel *panel = ntk_figure_panel(figure, texts[i], texts[i], texts[i], 0);
        ntk_figure_note(panel, texts[i]);
        ntk_figure_points(panel, (struct ntk_style){.label = texts[i]}, &x, &x, 1);
        ntk_figure_text(panel, NTK_COLOUR_AUTO, x, x, texts[i]);
        ntk_figure_x_ticks(panel, &x, &texts[i], 1);
    }
    draw();
    ck_assert_clean();
    ck_assert_ptr_nonnull(strstr(svg, ">a &lt; b &amp; c &gt; &quot;d&quot;</title>"));
    ck_assert_ptr_nonnull(strstr(svg, "T&#8322; &#233;"));
    ck_assert_ptr_nonnull(strstr(svg, "<desc id=\"description\">&#65533;&#65533; bad &#65533;"));
    ck_assert_ptr_null(strstr(svg, "<script"));
}
END_TEST

START_TEST(values_that_are_not_finite_are_gaps)
{
    double x[] = {0, 1, 2, 3, 4, 5}, y[] = {0, 1, NAN, 3, INFINITY, 5};
    double low[] = {-1, 0, 1, -INFINITY, 3, 4}, high[] = {1, 2, 3, 4, 5, 6};
    struct ntk_panel *panel = ntk_figure_panel(figure, "gaps", "x", "y", 0);
    ntk_figure_line(panel, (struct ntk_style){.marked = 1}, x, y, 6);
    ntk_figure_band(panel, (struct ntk_style){0}, x, low, high, 6);
    draw();
    ck_assert_clean();
    char *clipped = between("<g clip-path", "</g>");
    ck_assert_uint_eq(count(clipped, "h0"), 3); /* pieces 0-1, 3 and 5 */
    ck_assert_uint_eq(count(clipped, "Z"), 2);  /* pieces 0-2 and 4-5 */
    ck_assert_uint_eq(count(svg, "<circle"), 4);
    free(clipped);
}
END_TEST

START_TEST(a_logarithmic_axis_leaves_out_what_is_not_positive)
{
    double x[] = {-1, 0, 1, 10, 100}, y[] = {1, 1, 0.01, 0, 100};
    struct ntk_panel *panel = ntk_figure_panel(figure, "log", "x", "y", NTK_LOG_X | NTK_LOG_Y);
    ntk_figure_points(panel, (struct ntk_style){0}, x, y, 5);
    draw();
    ck_assert_clean();
    ck_assert_uint_eq(count(svg, "<circle"), 2);
    ck_assert_ptr_nonnull(strstr(svg, ">0.01</text>"));
}
END_TEST

START_TEST(ticks_are_round_numbers)
{
    double x[] = {0.3, 9.7}, y[] = {-2.9e-7, 3.1e-7};
    struct ntk_panel *panel = ntk_figure_panel(figure, "ticks", "x", "y", 0);
    ntk_figure_line(panel, (struct ntk_style){0}, x, y, 2);
    draw();
    ck_assert_ptr_nonnull(strstr(svg, ">2</text>"));
    ck_assert_ptr_nonnull(strstr(svg, ">8</text>"));
    ck_assert_ptr_nonnull(strstr(svg, ">0</text>"));
    ck_assert_ptr_nonnull(
        strstr(svg, ">&#8722;2&#215;10<tspan dy=\"-4\" font-size=\"8.5\">&#8722;7</tspan></text>"));
}
END_TEST

START_TEST(a_panel_without_values_says_so)
{
    double x = NAN;
    ntk_figure_panel(figure, "nothing", "x", "y", NTK_LOG_Y);
    struct ntk_panel *panel = ntk_figure_panel(figure, "reference", "x", "y", 0);
    ntk_figure_points(panel, (struct ntk_style){0}, &x, &x, 1);
    ntk_figure_line(panel, (struct ntk_style){0}, NULL, NULL, 0);
    ntk_figure_horizontal(panel, (struct ntk_style){.label = "limit"}, 3);
    draw();
    ck_assert_clean();
    ck_assert_uint_eq(count(svg, ">no values</text>"), 2);
}
END_TEST

/* A fine chequerboard of 0 and 2 is 1 everywhere: all cells are of one colour, the middle one. */
START_TEST(a_large_field_is_thinned_by_averaging)
{
    enum { ROWS = 2 * NTK_HEAT_ROWS, COLUMNS = 2 * NTK_HEAT_COLUMNS };
    static double values[ROWS * COLUMNS], latitude[ROWS];
    for (size_t i = 0; i < ROWS * COLUMNS; i++)
        values[i] = (i / COLUMNS + i % COLUMNS) % 2 ? 2 : 0;
    for (size_t r = 0; r < ROWS; r++)
        latitude[r] = 90 - 0.75 * (double)r;
    values[0] = NAN; /* alone in a block: left out of its mean, which becomes 4 / 3 */
    struct ntk_heat heat = {.rows = ROWS,
                            .columns = COLUMNS,
                            .values = values,
                            .row_coordinates = latitude,
                            .label = "K",
                            .low = 0,
                            .high = 2};
    ntk_figure_heat(ntk_figure_panel(figure, "map", "x", "y", 0), &heat);
    draw();
    ck_assert_clean();
    char *field = between("crispEdges", "</g>");
    ck_assert_uint_eq(count(field, "<path"), 2);
    ck_assert_uint_eq(count(field, "Z"), 1 + NTK_HEAT_ROWS); /* a run of cells for each row */
    free(field);
}
END_TEST

START_TEST(what_is_missing_in_a_field_is_not_drawn)
{
    double values[] = {1, NAN, 3, INFINITY, 5, 6};
    struct ntk_heat heat = {.rows = 2, .columns = 3, .values = values};
    ntk_figure_heat(ntk_figure_panel(figure, "map", "x", "y", NTK_LOG_Y), &heat);
    draw();
    ck_assert_clean();
    char *field = between("crispEdges", "</g>");
    ck_assert_uint_eq(count(field, "Z"), 4);
    ck_assert_ptr_nonnull(strstr(field, "fill=\"#440154\"")); /* 1, the ends of the scale */
    ck_assert_ptr_nonnull(strstr(field, "fill=\"#fde725\"")); /* 6 */
    free(field);
    for (size_t i = 0; i < 6; i++)
        values[i] = NAN;
    ntk_figure_heat(ntk_figure_panel(figure, "empty", "x", "y", 0), &heat);
    draw();
    ck_assert_uint_eq(count(svg, ">no values</text>"), 1);
}
END_TEST

/* The decimal point is one wherever the program runs. */
START_TEST(numbers_are_the_same_in_every_locale)
{
    static const char *const locales[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "C.UTF-8"};
    double x[] = {0.25, 0.75};
    ntk_figure_line(ntk_figure_panel(figure, "p", "x", "y", 0), (struct ntk_style){0}, x, x, 2);
    draw();
    char *before = strdup(svg);
    for (size_t i = 0; i < sizeof locales / sizeof *locales; i++) {
        if (!setlocale(LC_ALL, locales[i]))
            continue;
        draw();
        ck_assert_str_eq(svg, before);
    }
    setlocale(LC_ALL, "C");
    free(before);
}
END_TEST

START_TEST(missing_memory_is_an_error_of_writing)
{
    double x = 1;
    struct ntk_error error = {""};
    char *untouched = NULL;
    struct ntk_panel *panel = ntk_figure_panel(figure, "p", "x", "y", 0);
    ntk_figure_points(panel, (struct ntk_style){0}, &x, &x, SIZE_MAX / 8);
    ck_assert_int_eq(ntk_figure_write(figure, &untouched, &size, &error), NTK_TRY_AGAIN);
    ck_assert_ptr_null(untouched);
    ck_assert_int_eq(ntk_figure_write(NULL, &untouched, &size, &error), NTK_TRY_AGAIN);
    ntk_figure_line(ntk_figure_panel(NULL, "", "", "", 0), (struct ntk_style){0}, &x, &x, 1);
    ntk_figure_heat(NULL, NULL);
    ntk_figure_note(NULL, "");
    ntk_figure_free(NULL);
}
END_TEST

static double random_value(struct ntk_random *random)
{
    static const double odd[] = {0,       NAN,     INFINITY, -INFINITY, DBL_MAX, -DBL_MAX,
                                 DBL_MIN, 5e-324,  1e300,    -1e300,    1,       1 + 1e-12,
                                 1e-290,  -5e-324, 1e6,      -0.0};
    double pick = ntk_random_uniform(random);
    if (pick < 0.2)
        return odd[(size_t)(ntk_random_uniform(random) * 16)];
    return (ntk_random_uniform(random) - 0.3) * pow(10, floor(20 * (pick - 0.6)));
}

static void draw_at_random(struct ntk_random *random)
{
    enum { N = 12 };
    double v[4][N];
    unsigned flags = (unsigned)(ntk_random_uniform(random) * 8);
    struct ntk_panel *panel = ntk_figure_panel(figure, "random", "x", "y", flags);
    for (int series = 0; series < 4; series++) {
        size_t n = (size_t)(ntk_random_uniform(random) * (N + 1));
        struct ntk_style style = {.label = "series", .marked = series % 2};
        for (size_t i = 0; i < 4 * N; i++)
            v[i / N][i % N] = random_value(random);
        switch ((int)(ntk_random_uniform(random) * 9)) {
        case 0:
            ntk_figure_line(panel, style, v[0], v[1], n);
            break;
        case 1:
            ntk_figure_steps(panel, style, v[0], v[1], n);
            break;
        case 2:
            ntk_figure_bars(panel, style, v[0], v[1], n);
            break;
        case 3:
            ntk_figure_band(panel, style, v[0], v[1], v[2], n);
            break;
        case 4:
            ntk_figure_error_bars(panel, style, v[0], v[1], v[2], v[3], n);
            break;
        case 5:
            ntk_figure_horizontal(panel, style, v[0][0]);
            ntk_figure_vertical(panel, style, v[0][1]);
            break;
        case 6:
            ntk_figure_text(panel, NTK_COLOUR_GREEN, v[0][0], v[0][1], "words");
            break;
        case 7:
            ntk_figure_x_ticks(panel, v[0], NULL, n);
            break;
        default:
            ntk_figure_heat(panel, &(struct ntk_heat){.rows = 3,
                                                      .columns = 4,
                                                      .values = v[0],
                                                      .row_coordinates = v[1],
                                                      .column_coordinates = v[2],
                                                      .low = v[3][0],
                                                      .high = v[3][1]});
        }
    }
}

START_TEST(any_numbers_give_a_well_formed_figure)
{
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        struct ntk_random random;
        ntk_random_init(&random, seed);
        finish();
        start();
        for (int panel = 0; panel < 3; panel++)
            draw_at_random(&random);
        draw();
        ck_assert_msg(is_well_formed(svg) && !strstr(svg, "nan") && !strstr(svg, "inf"),
                      "seed %llu: %.3000s", (unsigned long long)seed, svg);
    }
}
END_TEST

Suite *ntk_suite_figure(void)
{
    Suite *suite = suite_create("figure");
    TCase *tests = tcase_create("figure");
    tcase_add_checked_fixture(tests, start, finish);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, texts_are_escaped_whatever_they_hold);
    tcase_add_test(tests, values_that_are_not_finite_are_gaps);
    tcase_add_test(tests, a_logarithmic_axis_leaves_out_what_is_not_positive);
    tcase_add_test(tests, ticks_are_round_numbers);
    tcase_add_test(tests, a_panel_without_values_says_so);
    tcase_add_test(tests, a_large_field_is_thinned_by_averaging);
    tcase_add_test(tests, what_is_missing_in_a_field_is_not_drawn);
    tcase_add_test(tests, numbers_are_the_same_in_every_locale);
    tcase_add_test(tests, missing_memory_is_an_error_of_writing);
    tcase_add_test(tests, any_numbers_give_a_well_formed_figure);
    suite_add_tcase(suite, tests);
    return suite;
}
