/* Archives below archive_dirs, by what a client calls them.
 *
 * A client names files, folders (all *.nc in one but *.intervals.nc, by name; not those below it)
 * or patterns of glob(7), absolute or relative to the folders of archive_dirs. Every path that is
 * found is resolved and must lie inside one of them, also where symbolic links lead: nothing else
 * on the machine can be named, and a name with ".." is refused before it is looked at. Functions of
 * their arguments only; they wait for the disk.
 */
#ifndef NTK_SERVER_ARCHIVES_H
#define NTK_SERVER_ARCHIVES_H

#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "core/status.h"

enum { NTK_ARCHIVES_MOST = 20000 };

struct ntk_archives {
    size_t n;
    char **paths; /* absolute, without symbolic links */
    uint64_t bytes;
};

/* What the n names stand for, in their order, each file once. NTK_NO_INPUT: a name that stands for
 * nothing; NTK_BAD_DATA: one that leads outside, or too many files. The sentence has the name.
 * Cleared by the caller, also after a failure. */
enum ntk_status ntk_archives_find(const struct ntk_config *config, const char *const *names,
                                  size_t n, struct ntk_archives *out, struct ntk_error *error);

/* One path a line. NTK_NO_INPUT when it cannot be written or read. */
enum ntk_status ntk_archives_write(const struct ntk_archives *archives, const char *path,
                                   struct ntk_error *error);

/* Whether all that such a list has is still where it was: NTK_BAD_DATA when a path has come to lead
 * elsewhere, or lies outside the folders as they are configured now. One that is gone is none of
 * this function's business. */
enum ntk_status ntk_archives_check_list(const struct ntk_config *config, const char *path,
                                        struct ntk_error *error);

void ntk_archives_clear(struct ntk_archives *archives);

#endif
