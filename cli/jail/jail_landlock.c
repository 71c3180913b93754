/* Files and, where the kernel can, the network and signals, by Landlock.
 *
 * The ladder: every right that some version of the interface knows is asked for, what this kernel
 * does not know yet is dropped, and the result is tried before the work is let in. What is handled
 * and in no rule is refused, so the rules are only those of the named files.
 */
#include "cli/jail/jail_internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Debian 12's header is that of interface version 2; the numbers are fixed for ever. */
#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (1ULL << 13)
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif
#ifndef LANDLOCK_ACCESS_FS_IOCTL_DEV
#define LANDLOCK_ACCESS_FS_IOCTL_DEV (1ULL << 15)
#endif
#ifndef LANDLOCK_ACCESS_NET_BIND_TCP
#define LANDLOCK_ACCESS_NET_BIND_TCP (1ULL << 0)
#endif
#ifndef LANDLOCK_ACCESS_NET_CONNECT_TCP
#define LANDLOCK_ACCESS_NET_CONNECT_TCP (1ULL << 1)
#endif
#ifndef LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET
#define LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET (1ULL << 0)
#endif
#ifndef LANDLOCK_SCOPE_SIGNAL
#define LANDLOCK_SCOPE_SIGNAL (1ULL << 1)
#endif

/* struct landlock_ruleset_attr as of version 6. An older kernel takes it while what it does not
 * know is zero. */
struct ruleset {
    uint64_t files, network, scope;
};

static const struct ladder_step {
    int version;
    struct ruleset adds;
} ladder[] = {
    {1,
     {.files = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |
               LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR |
               LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
               LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR |
               LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |
               LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
               LANDLOCK_ACCESS_FS_MAKE_SYM}},
    {2, {.files = LANDLOCK_ACCESS_FS_REFER}},
    {3, {.files = LANDLOCK_ACCESS_FS_TRUNCATE}}, /* before: see the seccomp list */
    {4, {.network = LANDLOCK_ACCESS_NET_BIND_TCP | LANDLOCK_ACCESS_NET_CONNECT_TCP}},
    {5, {.files = LANDLOCK_ACCESS_FS_IOCTL_DEV}},
    {6, {.scope = LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | LANDLOCK_SCOPE_SIGNAL}},
};

static struct ruleset climb(int version)
{
    struct ruleset all = {0};
    for (size_t i = 0; i < sizeof ladder / sizeof *ladder && ladder[i].version <= version; i++) {
        all.files |= ladder[i].adds.files;
        all.network |= ladder[i].adds.network;
        all.scope |= ladder[i].adds.scope;
    }
    return all;
}

/* A handle of a regular file. A folder would not do: a rule for it holds for all that is below. */
static enum ntk_status open_regular(const char *path, enum ntk_status failure, int *out,
                                    struct ntk_error *error)
{
    struct stat info;
    assert(path[0] == '/');
    int handle = open(path, O_PATH | O_CLOEXEC);
    if (handle < 0 || fstat(handle, &info)) {
        int reason = errno;
        if (handle >= 0)
            close(handle);
        return ntk_fail(error, failure, "cannot open %s: %s", path, strerror(reason));
    }
    if (!S_ISREG(info.st_mode)) {
        close(handle);
        return ntk_fail(error, failure, "%s is not a regular file, the jail takes no other", path);
    }
    *out = handle;
    return NTK_OK;
}

static enum ntk_status allow_file(int ruleset, const char *path, uint64_t rights,
                                  enum ntk_status failure, struct ntk_error *error)
{
    int handle = -1;
    enum ntk_status status = open_regular(path, failure, &handle, error);
    if (status)
        return status;
    const struct landlock_path_beneath_attr rule = {.allowed_access = rights, .parent_fd = handle};
    if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0))
        status = ntk_fail(error, NTK_TRY_AGAIN,
                          "the jail cannot let %s in (Landlock: %s); " NTK_JAIL_HINT, path,
                          strerror(errno));
    close(handle);
    return status;
}

static enum ntk_status allow_files(int ruleset, uint64_t handled, const struct ntk_jail *jail,
                                   struct ntk_error *error)
{
    const uint64_t read = LANDLOCK_ACCESS_FS_READ_FILE;
    const uint64_t write = read | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE;
    enum ntk_status status = NTK_OK;
    for (size_t i = 0; i < jail->n_inputs && !status; i++)
        status = allow_file(ruleset, jail->inputs[i], read, NTK_NO_INPUT, error);
    if (!status && jail->output)
        status = allow_file(ruleset, jail->output, write & handled, NTK_CANNOT_CREATE, error);
    if (!status && jail->second_output)
        status =
            allow_file(ruleset, jail->second_output, write & handled, NTK_CANNOT_CREATE, error);
    return status;
}

/* The root folder can be listed by anyone, but not from inside. */
static enum ntk_status verify(struct ntk_error *error)
{
    int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0 && errno == EACCES)
        return NTK_OK;
    if (root >= 0)
        close(root);
    return ntk_fail(error, NTK_TRY_AGAIN,
                    "Landlock of this kernel says that it is on and lets the root folder be read, "
                    "a refusal was expected; " NTK_JAIL_HINT);
}

enum ntk_status ntk_jail_restrict_files(const struct ntk_jail *jail, struct ntk_error *error)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 1)
        return ntk_fail(error, NTK_TRY_AGAIN,
                        "this kernel has no Landlock (%s), the jail needs Linux 5.13 or later with "
                        "it turned on; " NTK_JAIL_HINT,
                        strerror(errno));
    const struct ruleset rights = climb((int)version);
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &rights, sizeof rights, 0);
    if (ruleset < 0)
        return ntk_fail(error, NTK_TRY_AGAIN,
                        "Landlock version %ld of this kernel refuses the rules: %s; " NTK_JAIL_HINT,
                        version, strerror(errno));
    enum ntk_status status = allow_files(ruleset, rights.files, jail, error);
    if (!status && syscall(SYS_landlock_restrict_self, ruleset, 0))
        status =
            ntk_fail(error, NTK_TRY_AGAIN,
                     "Landlock cannot close the file system: %s; " NTK_JAIL_HINT, strerror(errno));
    close(ruleset);
    return status ? status : verify(error);
}
