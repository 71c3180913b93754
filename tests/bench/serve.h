/* Fits on request, for tests/bench/rivals.py: a line in, the seconds it took out, so that a rival
 * in another language is measured in turns with ours.
 *
 *   fit PATH N D K        standardise, spectrum and K directions of N x D doubles in a file
 *   ica PATH N D M OUT    centre, whiten to M dimensions, FastICA; the unmixing of mixtures (M x D)
 *                         is written to OUT
 *
 * Answers `SECONDS` or, of ica, `SECONDS SECONDS_OF_FASTICA STARTS ITERATIONS CONVERGED`. */
#ifndef NTK_BENCH_SERVE_H
#define NTK_BENCH_SERVE_H

/* Serves standard input to its end; 0, or 1 after a line it cannot serve. */
int ntk_bench_serve(void);

#endif
