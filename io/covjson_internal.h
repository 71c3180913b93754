/* What the two halves of the CoverageJSON reader share. Private to io/covjson*.c. */
#ifndef NTK_IO_COVJSON_INTERNAL_H
#define NTK_IO_COVJSON_INTERNAL_H

#include <jansson.h>

#include "io/covjson.h"

/* Values of a regularly spaced axis at most: they cost no bytes of the document. */
#define NTK_COVJSON_REGULAR_MOST 1000000

/* Where in the document we are. */
struct ntk_covjson_place {
    const char *what; /* the document's name */
    size_t member;
    int is_instant; /* a Point: one time at most */
};

/* The axis of that name, or -1. */
int ntk_covjson_find_axis(const char *name);

/* rows x columns zeros, to be freed; NTK_BAD_DATA beyond ntk_limits.array_bytes. */
enum ntk_status ntk_covjson_allocate(const struct ntk_covjson_place *place, size_t rows,
                                     size_t columns, double **out, struct ntk_error *error);

/* Takes the axes of a member, which must be those of the first member in names and lengths. */
enum ntk_status ntk_covjson_take_domain(struct ntk_covjson *c, struct ntk_covjson_place *place,
                                        const json_t *domain, const char *type,
                                        const json_t *references, struct ntk_error *error);

#endif
