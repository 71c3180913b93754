#include "server/text.h"

#include <jansson.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/real.h"

int ntk_text_reserve(struct ntk_text *text, size_t size)
{
    if (text->failed || size <= text->capacity - text->size)
        return !text->failed;
    size_t capacity = 2 * (text->size + size) + 1024;
    char *grown = realloc(text->bytes, capacity);
    text->failed = grown == NULL;
    if (!grown)
        return 0;
    text->bytes = grown;
    text->capacity = capacity;
    return 1;
}

enum {
    DIGITS_MOST = 20,    /* of 64 bits; 17 of a double */
    REAL_MOST = 48,      /* bytes: a sign, the digits, a point, e-324 or 0.000; what put() spills */
    EXPONENT_LEAST = -4, /* below it, as from `precision` on, %g writes an exponent */
    DIGITS_SHORT = 15    /* every number of so many digits survives double, and %.15g shows it */
};

static const char digit_pairs[] = "0001020304050607080910111213141516171819"
                                  "2021222324252627282930313233343536373839"
                                  "4041424344454647484950515253545556575859"
                                  "6061626364656667686970717273747576777879"
                                  "8081828384858687888990919293949596979899";

/* Room for put() to read beyond the digits, which end in the middle. */
struct digits {
    char room[2 * DIGITS_MOST];
};

/* Four and four, two and two: nothing waits for more than two divisions. */
static void put_eight_digits(char *to, uint32_t value)
{
    uint32_t high = value / 10000, low = value % 10000;
    memcpy(to, digit_pairs + 2 * (high / 100), 2);
    memcpy(to + 2, digit_pairs + 2 * (high % 100), 2);
    memcpy(to + 4, digit_pairs + 2 * (low / 100), 2);
    memcpy(to + 6, digit_pairs + 2 * (low % 100), 2);
}

/* From the last digit on; nothing for 0. Gives the first. */
static const char *print_digits(uint64_t digits, struct digits *out, size_t *n)
{
    char *end = out->room + DIGITS_MOST, *at = end;
    for (; digits >= 100000000; digits /= 100000000)
        put_eight_digits(at -= 8, (uint32_t)(digits % 100000000));
    uint32_t rest = (uint32_t)digits;
    for (; rest >= 10; rest /= 100)
        memcpy(at -= 2, digit_pairs + 2 * (rest % 100), 2);
    if (rest)
        *--at = (char)('0' + rest);
    *n = (size_t)(end - at);
    return at;
}

/* `size` digits, and whatever follows them: a copy of a known length is no call. */
static char *put(char *to, const char *digits, size_t size)
{
    memcpy(to, digits, DIGITS_MOST);
    return to + size;
}

static char *put_zeros(char *to, int n)
{
    while (n-- > 0)
        *to++ = '0';
    return to;
}

/* The first digit counts 10^exponent. */
static char *put_scientific(char *to, const char *digits, size_t n, int exponent)
{
    *to++ = *digits;
    if (n > 1)
        *to++ = '.';
    to = put(to, digits + 1, n - 1);
    return to + sprintf(to, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
}

static char *put_plain(char *to, const char *digits, size_t n, int exponent)
{
    size_t whole = exponent < 0 ? 0 : (size_t)exponent + 1;
    if (whole >= n)
        return put_zeros(put(to, digits, n), (int)(whole - n));
    if (whole)
        to = put(to, digits, whole);
    else
        *to++ = '0';
    *to++ = '.';
    to = put_zeros(to, -1 - exponent);
    return put(to, digits + whole, n - whole);
}

static size_t print_real(double value, char *out)
{
    struct digits space = {{0}};
    const char *digits;
    char *to = out;
    uint64_t significand;
    int exponent = 0;
    size_t n = 1;
    if (signbit(value))
        *to++ = '-';
    if (value == 0) {
        *to++ = '0';
        return (size_t)(to - out);
    }
    ntk_real_shortest(fabs(value), &significand, &exponent);
    digits = print_digits(significand, &space, &n);
    exponent += (int)n - 1;
    /* not beyond the digits: what looks like an integer is exactly that integer */
    int precision = n <= DIGITS_SHORT ? DIGITS_SHORT : (int)n;
    to = exponent < EXPONENT_LEAST || exponent >= precision
             ? put_scientific(to, digits, n, exponent)
             : put_plain(to, digits, n, exponent);
    return (size_t)(to - out);
}

void ntk_text_append_real(struct ntk_text *text, double value, const char *missing)
{
    if (!isfinite(value))
        ntk_text_append(text, missing);
    else if (ntk_text_reserve(text, REAL_MOST))
        text->size += print_real(value, text->bytes + text->size);
}

void ntk_text_append_size(struct ntk_text *text, size_t value)
{
    struct digits space;
    size_t n;
    const char *digits = print_digits(value, &space, &n);
    ntk_text_append_bytes(text, value ? digits : "0", value ? n : 1);
}

/* How many bytes from here on need no escape. */
static size_t plain_length(const char *string)
{
    size_t n = 0;
    while ((unsigned char)string[n] >= 32 && string[n] != '"' && string[n] != '\\')
        n++;
    return n;
}

static void append_escaped(struct ntk_text *text, char c)
{
    char escaped[8] = {'\\', c};
    int size = c == '"' || c == '\\' ? 2 : snprintf(escaped, sizeof escaped, "\\u%04x", c);
    ntk_text_append_bytes(text, escaped, (size_t)size);
}

void ntk_text_append_quoted(struct ntk_text *text, const char *string)
{
    size_t plain = plain_length(string);
    ntk_text_append_bytes(text, "\"", 1);
    ntk_text_append_bytes(text, string, plain);
    for (string += plain; *string; string += 1 + plain) {
        append_escaped(text, *string);
        plain = plain_length(string + 1);
        ntk_text_append_bytes(text, string + 1, plain);
    }
    ntk_text_append_bytes(text, "\"", 1);
}

void ntk_text_clear(struct ntk_text *text)
{
    free(text->bytes);
    *text = (struct ntk_text){0};
}

int ntk_text_is_utf8(const char *string)
{
    const char *c = string;
    while (*c && (unsigned char)*c < 128)
        c++;
    if (!*c)
        return 1;
    json_t *json = json_string(string); /* jansson takes nothing else */
    json_decref(json);
    return json != NULL;
}
