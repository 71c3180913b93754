/* System calls, by seccomp: a list of what NetCDF, HDF5, BLAS on one thread, stdio and malloc need.
 *
 *   listed as allowed      runs, some only with harmless arguments
 *   listed as forbidden    kills the process: nothing honest in the jail ever tries it
 *   everything else        fails with EPERM, which the libraries take for a missing permission
 *
 * Files are Landlock's matter. What Landlock does not see is refused here: truncation before its
 * version 3, changes of mode, owner, times and attributes, and signals to others. What can still be
 * learned is the existence, size and times of other files (stat), not what is in them.
 *
 * A sanitizer finds all that it needs here; its reports come without symbols, as it cannot read
 * /proc/self/maps.
 */
#include "cli/jail/jail_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

static const int allowed[] = {
    /* descriptors that are open */
    SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(pread64),
    SCMP_SYS(pwrite64), SCMP_SYS(preadv), SCMP_SYS(pwritev), SCMP_SYS(lseek), SCMP_SYS(close),
    SCMP_SYS(dup), SCMP_SYS(dup2), SCMP_SYS(dup3), SCMP_SYS(ftruncate), SCMP_SYS(fsync),
    SCMP_SYS(fdatasync), SCMP_SYS(flock), SCMP_SYS(fadvise64),
    /* what is known of files */
    SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(statx),
    SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(getcwd),
    /* memory */
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(msync),
    /* this process */
    SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(futex), SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack),
    SCMP_SYS(restart_syscall), SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity), SCMP_SYS(getcpu),
    SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid),
    SCMP_SYS(getegid), SCMP_SYS(getrusage), SCMP_SYS(getrlimit),
    /* time, chance, machine */
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(times), SCMP_SYS(getrandom), SCMP_SYS(uname),
    SCMP_SYS(sysinfo)};

static const int forbidden[] = {
    /* other processes and programs; threads too */
    SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(fork), SCMP_SYS(vfork), SCMP_SYS(clone),
    SCMP_SYS(clone3), SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev),
    SCMP_SYS(pidfd_open), SCMP_SYS(pidfd_getfd), SCMP_SYS(pidfd_send_signal), SCMP_SYS(tkill),
    SCMP_SYS(rt_sigqueueinfo), SCMP_SYS(rt_tgsigqueueinfo), SCMP_SYS(kcmp),
    /* the network */
    SCMP_SYS(socket), SCMP_SYS(socketpair), SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(listen),
    SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(sendmmsg),
    SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(recvmmsg),
    /* the kernel */
    SCMP_SYS(bpf), SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd), SCMP_SYS(io_uring_setup),
    SCMP_SYS(io_uring_enter), SCMP_SYS(io_uring_register), SCMP_SYS(keyctl), SCMP_SYS(add_key),
    SCMP_SYS(request_key), SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(move_mount),
    SCMP_SYS(open_tree), SCMP_SYS(fsopen), SCMP_SYS(pivot_root), SCMP_SYS(chroot), SCMP_SYS(setns),
    SCMP_SYS(unshare), SCMP_SYS(open_by_handle_at), SCMP_SYS(init_module), SCMP_SYS(finit_module),
    SCMP_SYS(delete_module), SCMP_SYS(kexec_load), SCMP_SYS(kexec_file_load), SCMP_SYS(reboot),
    SCMP_SYS(swapon), SCMP_SYS(swapoff), SCMP_SYS(iopl), SCMP_SYS(ioperm)};

static int add_list(scmp_filter_ctx filter, uint32_t action, const int *calls, size_t n)
{
    int result = 0;
    for (size_t i = 0; i < n && !result; i++)
        result = seccomp_rule_add(filter, action, calls[i], 0);
    return result;
}

struct rule {
    int call;
    struct scmp_arg_cmp condition;
};

static int add_rules(scmp_filter_ctx filter, const struct rule *rules, size_t n)
{
    int result = 0;
    for (size_t i = 0; i < n && !result; i++)
        result =
            seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, rules[i].call, 1, &rules[i].condition);
    return result;
}

