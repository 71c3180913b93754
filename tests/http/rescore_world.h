/* Archives, a calibration and a daemon that rescores the ones with the other: what the suites of
 * rescores share. Any failure ends the test.
 *
 * The folder of the world has archives/2014/a.nc and b.nc (and notes.txt, a.intervals.nc, which are
 * no archives), archives/2015/c.nc, outside/d.nc, archives/links/ (links to outside/d.nc, outside/
 * and 2014/a.nc) and toy.safetensors. The daemon serves it as versions 1 and 2 of toy, alike. */
#ifndef NTK_TESTS_HTTP_RESCORE_WORLD_H
#define NTK_TESTS_HTTP_RESCORE_WORLD_H

#include "tests/support/daemon.h"

/* ---- the world: made once ------------------------------------------------------------------- */

void rescore_make_world(void);
void rescore_remove_world(void);

/* A path below its folder. Valid until the fourth call after. */
const char *rescore_below(const char *name);

/* An archive below it, of 24 features. */
void rescore_simulate(const char *name, int samples, int seed);

/* ---- the daemon: one a test ----------------------------------------------------------------- */

extern struct ntk_test_daemon rescore_served;

void rescore_start(void);
void rescore_stop(void);

/* Starts what was stopped, with one option more; both NULL: none. */
void rescore_start_with(const char *option, const char *value);
void rescore_restart_by_kill(void);

/* ---- asking: the caller owns what is returned ----------------------------------------------- */

struct ntk_test_reply rescore_get(const char *path, const char *headers);

/* A request without a body, whose reply must have the status. */
json_t *rescore_ask(const char *method, const char *path, int status);

/* POST of {"calibration": "toy", `members`} to `path`. */
json_t *rescore_post(const char *path, const char *headers, const char *members, int status);

/* ... to /v1/rescore, whose reply must have the sentence in its detail. */
void rescore_expect_refusal(const char *members, int status, const char *sentence);

/* ---- jobs ----------------------------------------------------------------------------------- */

/* Starts one of `members`, as above. */
void rescore_begin(const char *members, char id[40]);

/* The same, and waits until it has succeeded. */
void rescore_run(const char *members, char id[40]);

/* A file of a rescore on the disk; "": its folder. Valid until the next call. */
const char *rescore_place(const char *id, const char *name);
int rescore_is_there(const char *path);

#endif
