/* Fits from rows that are read a block at a time, alone and in shares of several processes, against
 * the same fits in memory. */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/crossfit.h"
#include "core/fit.h"
#include "core/random.h"
#include "core/stream.h"
#include "tests/core/example.h"
#include "tests/core/suites.h"

enum { RANKS_MOST = 5 };

struct archive {
    size_t n, d, n_calibration;
    double *features; /* n + n_calibration rows */
    float *values;
    struct ntk_errors errors, calibration_errors;
    double *times;
    size_t reads; /* of one process */
    int broken;   /* the row that cannot be read; -1: none */
};

static struct archive make_archive(size_t n, size_t d, size_t n_calibration, uint64_t seed)
{
    size_t factors = d < 16 ? d : 12, all = n + n_calibration;
    struct example made = example_make(all, d, factors, seed);
    struct archive archive = {.n = n,
                              .d = d,
                              .n_calibration = n_calibration,
                              .features = made.features,
                              .values = made.values,
                              .errors = made.errors,
                              .calibration_errors = made.errors,
                              .times = ntk_matrix_create(1, all),
                              .broken = -1};
    archive.calibration_errors.values += n;
    for (size_t i = 0; i < all; i++)
        archive.times[i] = 86400.0 * (double)i;
    return archive;
}

static void archive_clear(struct archive *archive)
{
    free(archive->features);
    free(archive->values);
    free(archive->times);
}

static enum ntk_status read_rows(void *user, size_t first, size_t count, double *out,
                                 struct ntk_error *error)
{
    struct archive *archive = user;
    __atomic_add_fetch(&archive->reads, 1, __ATOMIC_RELAXED);
    if (archive->broken >= (int)first && archive->broken < (int)(first + count))
        return ntk_fail(error, NTK_NO_INPUT, "row %d is gone", archive->broken);
    memcpy(out, archive->features + first * archive->d, count * archive->d * sizeof *out);
    return NTK_OK;
}

static enum ntk_status read_calibration(void *user, size_t first, size_t count, double *out,
                                        struct ntk_error *error)
{
    const struct archive *archive = user;
    return read_rows(user, archive->n + first, count, out, error);
}

static struct ntk_fit_data data_of(const struct archive *archive)
{
    return (struct ntk_fit_data){.n = archive->n,
                                 .d = archive->d,
                                 .errors = archive->values ? &archive->errors : NULL,
                                 .n_calibration = archive->n_calibration,
                                 .calibration_errors = &archive->calibration_errors,
                                 .valid_time = archive->times,
                                 .calibration_valid_time = archive->times + archive->n,
                                 .n_variables = archive->values ? 1 : 0};
}

static enum ntk_status try_in_memory(const struct archive *archive,
                                     const struct ntk_fit_options *options,
                                     struct ntk_calibration_lead *lead, struct ntk_error *error)
{
    struct ntk_fit_data data = data_of(archive);
    data.features = ntk_matrix_create(archive->n, archive->d);
    memcpy(data.features, archive->features, archive->n * archive->d * sizeof *data.features);
    data.calibration_features = archive->features + archive->n * archive->d;
    return ntk_fit_lead(&data, options, lead, error);
}

/* The share first .. first + count of the fitted rows, and one of the calibration rows. */
static enum ntk_status try_share(struct archive *archive, size_t rank, size_t ranks,
                                 const struct ntk_reduce *reduce,
                                 const struct ntk_fit_options *options,
                                 struct ntk_calibration_lead *lead, struct ntk_error *error)
{
    struct ntk_fit_data data = data_of(archive);
    size_t first = archive->n * rank / ranks, held = archive->n_calibration * rank / ranks;
    struct ntk_row_source rows = {.n = archive->n,
                                  .d = archive->d,
                                  .first = first,
                                  .count = archive->n * (rank + 1) / ranks - first,
                                  .read = read_rows,
                                  .user = archive};
    struct ntk_row_source calibration = rows;
    calibration.n = archive->n_calibration;
    calibration.first = held;
    calibration.count = archive->n_calibration * (rank + 1) / ranks - held;
    calibration.read = read_calibration;
    data.rows = &rows;
    data.calibration_rows = &calibration;
    data.reduce = reduce;
    return ntk_fit_lead(&data, options, lead, error);
}

