/* The Range header of a GET (RFC 9110, section 14): one part of a file. */
#ifndef NTK_SERVER_RANGE_H
#define NTK_SERVER_RANGE_H

#include <stdint.h>

enum ntk_range {
    NTK_RANGE_WHOLE, /* none, or one that may be ignored: malformed, of several parts */
    NTK_RANGE_PART,
    NTK_RANGE_BEYOND /* nothing of it is there: 416 */
};

/* What of `size` bytes is asked for: "bytes=A-B", "bytes=A-" or "bytes=-N"; `text` may be NULL.
 * With NTK_RANGE_PART *first <= *last < size, else both are untouched. */
enum ntk_range ntk_range_parse(const char *text, uint64_t size, uint64_t *first, uint64_t *last);

#endif
