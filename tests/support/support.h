/* What the test programs share. */
#ifndef NTK_TESTS_SUPPORT_H
#define NTK_TESTS_SUPPORT_H

/* The path of a file or folder of the shared test data, found below $NTK_SHARED or ../shared; NULL
 * when it is not there. Valid until the next call. */
const char *ntk_test_shared(const char *relative);

#endif