static enum ntk_status try_streamed(struct archive *archive, const struct ntk_fit_options *options,
                                    struct ntk_calibration_lead *lead, struct ntk_error *error)
{
    return try_share(archive, 0, 1, NULL, options, lead, error);
}

/* ---- processes as threads ------------------------------------------------------------------ */

struct meeting {
    pthread_barrier_t barrier;
    size_t ranks;
    double *values[RANKS_MOST];
    double *total;
};

struct seat {
    struct meeting *meeting;
    size_t rank;
    struct archive *archive;
    const struct ntk_fit_options *options;
    struct ntk_calibration_lead lead;
    struct ntk_error error;
    enum ntk_status status;
};

static enum ntk_status add_up(void *user, double *values, size_t n, struct ntk_error *error)
{
    struct seat *seat = user;
    struct meeting *meeting = seat->meeting;
    (void)error;
    meeting->values[seat->rank] = values;
    pthread_barrier_wait(&meeting->barrier);
    if (seat->rank == 0) {
        meeting->total = ntk_matrix_create(1, n);
        for (size_t r = 0; r < meeting->ranks; r++) {
            for (size_t i = 0; i < n; i++)
                meeting->total[i] += meeting->values[r][i];
        }
    }
    pthread_barrier_wait(&meeting->barrier);
    memcpy(values, meeting->total, n * sizeof *values);
    pthread_barrier_wait(&meeting->barrier);
    if (seat->rank == 0)
        free(meeting->total);
    return NTK_OK;
}

static void *take_seat(void *user)
{
    struct seat *seat = user;
    struct ntk_reduce reduce = {seat->rank, seat->meeting->ranks, add_up, seat};
    seat->status = try_share(seat->archive, seat->rank, seat->meeting->ranks, &reduce,
                             seat->options, &seat->lead, &seat->error);
    return NULL;
}

static void fit_shared(struct archive *archive, const struct ntk_fit_options *options, size_t ranks,
                       struct seat seats[RANKS_MOST])
{
    struct meeting meeting = {.ranks = ranks};
    pthread_t threads[RANKS_MOST];
    pthread_barrier_init(&meeting.barrier, NULL, (unsigned)ranks);
    for (size_t r = 0; r < ranks; r++) {
        seats[r] =
            (struct seat){.meeting = &meeting, .rank = r, .archive = archive, .options = options};
        ck_assert_int_eq(pthread_create(&threads[r], NULL, take_seat, &seats[r]), 0);
    }
    for (size_t r = 0; r < ranks; r++)
        pthread_join(threads[r], NULL);
    pthread_barrier_destroy(&meeting.barrier);
}

/* ---- equal --------------------------------------------------------------------------------- */

static void compare_values(const char *what, const double *a, const double *b, size_t n,
                           double scale, double bound)
{
    for (size_t i = 0; i < n; i++) {
        double own = scale > 0 ? scale : fmax(fabs(a[i]), 1e-300);
        if (isnan(a[i]) && isnan(b[i]))
            continue;
        ck_assert_msg(fabs(a[i] - b[i]) <= bound * own || a[i] == b[i], "%s %zu: %.17g and %.17g",
                      what, i, a[i], b[i]);
    }
}

static void compare_sigma(const struct archive *archive, const struct ntk_calibration_lead *a,
                          const struct ntk_calibration_lead *b, double bound)
{
    double *work = ntk_matrix_create(1, ntk_posterior_work_size(&a->posterior));
    for (size_t i = 0; i < archive->n + archive->n_calibration; i++) {
        struct ntk_variance x, y;
        ntk_posterior_eval(&a->posterior, archive->features + i * archive->d, work, &x);
        ntk_posterior_eval(&b->posterior, archive->features + i * archive->d, work, &y);
        ck_assert_msg(fabs(x.sigma / y.sigma - 1) <= bound, "sample %zu: sigma %.17g and %.17g", i,
                      x.sigma, y.sigma);
    }
    free(work);
}

