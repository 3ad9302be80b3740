/* Temperatures fitted to random logits, compared with a dense scan of the likelihood; and the logit
 * store. */
#include "predict_test.h"

#include "eval/metrics.h"
#include "layers.h"
#include "predict/logit_store.h"
#include "predict/temperature.h"

#define SEQUENCES 300
#define RANKS 5
#define COLUMNS 17

/* Ranks: overconfident, underconfident, always right, worse than chance, unknown truth. */
enum { SURE, SHY, RIGHT, WRONG, UNKNOWN };

static const dt_class_layout layout = {.tax_ranks = RANKS, .first = {0, 3, 8, 11, 14, COLUMNS}};
static float logits[SEQUENCES][COLUMNS];
static int32_t labels[SEQUENCES][RANKS];
static const dt_heldout heldout = {
    .layout = &layout, .logits = logits[0], .labels = labels[0], .count = SEQUENCES};

static uint32_t seed = 11;

static double draw(void)
{
    seed = seed * 1664525u + 1013904223u;
    return (double)(seed >> 8) / (double)(1u << 24);
}

/* Draws a class with the probabilities softmax(z). */
static int32_t draw_class(const double *z, int32_t classes)
{
    double sum = 0.0;
    for (int32_t c = 0; c < classes; ++c)
        sum += exp(z[c]);
    double left = draw() * sum;
    for (int32_t c = 0; c < classes; ++c)
        if ((left -= exp(z[c])) <= 0.0)
            return c;
    return classes - 1;
}

static int set_up(void **state)
{
    static const double scale[RANKS] = {2.5, 0.4, 1.0, 1.0, 1.0};
    for (int32_t i = 0; i < SEQUENCES; ++i) {
        for (int32_t r = 0; r < RANKS; ++r) {
            const int32_t classes = layout.first[r + 1] - layout.first[r];
            float *row = &logits[i][layout.first[r]];
            double z[COLUMNS];
            int32_t best = 0;
            int32_t worst = 0;
            for (int32_t c = 0; c < classes; ++c) {
                z[c] = 6.0 * draw() - 3.0;
                row[c] = (float)(z[c] * scale[r]);
                best = row[c] > row[best] ? c : best;
                worst = row[c] < row[worst] ? c : worst;
            }
            labels[i][r] = r == RIGHT     ? best
                           : r == WRONG   ? worst
                           : r == UNKNOWN ? -1
                                          : draw_class(z, classes);
        }
        if (i % 7 == 0)
            labels[i][SURE] = -1; /* these must not count */
    }
    return enter_folder(state);
}

/* Mean negative log-likelihood and calibration error at a temperature, from the definition. */
static double loss_at(int32_t r, double temperature, double *error)
{
    dt_calibration calibration = {0};
    double loss = 0.0;
    int64_t known = 0;
    for (int32_t i = 0; i < SEQUENCES; ++i) {
        if (labels[i][r] < 0)
            continue;
        const float *z = &logits[i][layout.first[r]];
        const int32_t classes = layout.first[r + 1] - layout.first[r];
        double sum = 0.0;
        int32_t best = 0;
        for (int32_t c = 0; c < classes; ++c) {
            sum += exp((double)z[c] / temperature);
            best = z[c] > z[best] ? c : best;
        }
        loss -= log(exp((double)z[labels[i][r]] / temperature) / sum);
        dt_calibration_add(&calibration, exp((double)z[best] / temperature) / sum,
                           best == labels[i][r]);
        known++;
    }
    *error = dt_calibration_error(&calibration);
    return loss / (double)known;
}

static void fit(dt_rank_fit *out, int threads)
{
    dt_pool *pool;
    ASSERT_OK(dt_pool_create(&pool, threads));
    ASSERT_OK(dt_fit_temperatures(out, &heldout, pool));
    dt_pool_destroy(pool);
}

