#include "server/when.h"

#include <time.h>

enum ntk_status ntk_when_parse(const char *text, const char *what, int64_t *out,
                               struct ntk_error *error)
{
    static const char *const formats[] = {"%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ", "%Y-%m-%d"};
    for (size_t f = 0; text && f < sizeof formats / sizeof *formats; f++) {
        struct tm utc = {0};
        const char *end = strptime(text, formats[f], &utc);
        int day = utc.tm_mday;
        if (end && !*end) {
            time_t seconds = timegm(&utc);
            if (utc.tm_mday == day) { /* 30 February is turned into March */
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
    strftime(out, size, "%Y-%m-%dT%H:%M:%SZ", &utc);
}
