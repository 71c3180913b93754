/* What the commands of the bench program share. It serves timings to tests/bench/bench.py: a line
 * in, seconds out, so that rivals in Python take turns with ours, and all the waiting, repeating
 * and dividing is in one place.
 *
 * A command is a name and its words; it answers one line of numbers. What it needs is made when it
 * is first asked for and kept until other sizes are asked for. Whatever fails aborts: a benchmark
 * has nobody to tell. One thread, but where a command says how many.
 */
#ifndef NTK_BENCH_H
#define NTK_BENCH_H

#include <stddef.h>

#include "core/posterior.h"

enum { NTK_BENCH_WORDS = 8 };

struct ntk_bench_command {
    const char *name;
    size_t words; /* besides the name */
    void (*run)(char **words);
};

/* query.c: seconds a call for one sample.
 *   sigma D K CALLS       ntk_posterior_eval_f32
 *   sgemv D K CALLS       the product alone; dgemv the same in double */
extern const struct ntk_bench_command ntk_bench_sigma, ntk_bench_sgemv, ntk_bench_dgemv;

/* field.c: seconds for N samples.
 *   batch N D K THREADS   ntk_posterior_batch_sigma
 *   sgemm N D K BLOCK     the product alone, BLOCK rows at a time
 *   fused N THREADS       the hand-written loop, 256 features and 10 directions; then the largest
 *                         difference of its sigma from ours, as a share of ours
 *   read N D THREADS      the sum of the features: what reading costs */
extern const struct ntk_bench_command ntk_bench_batch, ntk_bench_sgemm, ntk_bench_fused,
    ntk_bench_read;

/* fit.c: seconds; doubles are read from a file.
 *   fit PATH N D K        standardise, spectrum and K directions of N x D doubles
 *   ica PATH N D M OUT    centre, whiten to M dimensions, FastICA; then the seconds of FastICA
 * alone, starts, iterations, whether it converged. The unmixing of the mixtures (M x D) is written
 * to OUT */
extern const struct ntk_bench_command ntk_bench_fit, ntk_bench_ica;

/* text.c: seconds a call for a JSON request of D features, printed with so many digits.
 *   json D DIGITS CALLS     to float32 features, as the daemon reads it
 *   jansson D DIGITS CALLS  jansson's document of it, and its numbers as float32 */
extern const struct ntk_bench_command ntk_bench_json, ntk_bench_jansson;

/* empty.c: a libmicrohttpd handler that reads and drops bodies, on two threads until the end.
 *   empty                 answers its port */
extern const struct ntk_bench_command ntk_bench_empty;

/* verify.c: seconds for one variable, one lead time, the level 0.9.
 *   verify N POINTS       ntk_verify: coverage, CRPS, interval score, PIT; then the coverage
 *   tally N POINTS        ntk_tally_count of each row: the same as sums; then the coverage */
extern const struct ntk_bench_command ntk_bench_verify, ntk_bench_tally;

double ntk_bench_now(void);
size_t ntk_bench_size(const char *word);

/* n x d normal numbers around 3, the same for the same seed; owned by the caller. */
double *ntk_bench_normal(size_t n, size_t d, unsigned seed);

/* n x d float32 features, cheaply: a field has 2.7e8 of them. Aligned to cache lines. */
float *ntk_bench_features(size_t n, size_t d);

/* k cosines as directions, for such features; cleared by the caller. */
struct ntk_posterior ntk_bench_posterior(size_t d, size_t k);

/* A JSON query about one sample; `out` has room for 32 bytes a feature and 200. Gives its size. */
size_t ntk_bench_print_query(char *out, const double *features, size_t d, int digits);

#endif
