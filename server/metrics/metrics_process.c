#include "server/metrics/metrics_process.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "server/metrics/metrics_text.h"

/* The second number of statm is the resident set in pages. */
static double resident_bytes(void)
{
    unsigned long long pages;
    FILE *file = fopen("/proc/self/statm", "re");
    int found = file && fscanf(file, "%*s %llu", &pages) == 1;
    if (file)
        fclose(file);
    return found ? (double)pages * (double)sysconf(_SC_PAGESIZE) : NAN;
}

static double cpu_seconds(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

static double open_descriptors(void)
{
    double n = 0;
    DIR *folder = opendir("/proc/self/fd");
    if (!folder)
        return NAN;
    for (const struct dirent *file; (file = readdir(folder));)
        n += file->d_name[0] != '.';
    closedir(folder);
    return n - 1; /* one was this folder */
}

static double descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit))
        return NAN;
    return limit.rlim_cur == RLIM_INFINITY ? INFINITY : (double)limit.rlim_cur;
}

static void write_one(struct ntk_text *text, const char *name, const char *help, const char *type,
                      double value)
{
    ntk_metrics_family(text, name, help, type);
    if (!isnan(value))
        ntk_metrics_sample(text, name, NULL, 0, value);
}

void ntk_metrics_write_process(struct ntk_text *text)
{
    write_one(text, "process_cpu_seconds_total", "Processor time, user and system.", "counter",
              cpu_seconds());
    write_one(text, "process_resident_memory_bytes", "Resident memory.", "gauge", resident_bytes());
    write_one(text, "process_open_fds", "Open file descriptors.", "gauge", open_descriptors());
    write_one(text, "process_max_fds", "Most file descriptors that may be open.", "gauge",
              descriptor_limit());
}
