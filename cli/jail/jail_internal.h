/* The walls of the jail, each a step of the child before the work runs (cli/jail/jail.c). A wall
 * that this kernel cannot build is NTK_TRY_AGAIN with a sentence; none can be taken down again. */
#ifndef NTK_CLI_JAIL_INTERNAL_H
#define NTK_CLI_JAIL_INTERNAL_H

#include "cli/jail/jail.h"

/* Sanitizers reserve terabytes of address space for their shadow, so that RLIMIT_AS cannot be set.
 * It is the only limit that they do without. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define NTK_JAIL_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define NTK_JAIL_SANITIZED 1
#endif
#endif
#ifndef NTK_JAIL_SANITIZED
#define NTK_JAIL_SANITIZED 0
#endif

/* Ends the sentences of a kernel that cannot build the jail. */
#define NTK_JAIL_HINT "`--sandbox off` works without the jail"

/* Landlock: from here on only the inputs can be read and only the outputs can be written. Needs
 * no_new_privs. NTK_NO_INPUT and NTK_CANNOT_CREATE name a file that is missing or not regular. */
enum ntk_status ntk_jail_restrict_files(const struct ntk_jail *jail, struct ntk_error *error);

/* seccomp: from here on only listed system calls, on this process only. Needs no_new_privs. */
enum ntk_status ntk_jail_restrict_calls(struct ntk_error *error);

#endif
