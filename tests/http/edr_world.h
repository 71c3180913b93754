/* A daemon with recorded intervals whose every value is known.
 *
 * globe: a grid of 5 latitudes (60 to -60) and 8 longitudes (0 to 315), version 1 and 2, forecasts
 * of 3 and 4 January 2014, 06 UTC. Variable t (levels 0.5 and 0.9) at 6, 12 and 24 hours, w (level
 * 0.8) at 6 and 24 hours; version 2 has t at 12 hours of the second day alone. The lower end at
 * level 0.9 is unbounded at place 3 (t, 6 h). towns: four single places, t at 6 hours. fine: a grid
 * of 240000 places, t at 6 and 12 hours. nowhere: a calibration without places.
 */
#ifndef NTK_TESTS_EDR_WORLD_H
#define NTK_TESTS_EDR_WORLD_H

#include <stddef.h>
#include <stdint.h>

#include "tests/support/daemon.h"

#define WORLD_DAY_1 INT64_C(1388728800) /* 2014-01-03T06:00:00Z */
#define WORLD_DAY_2 INT64_C(1388815200)

enum { WORLD_ROWS = 5, WORLD_COLUMNS = 8, WORLD_TOWNS = 4, FINE_ROWS = 400, FINE_COLUMNS = 600 };
extern const double world_latitude[WORLD_ROWS], world_longitude[WORLD_COLUMNS];
extern const double town_latitude[WORLD_TOWNS], town_longitude[WORLD_TOWNS];

extern struct ntk_test_daemon world_daemon;

void world_start_daemon(void);
void world_stop_daemon(void);

/* A recorded value: `side` -1, 0, 1 for the lower end, the forecast, the upper end; `level` counts
 * from 0. */
double world_value(char variable, unsigned version, double lead_hours, int64_t time, int side,
                   size_t level, size_t place);

#endif
