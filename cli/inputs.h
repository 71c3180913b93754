/* Which files are meant by the arguments of a command that takes many.
 *
 *   FILE        itself, also when its name has the letters of a pattern
 *   'PATTERN'   what it matches, sorted (glob(7)); quoted, so that the shell leaves it alone
 *   FOLDER      the *.nc in it, sorted, but no *.intervals.nc
 *   @LIST       one of the above a line; empty lines and those that begin with # are skipped
 *
 * A file that is named twice, by whatever path, is taken once, where it came first.
 */
#ifndef NTK_CLI_INPUTS_H
#define NTK_CLI_INPUTS_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

struct ntk_input {
    char *given; /* as it was written, or as the pattern or folder has it */
    char *path;  /* absolute */
    uint64_t bytes;
    int64_t changed_ns; /* time of the last change, since 1970 */
    uint64_t device, inode;
};

/* An array to be freed with ntk_inputs_free. NTK_NO_INPUT: something is not there, or a pattern or
 * folder has nothing. What is no regular file is refused; whether it can be read is not asked. */
enum ntk_status ntk_inputs_expand(const char *const *arguments, size_t n, struct ntk_input **out,
                                  size_t *n_out, struct ntk_error *error);
void ntk_inputs_free(struct ntk_input *inputs, size_t n);

/* A regular file's absolute path, to be freed. Names that a library could take for a URL are
 * refused: NTK_NO_INPUT. */
enum ntk_status ntk_input_resolve(const char *name, char **out, struct ntk_error *error);

#endif