static void compare_models(const struct ntk_interval_model *a, const struct ntk_interval_model *b,
                           double bound)
{
    ck_assert_uint_eq(a->n_samples, b->n_samples);
    ck_assert_uint_eq(a->n_scores, b->n_scores);
    ck_assert_uint_eq(a->error.terms.scale_terms, b->error.terms.scale_terms);
    ck_assert_int_eq(a->error.terms.proportional, b->error.terms.proportional);
    if (a->n_scores)
        compare_values("score", a->scores, b->scores, a->n_scores, a->scores[a->n_scores - 1],
                       bound);
}

static void compare(const struct archive *archive, const struct ntk_calibration_lead *a,
                    const struct ntk_calibration_lead *b, double bound)
{
    ck_assert_uint_eq(a->n, b->n);
    ck_assert_uint_eq(a->count, b->count);
    ck_assert_uint_eq(a->rank, b->rank);
    ck_assert_int_eq(a->method, b->method);
    if (a->n > archive->d)
        ck_assert_int_eq(a->route, b->route);
    ck_assert_uint_eq(a->posterior.k, b->posterior.k);
    ck_assert_uint_eq(a->n_sweep, b->n_sweep);
    compare_values("eigenvalue", a->eigenvalues, b->eigenvalues, a->count, a->eigenvalues[0],
                   bound);
    compare_values("mean", a->standardise.feature_mean, b->standardise.feature_mean, archive->d, 0,
                   bound);
    compare_values("noise", &a->posterior.noise_variance, &b->posterior.noise_variance, 1, 0,
                   bound);
    compare_sigma(archive, a, b, bound);
    for (size_t s = 0; s < a->n_sweep; s++) {
        compare_values("crps", &a->sweep[s].crps, &b->sweep[s].crps, 1, 0, bound);
        compare_values("coverage", &a->sweep[s].coverage, &b->sweep[s].coverage, 1, 0, bound);
    }
    ck_assert_uint_eq(a->n_prior, b->n_prior);
    if (a->prior_reference)
        compare_values("prior", a->prior_reference, b->prior_reference, a->n_prior, 0, bound);
    if (a->distance_reference)
        compare_values("distance", a->distance_reference, b->distance_reference, a->n_prior, 0,
                       bound);
    for (size_t v = 0; v < a->n_variables; v++)
        compare_models(&a->variables[v].model, &b->variables[v].model, 10 * bound);
}

static void check(struct archive *archive, const struct ntk_fit_options *options, double bound)
{
    struct ntk_calibration_lead whole, streamed;
    struct ntk_error error = {""};
    ck_assert_msg(!try_in_memory(archive, options, &whole, &error), "%s", error.text);
    ck_assert_msg(!try_streamed(archive, options, &streamed, &error), "%s", error.text);
    ck_assert_str_eq(whole.rank_reason, streamed.rank_reason);
    compare(archive, &whole, &streamed, bound);
    ntk_calibration_lead_clear(&whole);
    ntk_calibration_lead_clear(&streamed);
}

static struct ntk_fit_options svd(void)
{
    struct ntk_fit_options options = ntk_fit_defaults;
    options.method = NTK_CHOOSE_SVD;
    return options;
}

START_TEST(a_streamed_fit_is_the_fit_in_memory)
{
    static const struct {
        size_t n, d, calibration;
    } sizes[] = {{400, 30, 0}, {3001, 96, 0}, {500, 40, 100}, {101, 100, 0}, {1003, 1, 0}};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        struct archive archive = make_archive(sizes[s].n, sizes[s].d, sizes[s].calibration, 7 + s);
        struct ntk_fit_options options = svd();
        check(&archive, &options, 1e-10);
        options.standardise = NTK_STANDARDISE_PER_CHANNEL;
        check(&archive, &options, 1e-10);
        options.variance_mode = NTK_VARIANCE_REFERENCE;
        check(&archive, &options, 1e-10);
        options = svd();
        options.noise = NTK_NOISE_VALIDATE;
        options.rank = 4;
        check(&archive, &options, 1e-10);
        archive_clear(&archive);
    }
}
END_TEST

