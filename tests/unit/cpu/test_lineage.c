/* The lineage layer against sums over all lineages. */
#include "cpu_test.h"
#include "model/lineage_layer.h"

enum { SEQUENCES = 4, RANKS = 4, CLASSES = 2 + 5 + 9 + 14, LINEAGES = 40 };

static const dt_class_layout layout = {.tax_ranks = RANKS, .first = {0, 2, 7, 16, CLASSES}};

/* Every class has a lineage, many several; labels (LINEAGES, RANKS). */
static void make_lineages(int32_t *labels)
{
    for (int i = 0; i < LINEAGES; ++i)
        for (int r = 0; r < RANKS; ++r) {
            uint32_t draw[4];
            const int32_t classes = layout.first[r + 1] - layout.first[r];
            dt_philox(11, 1, (uint32_t)i, (uint32_t)r, 0, 0, draw);
            labels[i * RANKS + r] = i < 14 ? i % classes : (int32_t)(draw[0] % (uint32_t)classes);
        }
}

static dt_lineage_layer make_layer(const int32_t *labels, int64_t count)
{
    dt_lineage_tree tree;
    dt_lineage_layer layer;
    ASSERT_OK(dt_lineage_tree_build(&tree, labels, count, RANKS));
    ASSERT_OK(dt_lineage_layer_create(&layer, &tree, &layout));
    dt_lineage_tree_free(&tree);
    dt_lineage_layer_place(&layer, layer.index); /* the device is the host */
    return layer;
}

static void *second_half(const test_run *run)
{
    const dt_lineages *l = run->what->op;
    return (char *)run->raw + (int64_t)SEQUENCES * l->first[RANKS] * run->backend->statistic_size;
}

static void forward(const test_run *run)
{
    run->backend->ops->lineage_forward(run->backend, run->out[0], run->raw, run->in[0], SEQUENCES,
                                       run->what->op);
}

static void backward(const test_run *run)
{
    run->backend->ops->lineage_backward(run->backend, run->din[0], second_half(run), run->dout[0],
                                        run->raw, SEQUENCES, run->what->op);
}

/* For each class the log of the sum over the different lineages that have it. */
static void reference(const test_case *what, double *const in[], const double *params,
                      double *out[])
{
    int32_t labels[LINEAGES * RANKS];
    (void)what;
    (void)params;
    make_lineages(labels);
    for (int b = 0; b < SEQUENCES; ++b) {
        const double *z = in[0] + (ptrdiff_t)b * CLASSES;
        double sum[CLASSES] = {0};
        for (int i = 0; i < LINEAGES; ++i) {
            const int32_t *lineage = labels + (ptrdiff_t)i * RANKS;
            double score = 0.0;
            bool repeated = false;
            for (int k = 0; k < i; ++k)
                repeated |=
                    memcmp(lineage, labels + (ptrdiff_t)k * RANKS, RANKS * sizeof *labels) == 0;
            for (int r = 0; r < RANKS; ++r)
                score += z[layout.first[r] + lineage[r]];
            for (int r = 0; r < RANKS && !repeated; ++r)
                sum[layout.first[r] + lineage[r]] += exp(score);
        }
        for (int c = 0; c < CLASSES; ++c)
            out[0][(ptrdiff_t)b * CLASSES + c] = log(sum[c]);
    }
}

static void forward_is_the_sum_over_lineages_and_backward_its_gradient(void **state)
{
    int32_t labels[LINEAGES * RANKS];
    (void)state;
    make_lineages(labels);
    dt_lineage_layer layer = make_layer(labels, LINEAGES);
    assert_in_range(layer.lineages.shared_count, 10, CLASSES - 1);
    const int32_t lengths[SEQUENCES] = {1, 2, 1, 3};
    static test_batch storage;
    make_batch(&storage, lengths, SEQUENCES, 5);
    const int64_t nodes = (int64_t)SEQUENCES * layer.lineages.first[RANKS];
    check_case(&(test_case){.ins = 1,
                            .outs = 1,
                            .in_count = {SEQUENCES * CLASSES},
                            .out_count = {SEQUENCES * CLASSES},
                            .raw_bytes = 2 * nodes * (int64_t)sizeof(double),
                            .batch = &storage.batch,
                            .op = &layer.lineages,
                            .forward = forward,
                            .backward = backward,
                            .reference = reference});
    dt_lineage_layer_free(&layer);
}

/* Scores of ±1000 overflow no exponential; a class without lineages is out of reach and gets no
 * gradient, and NaN does not hide. */
static void extremes_stay_numbers(void **state)
{
    static const int32_t labels[] = {0, 0, 0, 0, /**/ 0, 0, 0, 1, /**/ 1, 1, 1, 2};
    double values[CLASSES] = {0};
    double gradient[CLASSES];
    (void)state;
    dt_lineage_layer layer = make_layer(labels, 3);
    const int64_t nodes = layer.lineages.first[RANKS];
    dt_backend *be = open_backend("cpu", 1);
    void *memory;
    ASSERT_OK(be->ops->alloc(be, &memory, (2 * CLASSES + 2 * nodes) * be->statistic_size));
    float *logits = memory;
    float *marginals = logits + CLASSES;
    float *x = marginals + CLASSES;
    for (int c = 0; c < CLASSES; ++c)
        logits[c] = c == layout.first[3] ? 1000.0f : c == layout.first[3] + 1 ? 998.0f : -1000.0f;
    be->ops->lineage_forward(be, marginals, x, logits, 1, &layer.lineages);
    download(be, values, marginals, CLASSES);
    assert_true(fabs(values[0] - (-2000.0 + log(1.0 + exp(-2.0)))) < 1e-3);
    assert_true(values[1] == -4000.0);
    assert_true(values[layout.first[3]] == -2000.0 && values[layout.first[3] + 1] == -2002.0);
    assert_true(values[CLASSES - 1] < -1e29);
    for (int c = 0; c < CLASSES; ++c)
        marginals[c] = 1.0f;
    be->ops->lineage_backward(be, logits, x + nodes, marginals, x, 1, &layer.lineages);
    download(be, gradient, logits, CLASSES);
    for (int c = 0; c < CLASSES; ++c)
        assert_true(isfinite(gradient[c]));
    assert_true(gradient[CLASSES - 1] == 0.0);
    assert_true(fabs(gradient[0] - 5.0) < 1e-4); /* three ranks, and two species, are below it */
    logits[layout.first[2]] = NAN;
    be->ops->lineage_forward(be, marginals, x, logits, 1, &layer.lineages);
    download(be, values, marginals, CLASSES);
    assert_true(isnan(values[0]) && isnan(values[layout.first[3] + 1]));
    be->ops->free(be, memory);
    be->ops->destroy(be);
    dt_lineage_layer_free(&layer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward_is_the_sum_over_lineages_and_backward_its_gradient),
        cmocka_unit_test(extremes_stay_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
