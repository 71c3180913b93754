/* A daemon with small calibrations whose issued intervals and truths are known functions of the
 * day: what the suites of the ledger share. Any failure ends the test.
 *
 * Calibrations toy (versions 1 and 2, of one width) and other (version 1, whose width follows
 * sigma) have one lead time of 24 hours, a wind at four stations and an energy. Day 0 is
 * 2014-01-01. */
#ifndef NTK_TESTS_HTTP_LEDGER_WORLD_H
#define NTK_TESTS_HTTP_LEDGER_WORLD_H

#include <jansson.h>

#include "tests/support/daemon.h"

enum { NTK_WORLD_FEATURES = 5, NTK_WORLD_STATIONS = 4 };

/* Makes the daemon's folder and fits; the caller starts the daemon. */
void ntk_world_create(struct ntk_test_daemon *daemon);

/* The archive that was fitted, of `samples` days from day `first` on, whose truths are those of
 * ntk_world_truth; its first feature is multiplied by `stretch`. */
void ntk_world_write_archive(const char *path, int first, int samples, double stretch);

/* Fits state/calibrations/NAME/VERSION.safetensors; `options` ends with NULL. */
void ntk_world_fit(const struct ntk_test_daemon *daemon, const char *archive, const char *name,
                   unsigned version, const char *const *options);

/* What is forecast and what verifies on a day, at a station of the wind; the energy is at
 * NTK_WORLD_STATIONS. Floats: what a NetCDF file says of them too. */
double ntk_world_forecast(int day, int place);
double ntk_world_truth(int day, int place);

/* 2014-01-03T00:00:00Z. Valid until the fourth call after. */
const char *ntk_world_time(int day);

/* One request with a JSON body (NULL: none), and a reply that must have the status; NULL json when
 * it has no JSON. */
json_t *ntk_world_send(const struct ntk_test_daemon *daemon, const char *method, const char *path,
                       const char *headers, json_t *body, int status);

/* The text of a reply to GET, which must be 200; the caller frees it. */
char *ntk_world_get(const struct ntk_test_daemon *daemon, const char *path);

/* The query that asks for intervals of days first .. first + n, with members of `rest` over its
 * own; `rest` is taken, and may be NULL. */
json_t *ntk_world_query(const char *calibration, int first, int n, json_t *rest);

/* Records those days, and gives the reply. */
json_t *ntk_world_record(const struct ntk_test_daemon *daemon, const char *calibration, int first,
                         int n);

/* {"variable": ..., ...} with value or values of a day. `calibration` may be NULL. */
json_t *ntk_world_truth_wind(const char *calibration, int day);
json_t *ntk_world_truth_energy(const char *calibration, int day);
json_t *ntk_world_truth_place(const char *calibration, int day, int place);

/* POST /v1/truths of an array, which is taken. */
json_t *ntk_world_verify(const struct ntk_test_daemon *daemon, json_t *truths, int replace,
                         int status);

/* All bodies that depend on records and truths, one after another; the caller frees them. */
char *ntk_world_state(const struct ntk_test_daemon *daemon);

#endif
