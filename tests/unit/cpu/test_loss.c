#include "core/update_rule.h"
#include "cpu_test.h"

enum { SEQUENCES = 5, RANKS = 3, CLASSES = 2 + 19 + 301 };

static const dt_class_layout layout = {.tax_ranks = RANKS, .first = {0, 2, 21, CLASSES}};
static const int32_t lengths[SEQUENCES] = {1, 2, 3, 1, 1};
static const double level_scale[RANKS] = {0.5, 0.25, 2.0};
static test_batch storage;

static const dt_batch *labelled_batch(void)
{
    make_batch(&storage, lengths, SEQUENCES, 5);
    storage.batch.tax_ranks = RANKS;
    storage.batch.labels = storage.labels;
    memcpy(storage.batch.loss_scale, level_scale, sizeof level_scale);
    for (int i = 0; i < SEQUENCES * RANKS; ++i) {
        const int r = i % RANKS;
        storage.labels[i] = (i * 37) % (layout.first[r + 1] - layout.first[r]);
    }
    storage.labels[4] = -1; /* sequence 1, tax_rank 1: unknown */
    return &storage.batch;
}

typedef struct {
    dt_backend *backend;
    const dt_device_batch *batch;
    void *logits;
    void *weights;
} setup;

static setup start(const char *build, const double *logits, const double *weights)
{
    setup s = {.backend = open_backend(build, 2)};
    dt_backend *be = s.backend;
    ASSERT_OK(be->ops->batch_reserve(be, SEQUENCES, 64, RANKS));
    ASSERT_OK(be->ops->vectors_alloc(be, 4, true));
    s.batch = be->ops->batch_upload(be, labelled_batch());
    ASSERT_OK(be->ops->alloc(be, &s.logits, (int64_t)SEQUENCES * CLASSES * be->statistic_size));
    upload(be, s.logits, logits, SEQUENCES * CLASSES);
    if (weights) {
        ASSERT_OK(be->ops->alloc(be, &s.weights, (int64_t)CLASSES * be->statistic_size));
        upload(be, s.weights, weights, CLASSES);
    }
    return s;
}

static void finish(setup *s)
{
    s->backend->ops->free(s->backend, s->logits);
    s->backend->ops->free(s->backend, s->weights);
    s->backend->ops->destroy(s->backend);
}

static double loss_of(const double *logits, const double *weights, const dt_loss *loss, int b,
                      int r)
{
    const int32_t label = storage.labels[b * RANKS + r];
    if (label < 0)
        return 0.0;
    const double *x = logits + (int64_t)b * CLASSES + layout.first[r];
    double sum = 0.0;
    for (int32_t i = 0; i < layout.first[r + 1] - layout.first[r]; ++i)
        sum += exp(x[i]);
    double ce = log(sum) - x[label];
    ce *= weights ? weights[layout.first[r] + label] : 1.0;
    if (loss->type == DT_LOSS_FOCAL)
        ce *= pow(1.0 - exp(-ce), loss->gamma);
    return ce * level_scale[r];
}

static double total_loss(const double *logits, const double *weights, const dt_loss *loss)
{
    double sum = 0.0;
    for (int b = 0; b < SEQUENCES; ++b)
        for (int r = 0; r < RANKS; ++r)
            sum += loss_of(logits, weights, loss, b, r);
    return sum;
}

static void check_gradient(const double *gradient, double *logits, const double *weights,
                           const dt_loss *loss, double factor, double tolerance)
{
    const double h = 1e-5;
    const double bound = tolerance * (0.01 + largest_of(gradient, SEQUENCES * CLASSES));
    for (int64_t i = 0; i < (int64_t)SEQUENCES * CLASSES; i += 3) {
        const double x = logits[i];
        logits[i] = x + h;
        const double above = total_loss(logits, weights, loss);
        logits[i] = x - h;
        const double below = total_loss(logits, weights, loss);
        logits[i] = x;
        const double expected = factor * (above - below) / (2.0 * h);
        if (!(fabs(gradient[i] - expected) <= bound))
            fail_msg("logit %lld: %.10g, not %.10g", (long long)i, gradient[i], expected);
    }
}

