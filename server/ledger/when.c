#include "server/ledger/when.h"

#include <string.h>
#include <time.h>

/* strptime alone takes blanks, signs, short numbers, 24 hours and a second more. */
static int is_time(const char *text)
{
    static const char pattern[] = "0000-00-00T00:00:00Z";
    static const size_t lengths[] = {10, 17, 20};
    size_t length = strlen(text);
    for (size_t i = 0; i < length && i < sizeof pattern - 1; i++) {
        int ends = length == 17 && i == 16;
        if (ends                ? text[i] != 'Z'
            : pattern[i] == '0' ? text[i] < '0' || text[i] > '9'
                                : text[i] != pattern[i])
            return 0;
    }
    return length == lengths[0] || length == lengths[1] || length == lengths[2];
}

enum ntk_status ntk_when_parse(const char *text, const char *what, int64_t *out,
                               struct ntk_error *error)
{
    static const char *const formats[] = {"%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ", "%Y-%m-%d"};
    for (size_t f = 0; text && is_time(text) && f < sizeof formats / sizeof *formats; f++) {
        struct tm utc = {0};
        const char *end = strptime(text, formats[f], &utc);
        int day = utc.tm_mday, second = utc.tm_sec;
        if (end && !*end) {
            time_t seconds = timegm(&utc);
            if (utc.tm_mday == day && utc.tm_sec == second) { /* 30 February would be March */
                *out = seconds;
                return NTK_OK;
            }
        }
    }
    return ntk_fail(error, NTK_BAD_DATA,
                    "%s is '%.40s', a time such as 2014-01-03T06:00:00Z was expected", what,
                    text ? text : "no text");
}

void ntk_when_print(int64_t seconds, char *out, size_t size)
{
    time_t time = seconds;
    struct tm utc;
    gmtime_r(&time, &utc);
    strftime(out, size, "%4Y-%m-%dT%H:%M:%SZ", &utc);
}