START_TEST(with_fewer_samples_than_features_too)
{
    struct archive archive = make_archive(90, 120, 0, 3);
    struct ntk_fit_options options = svd();
    check(&archive, &options, 1e-10);
    archive_clear(&archive);
}
END_TEST

START_TEST(with_nothing_to_score_no_folds_are_needed)
{
    struct archive archive = make_archive(300, 20, 50, 4);
    struct ntk_fit_options options = svd();
    free(archive.values);
    archive.values = NULL;
    options.select = NTK_SELECT_RULE;
    check(&archive, &options, 1e-10);
    ck_assert_uint_le(archive.reads, 4); /* one look ahead, one sweep, the calibration samples */
    archive_clear(&archive);
}
END_TEST

START_TEST(channels_that_are_dead_or_nearly_others_change_nothing)
{
    struct archive archive = make_archive(700, 30, 0, 5);
    struct ntk_random random;
    ntk_random_init(&random, 1);
    for (size_t i = 0; i < archive.n; i++) {
        double *row = archive.features + i * archive.d;
        row[3] = 0;
        row[4] = 1;
        row[7] = row[8] + row[9];
        row[11] = row[12] + 1e-7 * ntk_random_normal(&random); /* lambda 1e-16 of the largest */
        row[15] = (double)(float)(row[16] + row[17]);
    }
    struct ntk_fit_options options = svd();
    check(&archive, &options, 1e-10);
    options.standardise = NTK_STANDARDISE_PER_CHANNEL;
    check(&archive, &options, 1e-10);
    archive_clear(&archive);
}
END_TEST

START_TEST(a_drifting_mean_far_from_zero_costs_no_digits)
{
    struct archive archive = make_archive(2000, 25, 0, 6);
    for (size_t i = 0; i < archive.n * archive.d; i++)
        archive.features[i] = 1e4 + archive.features[i] + (double)(i / archive.d) / 200;
    struct ntk_fit_options options = svd();
    check(&archive, &options, 1e-9);
    for (size_t i = 0; i < archive.n * archive.d; i++)
        archive.features[i] *= 1e-120;
    check(&archive, &options, 1e-9);
    archive_clear(&archive);
}
END_TEST

START_TEST(components_are_the_same)
{
    struct archive archive = make_archive(1500, 14, 0, 8);
    struct ntk_fit_options options = ntk_fit_defaults;
    options.method = NTK_CHOOSE_ICA;
    check(&archive, &options, 1e-10);
    options.method = NTK_CHOOSE_AUTO;
    options.select = NTK_SELECT_VALIDATE;
    check(&archive, &options, 1e-10);
    archive_clear(&archive);
}
END_TEST

static void check_shares(struct archive *archive, const struct ntk_fit_options *options,
                         double bound)
{
    struct ntk_calibration_lead whole;
    struct seat alone[RANKS_MOST], seats[RANKS_MOST];
    struct ntk_error error = {""};
    ck_assert_msg(!try_in_memory(archive, options, &whole, &error), "%s", error.text);
    fit_shared(archive, options, 1, alone);
    ck_assert_msg(!alone[0].status, "%s", alone[0].error.text);
    for (size_t ranks = 2; ranks <= RANKS_MOST; ranks++) {
        fit_shared(archive, options, ranks, seats);
        for (size_t r = 0; r < ranks; r++) {
            ck_assert_msg(!seats[r].status, "%s", seats[r].error.text);
            compare(archive, &alone[0].lead, &seats[r].lead, bound);
            compare(archive, &whole, &seats[r].lead, bound);
            ck_assert_double_eq(seats[r].lead.posterior.noise_variance,
                                seats[0].lead.posterior.noise_variance);
        }
        for (size_t r = 0; r < ranks; r++)
            ntk_calibration_lead_clear(&seats[r].lead);
    }
    ntk_calibration_lead_clear(&alone[0].lead);
    ntk_calibration_lead_clear(&whole);
}