static void check(dt_loss_type type, double gamma, bool weighted, double loss_scale)
{
    double *logits = numbers(SEQUENCES * CLASSES);
    double *weights = numbers(CLASSES);
    double *gradient = numbers(SEQUENCES * CLASSES);
    fill(logits, SEQUENCES * CLASSES, 1);
    fill(weights, CLASSES, 2);
    for (int i = 0; i < CLASSES; ++i)
        weights[i] = weights[i] < -0.8 ? 0.0 : weights[i] + 1.0;
    for (int i = 0; i < SEQUENCES * CLASSES; ++i)
        logits[i] *= 3.0;
    const char *const builds[] = {"cpu64", "cpu"};
    for (int i = 0; i < 2; ++i) {
        setup s = start(builds[i], logits, weighted ? weights : NULL);
        const dt_loss loss = {
            .classes = layout, .type = type, .gamma = gamma, .class_weight = s.weights};
        s.backend->ops->state_write(s.backend, &(dt_update_state){.loss_scale = loss_scale});
        s.backend->ops->loss(s.backend, s.logits, s.batch, &loss);
        ASSERT_OK(s.backend->ops->sync(s.backend));
        download(s.backend, gradient, s.logits, SEQUENCES * CLASSES);
        const double *used = weighted ? weights : NULL;
        check_gradient(gradient, logits, used, &loss, loss_scale, i == 0 ? 1e-8 : 1e-5);
        dt_update_state state;
        s.backend->ops->update(s.backend, 4, &(dt_update_rule){.total_steps = 1});
        s.backend->ops->state_read(s.backend, &state);
        const double expected = total_loss(logits, used, &loss);
        assert_close("loss", &state.loss, &expected, 1, i == 0 ? 1e-13 : 1e-6);
        for (int r = 0; r < RANKS; ++r) {
            double rank_loss = 0.0;
            for (int b = 0; b < SEQUENCES; ++b)
                rank_loss += loss_of(logits, used, &loss, b, r);
            assert_close("loss of a rank", &state.loss_sum[r], &rank_loss, 1, i ? 1e-6 : 1e-13);
        }
        finish(&s);
    }
    free(logits);
    free(weights);
    free(gradient);
}

static void cross_entropy(void **state)
{
    (void)state;
    check(DT_LOSS_CROSS_ENTROPY, 0.0, false, 1.0);
    check(DT_LOSS_CROSS_ENTROPY, 0.0, true, 1.0);
}

static void focal(void **state)
{
    (void)state;
    check(DT_LOSS_FOCAL, 2.0, false, 1.0);
    check(DT_LOSS_FOCAL, 0.5, true, 1.0);
    check(DT_LOSS_FOCAL, 0.0, false, 1.0);
}

static void gradient_carries_the_loss_scale(void **state)
{
    (void)state;
    check(DT_LOSS_CROSS_ENTROPY, 0.0, false, 1024.0);
}

/* Two micro-batches before one update: the loss is that of both. */
static void loss_adds_up_until_the_update(void **state)
{
    (void)state;
    double *logits = numbers(SEQUENCES * CLASSES);
    fill(logits, SEQUENCES * CLASSES, 1);
    setup s = start("cpu64", logits, NULL);
    const dt_loss loss = {.classes = layout};
    s.backend->ops->loss(s.backend, s.logits, s.batch, &loss);
    upload(s.backend, s.logits, logits, SEQUENCES * CLASSES);
    s.backend->ops->loss(s.backend, s.logits, s.batch, &loss);
    dt_update_state result;
    s.backend->ops->update(s.backend, 4, &(dt_update_rule){.total_steps = 1});
    s.backend->ops->state_read(s.backend, &result);
    double expected = 2.0 * total_loss(logits, NULL, &loss);
    assert_close("loss", &result.loss, &expected, 1, 1e-13);
    s.backend->ops->update(s.backend, 4, &(dt_update_rule){.total_steps = 1});
    s.backend->ops->state_read(s.backend, &result);
    assert_true(result.loss == 0.0);
    finish(&s);
    free(logits);
}

static void sure_and_right_is_no_loss_and_finite(void **state)
{
    (void)state;
    double *logits = numbers(SEQUENCES * CLASSES);
    labelled_batch();
    for (int b = 0; b < SEQUENCES; ++b)
        for (int r = 0; r < RANKS; ++r)
            if (storage.labels[b * RANKS + r] >= 0)
                logits[b * CLASSES + layout.first[r] + storage.labels[b * RANKS + r]] = 300.0;
    setup s = start("cpu", logits, NULL);
    const dt_loss loss = {.classes = layout, .type = DT_LOSS_FOCAL, .gamma = 0.5};
    s.backend->ops->loss(s.backend, s.logits, s.batch, &loss);
    download(s.backend, logits, s.logits, SEQUENCES * CLASSES);
    for (int i = 0; i < SEQUENCES * CLASSES; ++i)
        assert_true(fabs(logits[i]) < 1e-6);
    finish(&s);
    free(logits);
}

static void bad_logit_makes_the_gradient_bad(void **state)
{
    (void)state;
    double *logits = numbers(SEQUENCES * CLASSES);
    fill(logits, SEQUENCES * CLASSES, 1);
    logits[30] = (double)INFINITY;
    setup s = start("cpu", logits, NULL);
    const dt_loss loss = {.classes = layout};
    s.backend->ops->loss(s.backend, s.logits, s.batch, &loss);
    download(s.backend, logits, s.logits, SEQUENCES * CLASSES);
    assert_true(isnan(logits[31])); /* same row, same tax_rank */
    assert_true(isfinite(logits[0]));
    dt_update_state result;
    s.backend->ops->update(s.backend, 4, &(dt_update_rule){.total_steps = 1});
    s.backend->ops->state_read(s.backend, &result);
    assert_int_equal(result.skipped, 1);
    assert_int_equal(result.steps, 0);
    finish(&s);
    free(logits);
}