static void the_fit_is_the_minimum_of_a_dense_scan(void **state)
{
    (void)state;
    dt_rank_fit out[RANKS];
    fit(out, 2);
    for (int32_t r = SURE; r <= SHY; ++r) {
        double error;
        double best = 0.0;
        double least = HUGE_VAL;
        for (double t = 0.1; t < 10.0; t *= 1.001) {
            const double loss = loss_at(r, t, &error);
            best = loss < least ? t : best;
            least = loss < least ? loss : least;
        }
        assert_int_equal(out[r].outcome, DT_FIT_FOUND);
        assert_true(fabs(out[r].temperature / best - 1.0) < 1.1e-3);
        assert_true(out[r].loss_after <= least + 1e-12);
        assert_true(fabs(out[r].loss_before - loss_at(r, 1.0, &error)) < 1e-9);
        assert_true(fabs(out[r].error_before - error) < 1e-6);
        assert_true(fabs(out[r].loss_after - loss_at(r, out[r].temperature, &error)) < 1e-9);
        assert_true(fabs(out[r].error_after - error) < 1e-6);
        assert_true(out[r].error_after < out[r].error_before);
        assert_true(fabs(loss_at(r, out[r].temperature * 1.0001, &error)) > out[r].loss_after);
        assert_true(fabs(loss_at(r, out[r].temperature / 1.0001, &error)) > out[r].loss_after);
    }
    /* the logits were drawn with these scales */
    assert_true(out[SURE].temperature > 2.0 && out[SURE].temperature < 3.2);
    assert_true(out[SHY].temperature > 0.3 && out[SHY].temperature < 0.5);
    assert_int_equal(out[SURE].known, SEQUENCES - (SEQUENCES + 6) / 7);
    assert_int_equal(out[SHY].known, SEQUENCES);
}

static void ranks_without_a_minimum_keep_their_logits(void **state)
{
    (void)state;
    dt_rank_fit out[RANKS];
    fit(out, 1);
    assert_int_equal(out[RIGHT].outcome, DT_FIT_ALL_RIGHT);
    assert_int_equal(out[RIGHT].right, SEQUENCES);
    assert_int_equal(out[WRONG].outcome, DT_FIT_NO_MINIMUM);
    assert_int_equal(out[WRONG].right, 0);
    assert_int_equal(out[UNKNOWN].outcome, DT_FIT_NO_TRUTH);
    assert_true(isnan(out[UNKNOWN].error_before));
    for (int32_t r = RIGHT; r <= UNKNOWN; ++r)
        assert_true(out[r].temperature == 1.0);
}

static void threads_do_not_change_a_bit(void **state)
{
    (void)state;
    dt_rank_fit one[RANKS];
    dt_rank_fit three[RANKS];
    fit(one, 1);
    fit(three, 3);
    for (int32_t r = 0; r < RANKS; ++r) {
        assert_true(one[r].temperature == three[r].temperature);
        assert_true(one[r].loss_after == three[r].loss_after || r == UNKNOWN);
    }
}

static void logits_that_are_not_finite_are_refused(void **state)
{
    (void)state;
    dt_rank_fit out[RANKS];
    dt_pool *pool;
    const float before = logits[5][4];
    ASSERT_OK(dt_pool_create(&pool, 2));
    logits[5][4] = NAN;
    ASSERT_FAILS(DT_ERR_NUMERIC, "is not finite", dt_fit_temperatures(out, &heldout, pool));
    logits[5][4] = before;
    dt_pool_destroy(pool);
}

static void the_store_returns_what_was_added_and_leaves_no_file(void **state)
{
    (void)state;
    dt_logit_store store;
    ASSERT_OK(dt_make_folder("store"));
    ASSERT_OK(dt_logit_store_create(&store, "store", RANKS, COLUMNS));
    assert_int_equal(count_files("store"), 0);
    for (int32_t i = 0; i < SEQUENCES; ++i) {
        double wide[COLUMNS];
        for (int c = 0; c < COLUMNS; ++c)
            wide[c] = (double)logits[i][c];
        ASSERT_OK(dt_logit_store_add(&store, i % 2 ? (const void *)wide : logits[i], i % 2 ? 8 : 4,
                                     labels[i]));
    }
    ASSERT_OK(dt_logit_store_map(&store));
    assert_int_equal(store.count, SEQUENCES);
    assert_memory_equal(store.logits, logits, sizeof logits);
    assert_memory_equal(store.labels, labels, sizeof labels);
    dt_logit_store_close(&store);
    ASSERT_FAILS(DT_ERR_IO, "absent: cannot create the temporary file",
                 dt_logit_store_create(&store, "absent", RANKS, COLUMNS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_fit_is_the_minimum_of_a_dense_scan),
        cmocka_unit_test(ranks_without_a_minimum_keep_their_logits),
        cmocka_unit_test(threads_do_not_change_a_bit),
        cmocka_unit_test(logits_that_are_not_finite_are_refused),
        cmocka_unit_test(the_store_returns_what_was_added_and_leaves_no_file),
    };
    return cmocka_run_group_tests_name("temperature", tests, set_up, leave_folder);
}