START_TEST(shares_of_the_rows_give_what_all_of_them_give)
{
    struct archive archive = make_archive(803, 30, 77, 9);
    struct ntk_fit_options options = svd();
    check_shares(&archive, &options, 1e-10);
    archive.n_calibration = 0;
    check_shares(&archive, &options, 1e-10);
    archive_clear(&archive);
}
END_TEST

START_TEST(shares_find_the_same_components)
{
    struct archive archive = make_archive(1200, 13, 0, 10);
    struct ntk_fit_options options = ntk_fit_defaults;
    options.method = NTK_CHOOSE_ICA;
    check_shares(&archive, &options, 1e-8); /* numbers that float32 rounds the other way */
    archive_clear(&archive);
}
END_TEST

/* ---- FastICA in shares ---------------------------------------------------------------------- */

struct share {
    struct seat seat; /* for the sums */
    const double *z;
    size_t first, count, m;
    struct ntk_ica_options options;
    struct ntk_ica *ica;
};

static void *find_components(void *user)
{
    struct share *share = user;
    struct ntk_reduce reduce = {share->seat.rank, share->seat.meeting->ranks, add_up, &share->seat};
    share->options.reduce = &reduce;
    share->seat.status = ntk_ica_fit(share->z + share->first * share->m, share->count, share->m,
                                     &share->options, &share->ica, &share->seat.error);
    return NULL;
}

/* Rotated sources of unit variance and zero mean, skewed each in its own way. */
static double *make_sources(size_t n, size_t m)
{
    struct ntk_random random;
    double *z = ntk_matrix_create(n, m);
    ntk_random_init(&random, 14);
    for (size_t j = 0; j < m; j++) {
        double mean = 0, squares = 0;
        for (size_t i = 0; i < n; i++) {
            double g = ntk_random_normal(&random);
            z[i * m + j] = g * fabs(g) + (double)j * 0.1 * g;
            mean += z[i * m + j] / (double)n;
            squares += z[i * m + j] * z[i * m + j] / (double)n;
        }
        for (size_t i = 0; i < n; i++)
            z[i * m + j] = (z[i * m + j] - mean) / sqrt(squares - mean * mean);
    }
    return z;
}

START_TEST(averages_over_shares_find_the_components_of_all)
{
    enum { N = 1003, M = 6 };
    const size_t bounds[] = {0, 0, 400, 401, N}; /* none, many, one, the rest */
    double *z = make_sources(N, M);
    struct ntk_ica_options options = ntk_ica_defaults;
    struct ntk_ica *alone = NULL;
    struct ntk_error error = {""};
    struct meeting meeting = {.ranks = 4};
    struct share shares[4];
    pthread_t threads[4];
    options.wide = 1;
    ck_assert_msg(!ntk_ica_fit(z, N, M, &options, &alone, &error), "%s", error.text);
    pthread_barrier_init(&meeting.barrier, NULL, 4);
    for (size_t r = 0; r < 4; r++) {
        shares[r] = (struct share){.seat = {.meeting = &meeting, .rank = r},
                                   .z = z,
                                   .first = bounds[r],
                                   .count = bounds[r + 1] - bounds[r],
                                   .m = M,
                                   .options = options};
        ck_assert_int_eq(pthread_create(&threads[r], NULL, find_components, &shares[r]), 0);
    }
    for (size_t r = 0; r < 4; r++)
        pthread_join(threads[r], NULL);
    for (size_t r = 0; r < 4; r++) {
        ck_assert_msg(!shares[r].seat.status, "%s", shares[r].seat.error.text);
        ck_assert_uint_eq(shares[r].ica->iterations, alone->iterations);
        compare_values("unmixing", alone->unmixing, shares[r].ica->unmixing, (size_t)M * M, 1,
                       1e-10);
        compare_values("negentropy", alone->negentropy, shares[r].ica->negentropy, M, 0, 1e-10);
        ck_assert_mem_eq(shares[0].ica->unmixing, shares[r].ica->unmixing,
                         (size_t)M * M * sizeof(double));
    }
    for (size_t r = 0; r < 4; r++)
        ntk_ica_free(shares[r].ica);
    pthread_barrier_destroy(&meeting.barrier);
    ntk_ica_free(alone);
    free(z);
}
END_TEST