/* The gradient of an infinite loss is finite by itself; other ranks would not learn of it. */
static void infinite_loss_makes_the_gradient_bad(void **state)
{
    (void)state;
    double *logits = numbers(SEQUENCES * CLASSES);
    fill(logits, SEQUENCES * CLASSES, 1);
    labelled_batch();
    logits[storage.labels[0]] = -(double)INFINITY;
    setup s = start("cpu", logits, NULL);
    const dt_loss loss = {.classes = layout};
    s.backend->ops->loss(s.backend, s.logits, s.batch, &loss);
    download(s.backend, logits, s.logits, SEQUENCES * CLASSES);
    assert_true(isnan(logits[0]) && isnan(logits[1]));
    assert_true(isfinite(logits[2]));
    finish(&s);
    free(logits);
}

static void without_labels_there_is_no_loss(void **state)
{
    (void)state;
    double *logits = numbers(SEQUENCES * CLASSES);
    fill(logits, SEQUENCES * CLASSES, 1);
    setup s = start("cpu", logits, NULL);
    storage.batch.labels = NULL;
    s.batch = s.backend->ops->batch_upload(s.backend, &storage.batch);
    s.backend->ops->loss(s.backend, s.logits, s.batch, &(dt_loss){.classes = layout});
    download(s.backend, logits, s.logits, SEQUENCES * CLASSES);
    for (int i = 0; i < SEQUENCES * CLASSES; ++i)
        assert_true(logits[i] == 0.0);
    finish(&s);
    free(logits);
}

static void label_that_is_no_class_is_an_error(void **state)
{
    (void)state;
    double *logits = numbers(SEQUENCES * CLASSES);
    setup s = start("cpu", logits, NULL);
    storage.labels[0] = 2;
    s.batch = s.backend->ops->batch_upload(s.backend, &storage.batch);
    s.backend->ops->loss(s.backend, s.logits, s.batch, &(dt_loss){.classes = layout});
    ASSERT_FAILS(DT_ERR_INTERNAL, "label 2 is not a class", s.backend->ops->sync(s.backend));
    finish(&s);
    free(logits);
}

static void classify_equals_its_definition(void **state)
{
    (void)state;
    double *logits = numbers(SEQUENCES * CLASSES);
    fill(logits, SEQUENCES * CLASSES, 1);
    for (int i = 0; i < SEQUENCES * CLASSES; ++i)
        logits[i] = (double)(float)(logits[i] * 4.0);
    logits[0] = logits[1]; /* equals: the lower class is named */
    const double temperature[RANKS] = {1.0, 2.5, 0.5};
    const char *const builds[] = {"cpu64", "cpu"};
    for (int build = 0; build < 2; ++build) {
        setup s = start(builds[build], logits, NULL);
        dt_prediction *out = calloc(SEQUENCES * RANKS, sizeof *out);
        s.backend->ops->classify(s.backend, out, s.logits, s.batch, &layout, temperature);
        ASSERT_OK(s.backend->ops->sync(s.backend));
        for (int item = 0; item < SEQUENCES * RANKS; ++item) {
            const int r = item % RANKS;
            const double *x = logits + item / RANKS * CLASSES + layout.first[r];
            const int32_t classes = layout.first[r + 1] - layout.first[r];
            const int32_t label = storage.labels[item];
            int32_t best = 0;
            int32_t better = label < 0 ? -1 : 0;
            double sum = 0.0;
            double plain = 0.0;
            for (int32_t i = 0; i < classes; ++i) {
                best = x[i] > x[best] ? i : best;
                better += label >= 0 && x[i] > x[label];
                sum += exp(x[i] / temperature[r]);
                plain += exp(x[i]);
            }
            double entropy = 0.0;
            for (int32_t i = 0; i < classes; ++i) {
                const double p = exp(x[i] / temperature[r]) / sum;
                entropy -= p * log(p);
            }
            const double got[3] = {(double)out[item].confidence, (double)out[item].entropy,
                                   (double)out[item].loss};
            const double expected[3] = {exp(x[best] / temperature[r]) / sum, entropy,
                                        label < 0 ? 0.0 : log(plain) - x[label]};
            assert_int_equal(out[item].label, best);
            assert_int_equal(out[item].better, better);
            assert_close("prediction", got, expected, 3, 2e-6);
        }
        assert_int_equal(out[0].label, 0);
        free(out);
        finish(&s);
    }
    free(logits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cross_entropy),
        cmocka_unit_test(focal),
        cmocka_unit_test(gradient_carries_the_loss_scale),
        cmocka_unit_test(loss_adds_up_until_the_update),
        cmocka_unit_test(sure_and_right_is_no_loss_and_finite),
        cmocka_unit_test(bad_logit_makes_the_gradient_bad),
        cmocka_unit_test(infinite_loss_makes_the_gradient_bad),
        cmocka_unit_test(without_labels_there_is_no_loss),
        cmocka_unit_test(label_that_is_no_class_is_an_error),
        cmocka_unit_test(classify_equals_its_definition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
