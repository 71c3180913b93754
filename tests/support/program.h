/* The built programs, run to their end, and the files that tests hand them. Any failure of the
 * helpers ends the test. */
#ifndef NTK_TESTS_PROGRAM_H
#define NTK_TESTS_PROGRAM_H

#include <stddef.h>

/* $NTK_BUILD/name, or build/release/name. Valid until the next call. */
const char *ntk_test_program(const char *name);

/* Runs a program to its end and gives its exit code, or less the signal's number; its output goes
 * to the file `output` (NULL: nowhere). `arguments` begin with its path and end with NULL. */
int ntk_test_run(const char *output, const char *const *arguments);

/* The same of ntkuq; `arguments` begin with the command, 30 at the most. */
int ntk_test_run_ntkuq(const char *output, const char *const *arguments);

/* ntkuq simulate: an archive of six lead times. */
void ntk_test_simulate(const char *archive, int samples, int features, int seed);

/* The bytes of a file, owned by the caller. */
void *ntk_test_read_file(const char *path, size_t *size);

/* Byte for byte. */
void ntk_test_expect_same_file(const char *one, const char *other);

/* Replaces what the file had. */
void ntk_test_write_text(const char *path, const char *text);

/* Files and folders in a folder but those whose names begin with a dot; 0 where there is none. */
size_t ntk_test_count_files(const char *folder);

#endif
