#include "tests/support/program.h"

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARGUMENTS_MOST = 30 };

const char *ntk_test_program(const char *name)
{
    static char path[600];
    const char *build = getenv("NTK_BUILD");
    snprintf(path, sizeof path, "%s/%s", build ? build : "build/release", name);
    return path;
}

int ntk_test_run(const char *output, const char *const *arguments)
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        int out = open(output ? output : "/dev/null", O_WRONLY | O_CREAT | O_TRUNC, 0600);
        dup2(out, STDOUT_FILENO);
        dup2(out, STDERR_FILENO);
        execv(arguments[0], (char *const *)arguments);
        _exit(127);
    }
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int ntk_test_run_ntkuq(const char *output, const char *const *arguments)
{
    const char *all[ARGUMENTS_MOST + 2] = {ntk_test_program("ntkuq")};
    for (size_t n = 1; *arguments; n++) {
        ck_assert_uint_le(n, ARGUMENTS_MOST);
        all[n] = *arguments++;
    }
    return ntk_test_run(output, all);
}

void ntk_test_simulate(const char *archive, int samples, int features, int seed)
{
    char texts[3][12];
    const int numbers[] = {samples, features, seed};
    for (size_t i = 0; i < 3; i++)
        snprintf(texts[i], sizeof texts[i], "%d", numbers[i]);
    const char *arguments[] = {"simulate",   "-o",     archive,  "--samples", texts[0],
                               "--features", texts[1], "--seed", texts[2],    NULL};
    ck_assert_msg(ntk_test_run_ntkuq(NULL, arguments) == 0, "cannot simulate %s", archive);
}

void *ntk_test_read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "cannot open %s", path);
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    char *bytes = malloc(*size + 1);
    ck_assert_msg(fread(bytes, 1, *size, file) == *size, "cannot read %s", path);
    fclose(file);
    return bytes;
}

void ntk_test_expect_same_file(const char *one, const char *other)
{
    size_t size, other_size;
    char *bytes = ntk_test_read_file(one, &size);
    char *other_bytes = ntk_test_read_file(other, &other_size);
    ck_assert_msg(size == other_size && !memcmp(bytes, other_bytes, size), "%s and %s differ", one,
                  other);
    free(bytes);
    free(other_bytes);
}

void ntk_test_write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    ck_assert_msg(file != NULL, "cannot create %s", path);
    ck_assert_msg(fputs(text, file) >= 0, "cannot write %s", path);
    ck_assert_msg(fclose(file) == 0, "cannot write %s", path);
}

size_t ntk_test_count_files(const char *folder)
{
    size_t n = 0;
    DIR *listing = opendir(folder);
    for (struct dirent *entry; listing && (entry = readdir(listing));)
        n += entry->d_name[0] != '.';
    if (listing)
        closedir(listing);
    return n;
}
