/* Archives whose errors are known, made for one test and gone after it, and ntkuq run on them. Any
 * failure ends the test. */
#ifndef NTK_TESTS_CLI_WORLD_H
#define NTK_TESTS_CLI_WORLD_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* A forecast every second day of one variable, w, at stations ten degrees of latitude apart; the
 * lead times are 24 h, 48 h, ... */
struct world {
    size_t n, leads, stations, d, covariates;
    float *features;         /* n x leads x d */
    float *forecast, *truth; /* n x leads x stations */
    float *covariate;        /* n x covariates; room for two */
    signed char *event;      /* n; NULL: none */
};

/* What apply wrote for w; `size` values of each, limits of the levels one after the other. */
struct applied {
    size_t size;
    double *forecast, *lower, *upper, *flag;
    double *sigma; /* n x leads */
};

/* Paths in a folder that exists from world_start to world_end. */
struct world_paths {
    char archive[64], fresh[64], calibration[64], output[64], printed[64];
};
extern struct world_paths world_paths;

void world_start(void);
void world_end(void); /* frees all worlds and what was applied, too */

/* Memory until world_end. */
void *world_keep(void *memory);

/* Independent normal features; forecasts around 20; truths are forecasts less independent normal
 * errors of unit variance; normal covariates, which are not written. */
struct world *world_make(size_t n, size_t leads, size_t stations, size_t d, uint64_t seed);

/* Forty stations; half of the variance of the errors is common to all stations of a sample. */
struct world *world_make_correlated(size_t n, uint64_t seed);

/* Two covariates, of which the first is the logarithm of the size of the errors. */
struct world *world_make_covariate(uint64_t seed);

/* The size of the errors follows the first feature. Forecasts are near zero, so that a limit is as
 * precise as the width. */
struct world *world_make_uneven(uint64_t seed);

void world_write(const struct world *w, const char *path);

/* Runs ntkuq with words separated by blanks and gives its exit code. */
int world_ntkuq(const char *words);

/* What it printed: freed by world_end, or JSON for the caller to free. */
const char *world_printed(void);
json_t *world_printed_json(void);

/* These must succeed. Options are words; fit reads `archive` and apply the path given. */
void world_fit(const char *options);
struct applied world_apply(const char *options, const char *archive);
json_t *world_report(const char *options);
json_t *world_inspect(void);

#endif
