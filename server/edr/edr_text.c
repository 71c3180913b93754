#include "server/edr/edr_text.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* What a quantile is compared to. */
#define SLACK 1e-9

/* ---- numbers -------------------------------------------------------------------------------- */

/* A finite decimal number at *text, which moves past it; not the words and hexadecimal digits that
 * strtod would take too. */
static int take_real(const char **text, double *out)
{
    char digits[41] = "", *end;
    size_t length = strspn(*text, "+-.0123456789eE");
    if (length >= sizeof digits)
        return 0;
    memcpy(digits, *text, length);
    *out = strtod(digits, &end);
    *text += end - digits;
    return end > digits && isfinite(*out);
}

/* Exactly that many numbers separated by commas, and nothing else. */
static int take_list(const char *text, double *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if ((i > 0 && *text++ != ',') || !take_real(&text, &out[i]))
            return 0;
    }
    return !*text;
}

static const char *skip_spaces(const char *text)
{
    return text + strspn(text, " \t");
}

/* ---- where ---------------------------------------------------------------------------------- */

static int is_position(double longitude, double latitude)
{
    return fabs(latitude) <= 90 && longitude >= -180 && longitude <= 360;
}

/* Two numbers, or three, at *text. */
static int take_point(const char **text, struct ntk_edr_point *out)
{
    double height;
    *text = skip_spaces(*text);
    if (!take_real(text, &out->longitude) || !strchr(" \t", **text))
        return 0;
    *text = skip_spaces(*text);
    if (!take_real(text, &out->latitude))
        return 0;
    *text = skip_spaces(*text);
    if (**text != ',' && **text != ')' && !take_real(text, &height))
        return 0;
    *text = skip_spaces(*text);
    return is_position(out->longitude, out->latitude);
}

static int take_bracket(const char **text, char bracket)
{
    *text = skip_spaces(*text);
    if (**text != bracket)
        return 0;
    *text = skip_spaces(*text + 1);
    return 1;
}

/* The list behind the word, at its opening bracket. */
static int take_points(const char *text, int is_multi, struct ntk_edr_points *out)
{
    if (!take_bracket(&text, '('))
        return 0;
    do {
        int inner = is_multi && take_bracket(&text, '(');
        if (out->n == NTK_EDR_POINTS_MOST || !take_point(&text, &out->at[out->n]) ||
            (inner && !take_bracket(&text, ')')))
            return 0;
        out->n++;
    } while (is_multi && take_bracket(&text, ','));
    return take_bracket(&text, ')') && !*text;
}

/* Moves *text past a word, whatever its case. */
static int take_word(const char **text, const char *word)
{
    size_t length = strlen(word);
    if (strncasecmp(*text, word, length) || isalpha((unsigned char)(*text)[length]))
        return 0;
    *text = skip_spaces(*text + length);
    return 1;
}

enum ntk_status ntk_edr_parse_coords(const char *text, struct ntk_edr_points *out,
                                     struct ntk_error *error)
{
    const char *at = text ? skip_spaces(text) : "";
    struct ntk_edr_points made = {.is_multi = take_word(&at, "MULTIPOINT")};
    int known = made.is_multi || take_word(&at, "POINT");
    take_word(&at, "Z");
    made.at = calloc(NTK_EDR_POINTS_MOST, sizeof *made.at);
    if (!made.at)
        return ntk_fail_memory(error, "the points", NTK_EDR_POINTS_MOST * sizeof *made.at);
    if (known && take_points(at, made.is_multi, &made)) {
        *out = made;
        return NTK_OK;
    }
    ntk_edr_points_clear(&made);
    return ntk_fail(error, NTK_USAGE,
                    "coords is %s%.80s%s, POINT(longitude latitude) or MULTIPOINT of at most %d "
                    "was expected, with longitudes from -180 to 360 and latitudes from -90 to 90",
                    text ? "'" : "missing", text ? text : "", text ? "'" : "", NTK_EDR_POINTS_MOST);
}

void ntk_edr_points_clear(struct ntk_edr_points *points)
{
    free(points->at);
    *points = (struct ntk_edr_points){0};
}

enum ntk_status ntk_edr_parse_box(const char *text, struct ntk_edr_box *out,
                                  struct ntk_error *error)
{
    double n[6] = {0};
    int six = text && take_list(text, n, 6), four = text && !six && take_list(text, n, 4);
    struct ntk_edr_box box = {n[0], n[1], n[six ? 3 : 2], n[six ? 4 : 3]};
    if ((!four && !six) || !is_position(box.west, box.south) || !is_position(box.east, box.north) ||
        box.south > box.north || box.east - box.west > 360)
        return ntk_fail(error, NTK_USAGE,
                        "bbox is %s%.80s%s, 'west,south,east,north' was expected, with longitudes "
                        "from -180 to 360 and latitudes from -90 to 90",
                        text ? "'" : "missing", text ? text : "", text ? "'" : "");
    while (box.east < box.west)
        box.east += 360;
    *out = box;
    return NTK_OK;
}

/* ---- when ----------------------------------------------------------------------------------- */

/* Does the text have a digit wherever the form has 0, and else the same characters? strptime takes
 * fewer digits, and spaces. */
static int has_form(const char *text, const char *form)
{
    for (; *form && (*form == '0' ? isdigit((unsigned char)*text) : *text == *form); form++)
        text++;
    return !*form && !*text;
}

/* A whole text of that form and format; days that a month lacks are no times. */
static int parse_format(const char *text, const char *form, const char *format, int64_t *out)
{
    struct tm utc = {0};
    if (!has_form(text, form) || !strptime(text, format, &utc) || utc.tm_year < 1000 - 1900)
        return 0;
    const int day = utc.tm_mday, second = utc.tm_sec;
    *out = timegm(&utc);
    return utc.tm_mday == day && utc.tm_sec == second;
}

