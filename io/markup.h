/* Texts that may hold anything, inside XML: none of them can end an element or an attribute.
 *
 * Texts are UTF-8. What is not, and characters that XML does not allow, become U+FFFD. Safe from
 * any thread; that writing failed is known to the stream (ferror). */
#ifndef NTK_IO_MARKUP_H
#define NTK_IO_MARKUP_H

#include <stdint.h>
#include <stdio.h>

enum ntk_markup {
    NTK_MARKUP_LINE, /* of an SVG: white space is a blank, and the rest of Unicode is written as
                      * numbers, so that the encoding of what is around it does not matter */
    NTK_MARKUP_PAGE  /* of HTML in UTF-8: tabs and newlines stay; no other control characters */
};

/* The next character of a text that has not ended, as it is written; steps past it. */
uint32_t ntk_markup_next(const char **text, enum ntk_markup kind);

/* Writes one of them: & < > " as entities, on a page ' too. */
void ntk_markup_put(FILE *out, uint32_t character, enum ntk_markup kind);

/* Writes a whole text. */
void ntk_markup_write(FILE *out, const char *text, enum ntk_markup kind);

#endif