START_TEST(a_process_may_have_no_rows)
{
    struct archive archive = make_archive(4, 3, 0, 11);
    struct ntk_fit_options options = ntk_fit_defaults;
    options.select = NTK_SELECT_RULE;
    check_shares(&archive, &options, 1e-9);
    archive_clear(&archive);
}
END_TEST

static void check_refusal(struct archive *archive)
{
    struct ntk_calibration_lead lead;
    struct ntk_error whole = {""}, streamed = {""};
    struct ntk_fit_options options = svd();
    enum ntk_status expected = try_in_memory(archive, &options, &lead, &whole);
    ck_assert_int_ne(expected, NTK_OK);
    ck_assert_int_eq(try_streamed(archive, &options, &lead, &streamed), expected);
    ck_assert_str_eq(whole.text, streamed.text);
}

START_TEST(refusals_have_the_same_words)
{
    struct archive archive = make_archive(60, 5, 0, 12);
    archive.features[31 * 5 + 2] = NAN;
    check_refusal(&archive);
    archive.features[31 * 5 + 2] = INFINITY;
    check_refusal(&archive);
    for (size_t i = 0; i < 300; i++)
        archive.features[i] = 1e5 + 0.1 * (double)(i % 5);
    check_refusal(&archive);
    for (size_t i = 0; i < 30; i++) /* the first two folds alone differ */
        archive.features[i] += i < 30 ? (double)(i / 5 % 3) : 0;
    check_refusal(&archive);
    memset(archive.features, 0, 300 * sizeof(double));
    check_refusal(&archive);
    archive.n = 1;
    check_refusal(&archive);
    archive_clear(&archive);
}
END_TEST

START_TEST(a_row_that_cannot_be_read_is_passed_up)
{
    struct archive archive = make_archive(60, 5, 0, 13);
    struct ntk_calibration_lead lead;
    struct ntk_error error = {""};
    struct ntk_fit_options options = svd();
    archive.broken = 59;
    ck_assert_int_eq(try_streamed(&archive, &options, &lead, &error), NTK_NO_INPUT);
    ck_assert_str_eq(error.text, "row 59 is gone");
    archive_clear(&archive);
}
END_TEST

Suite *ntk_suite_stream(void)
{
    Suite *suite = suite_create("stream");
    TCase *tests = tcase_create("stream");
    tcase_set_timeout(tests, 300);
    tcase_add_test(tests, a_streamed_fit_is_the_fit_in_memory);
    tcase_add_test(tests, with_fewer_samples_than_features_too);
    tcase_add_test(tests, with_nothing_to_score_no_folds_are_needed);
    tcase_add_test(tests, channels_that_are_dead_or_nearly_others_change_nothing);
    tcase_add_test(tests, a_drifting_mean_far_from_zero_costs_no_digits);
    tcase_add_test(tests, components_are_the_same);
    tcase_add_test(tests, shares_of_the_rows_give_what_all_of_them_give);
    tcase_add_test(tests, shares_find_the_same_components);
    tcase_add_test(tests, averages_over_shares_find_the_components_of_all);
    tcase_add_test(tests, a_process_may_have_no_rows);
    tcase_add_test(tests, refusals_have_the_same_words);
    tcase_add_test(tests, a_row_that_cannot_be_read_is_passed_up);
    suite_add_tcase(suite, tests);
    return suite;
}
