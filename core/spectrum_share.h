/* A spectrum that one process has found, given to all. */
#ifndef NTK_CORE_SPECTRUM_SHARE_H
#define NTK_CORE_SPECTRUM_SHARE_H

#include "core/decompose.h"
#include "core/reduce.h"

/* At most one process of the job has *spectrum, without coordinates; it is NULL in the others.
 * Afterwards all have it, to the bit; NULL stays NULL when none has it. The caller frees it. All
 * processes make the same calls, with the same number of features d. Nothing happens alone
 * (`reduce` is NULL). NTK_BAD_DATA: what comes cannot be a spectrum of d features. */
enum ntk_status ntk_spectrum_share(const struct ntk_reduce *reduce, size_t d,
                                   struct ntk_spectrum **spectrum, struct ntk_error *error);

#endif