/* The first and the last second that a text means: one and the same but for a date. */
static int parse_time(const char *text, int64_t *first, int64_t *last)
{
    if (parse_format(text, "0000-00-00T00:00:00Z", "%Y-%m-%dT%H:%M:%SZ", first) ||
        parse_format(text, "0000-00-00T00:00Z", "%Y-%m-%dT%H:%MZ", first)) {
        *last = *first;
        return 1;
    }
    if (!parse_format(text, "0000-00-00", "%Y-%m-%d", first))
        return 0;
    *last = *first + 86399;
    return 1;
}

static int is_open(const char *text)
{
    return !*text || !strcmp(text, "..");
}

static int parse_interval(char *text, int64_t *from, int64_t *to)
{
    int64_t ignored;
    char *slash = strchr(text, '/');
    if (!slash)
        return parse_time(text, from, to);
    *slash = 0;
    *from = INT64_MIN;
    *to = INT64_MAX;
    return (is_open(text) || parse_time(text, from, &ignored)) &&
           (is_open(slash + 1) || parse_time(slash + 1, &ignored, to)) && *from <= *to;
}

enum ntk_status ntk_edr_parse_datetime(const char *text, int64_t *from, int64_t *to,
                                       struct ntk_error *error)
{
    char copy[80];
    int64_t first = INT64_MIN, last = INT64_MAX;
    if (text && (strlen(text) >= sizeof copy || !parse_interval(strcpy(copy, text), &first, &last)))
        return ntk_fail(error, NTK_USAGE,
                        "datetime is '%.60s', a UTC time such as 2014-01-03T06:00:00Z or two of "
                        "them as in a/b, ../b or a/.. were expected",
                        text);
    *from = first;
    *to = last;
    return NTK_OK;
}

/* ---- quantiles ------------------------------------------------------------------------------ */

static int add_wanted(struct ntk_edr_quantiles *out, double low, double high)
{
    if (out->n == NTK_EDR_QUANTILES_MOST || !(low <= high) || low < 0 || high > 1)
        return 0;
    out->ranges[out->n].low = low;
    out->ranges[out->n++].high = high;
    return 1;
}

static int parse_sequence(const char *text, struct ntk_edr_quantiles *out)
{
    double count, start, step;
    if (!take_real(&text, &count) || *text++ != '/' || !take_real(&text, &start) ||
        *text++ != '/' || !take_real(&text, &step) || *text)
        return 0;
    if (count != floor(count) || count < 1 || count > NTK_EDR_QUANTILES_MOST)
        return 0;
    for (int i = 0; i < (int)count; i++) {
        double value = start + i * step;
        if (!add_wanted(out, value, value))
            return 0;
    }
    return 1;
}

/* One end of a range; `..` is the end of everything. */
static int take_end(const char **text, double open, double *out)
{
    if (strncmp(*text, "..", 2))
        return take_real(text, out);
    *text += 2;
    *out = open;
    return 1;
}

static int parse_range(const char *text, struct ntk_edr_quantiles *out)
{
    double low, high;
    return take_end(&text, 0, &low) && *text++ == '/' && take_end(&text, 1, &high) && !*text &&
           add_wanted(out, low, high);
}

static int parse_values(const char *text, struct ntk_edr_quantiles *out)
{
    double value;
    do {
        if (!take_real(&text, &value) || !add_wanted(out, value, value))
            return 0;
    } while (*text == ',' && text++);
    return !*text;
}

static int parse_any(const char *text, struct ntk_edr_quantiles *out)
{
    if (*text == 'R')
        return parse_sequence(text + 1, out);
    return strchr(text, '/') ? parse_range(text, out) : parse_values(text, out);
}

enum ntk_status ntk_edr_parse_quantiles(const char *text, struct ntk_edr_quantiles *out,
                                        struct ntk_error *error)
{
    struct ntk_edr_quantiles made = {0};
    if (text && !parse_any(text, &made))
        return ntk_fail(error, NTK_USAGE,
                        "quantile is '%.60s', numbers from 0 to 1 were expected, as in 0.05,0.95 "
                        "or 0.05/0.5 or R3/0.25/0.25, at most %d of them",
                        text, NTK_EDR_QUANTILES_MOST);
    *out = made;
    return NTK_OK;
}

int ntk_edr_wants_quantile(const struct ntk_edr_quantiles *wanted, double quantile)
{
    for (size_t i = 0; i < wanted->n; i++) {
        if (quantile >= wanted->ranges[i].low - SLACK && quantile <= wanted->ranges[i].high + SLACK)
            return 1;
    }
    return wanted->n == 0;
}

/* ---- instances ------------------------------------------------------------------------------ */

void ntk_edr_instance_id(int64_t reference_time, char out[NTK_EDR_ID_SIZE])
{
    struct tm utc = {0};
    time_t time = (time_t)reference_time;
    gmtime_r(&time, &utc);
    strftime(out, NTK_EDR_ID_SIZE, utc.tm_sec ? "%Y%m%dT%H%M%SZ" : "%Y%m%dT%H%MZ", &utc);
}

int ntk_edr_instance_parse(const char *id, int64_t *out)
{
    int64_t time, last;
    if (!parse_format(id, "00000000T0000Z", "%Y%m%dT%H%MZ", &time) &&
        !parse_format(id, "00000000T000000Z", "%Y%m%dT%H%M%SZ", &time) &&
        (!parse_time(id, &time, &last) || last != time))
        return 0;
    *out = time;
    return 1;
}
