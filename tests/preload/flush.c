/* Put before the C library by LD_PRELOAD, a full disk that is told late, as network file systems
 * may: what is written is taken, and fsync fails in every process that the program starts. */
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

static pid_t program;

__attribute__((constructor)) static void begin(void)
{
    program = getpid();
}

int fsync(int file)
{
    if (getpid() == program)
        return (int)syscall(SYS_fsync, file);
    errno = ENOSPC;
    return -1;
}
