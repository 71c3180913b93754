/* Reading reference numbers: variables of NetCDF files. Any failure ends the test. */
#ifndef NTK_TESTS_GOLDEN_H
#define NTK_TESTS_GOLDEN_H

#include <stddef.h>

/* All values of a variable, row-major, as doubles; the caller frees them. */
double *ntk_test_read_doubles(const char *path, const char *variable, size_t *count);

/* Length of a dimension. */
size_t ntk_test_read_dimension(const char *path, const char *dimension);

/* A global text attribute; the caller frees it. */
char *ntk_test_read_text(const char *path, const char *attribute);

/* The paths of all files in a folder of the shared data that end in `ending`, sorted, with NULL at
 * the end; NULL when the folder is not there. The caller frees with ntk_test_free_paths. */
char **ntk_test_list(const char *folder, const char *ending);
void ntk_test_free_paths(char **paths);

#endif