/* Opening a file runs for reading without truncation, or for writing, which Landlock checks. The
 * fourth access mode (3: neither) and O_RDONLY | O_TRUNC would slip through Landlock before its
 * version 3 and empty the file. */
static int add_open(scmp_filter_ctx filter)
{
    const struct rule rules[] = {
        {SCMP_SYS(open), SCMP_A1(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_TRUNC, O_RDONLY)},
        {SCMP_SYS(open), SCMP_A1(SCMP_CMP_MASKED_EQ, O_ACCMODE, O_WRONLY)},
        {SCMP_SYS(open), SCMP_A1(SCMP_CMP_MASKED_EQ, O_ACCMODE, O_RDWR)},
        {SCMP_SYS(openat), SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_TRUNC, O_RDONLY)},
        {SCMP_SYS(openat), SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE, O_WRONLY)},
        {SCMP_SYS(openat), SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE, O_RDWR)},
    };
    return add_rules(filter, rules, sizeof rules / sizeof *rules);
}

/* No memory that can be run; of the terminal only whether it is one; limits can be read; of fcntl
 * nothing that sends signals (F_SETOWN). */
static int add_harmless_arguments(scmp_filter_ctx filter)
{
    const struct rule rules[] = {
        {SCMP_SYS(mmap), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)},
        {SCMP_SYS(mprotect), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)},
        {SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, TCGETS)},
        {SCMP_SYS(prlimit64), SCMP_A2(SCMP_CMP_EQ, 0)},
        {SCMP_SYS(fcntl), SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, F_DUPFD)},
        {SCMP_SYS(fcntl), SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, F_DUPFD_CLOEXEC)},
        {SCMP_SYS(fcntl), SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, F_GETFD)},
        {SCMP_SYS(fcntl), SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, F_SETFD)},
        {SCMP_SYS(fcntl), SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, F_GETFL)},
        {SCMP_SYS(fcntl), SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, F_SETFL)},
        {SCMP_SYS(fcntl), SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, F_GETLK)},
        {SCMP_SYS(fcntl), SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, F_SETLK)},
        {SCMP_SYS(fcntl), SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, F_SETLKW)},
    };
    return add_rules(filter, rules, sizeof rules / sizeof *rules);
}

/* A signal goes to this process (abort, raise) or is the end of it. */
static int add_signals(scmp_filter_ctx filter)
{
    const int calls[] = {SCMP_SYS(kill), SCMP_SYS(tgkill)};
    const scmp_datum_t self = (scmp_datum_t)getpid();
    int result = 0;
    for (size_t i = 0; i < sizeof calls / sizeof *calls && !result; i++) {
        result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 1, SCMP_A0(SCMP_CMP_EQ, self));
        if (!result)
            result = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, calls[i], 1,
                                      SCMP_A0(SCMP_CMP_NE, self));
    }
    return result;
}

enum ntk_status ntk_jail_restrict_calls(struct ntk_error *error)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int result = filter ? 0 : -ENOMEM;
    if (!result)
        result = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (!result)
        result = add_list(filter, SCMP_ACT_ALLOW, allowed, sizeof allowed / sizeof *allowed);
    if (!result)
        result = add_list(filter, SCMP_ACT_KILL_PROCESS, forbidden,
                          sizeof forbidden / sizeof *forbidden);
    if (!result)
        result = add_open(filter);
    if (!result)
        result = add_harmless_arguments(filter);
    if (!result)
        result = add_signals(filter);
    if (!result)
        result = seccomp_load(filter);
    seccomp_release(filter);
    if (result == -ENOMEM)
        return ntk_fail(error, NTK_TRY_AGAIN,
                        "no memory is left for the jail's list of system calls, the memory limit "
                        "must be larger than what the program holds when it starts");
    if (result)
        return ntk_fail(error, NTK_TRY_AGAIN,
                        "this kernel does not take the jail's list of system calls (seccomp: "
                        "%s); " NTK_JAIL_HINT,
                        strerror(-result));
    return NTK_OK;
}
