/* A daemon that has one simulated archive as a dataset, and fits of it as jobs: what the suites of
 * jobs share. Any failure ends the test. */
#ifndef NTK_TESTS_HTTP_FIT_WORLD_H
#define NTK_TESTS_HTTP_FIT_WORLD_H

#include "tests/support/daemon.h"

/* Made once: 300 samples of 256 features at six lead times. */
extern char fit_archive[32];
void fit_make_archive(void);
void fit_remove_archive(void);

/* One a test, and the id that the archive has there. */
extern struct ntk_test_daemon fit_served;
extern char fit_dataset[65];
void fit_start(void);
void fit_stop(void);
void fit_restart_by_kill(void);

struct ntk_test_reply fit_upload(const char *path);

/* The body that asks for a fit of it by `method` (svd takes a second, auto many), and its POST. */
void fit_print(char out[300], const char *name, const char *method);
struct ntk_test_reply fit_post(const char *path, const char *headers, const char *name,
                               const char *method);

/* Starts a fit and gives its id. */
void fit_begin(const char *headers, const char *name, const char *method, char id[40]);

#endif
