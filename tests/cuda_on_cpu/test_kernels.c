/* Compares every operation of the CUDA backend with the CPU backend's, on odd and even shapes. */
#include "operations.h"

static const int32_t LENGTHS[] = {5, 1, 17, 9, 0};
static const int32_t LONG_LENGTHS[] = {70, 3, 130, 0};
static const int32_t ID_LENGTHS[] = {150, 171, 0};

static const row_shape row_shapes[] = {
    {LENGTHS, 24, 100, DT_ROWS_TOKENS, 0.3, 13, 21},
    {LENGTHS, 37, 0, DT_ROWS_TOKENS, 0.1, 13, 21},
    {LENGTHS, 1100, 5, DT_ROWS_TOKENS, 0.2, 13, 21},
    {LENGTHS, 24, 0, DT_ROWS_SEQUENCES, 0.3, 13, 21},
    {LENGTHS, 6, 40, DT_ROWS_SEQUENCES, 0.0, 13, 21},
    {LONG_LENGTHS, 64, 100, DT_ROWS_TOKENS, 0.1, 13, 21},
    {LONG_LENGTHS, 40, 0, DT_ROWS_TOKENS, 0.1, 3, 21}, /* ids in many pieces of their tokens */
};
#define ROW_SHAPES (sizeof row_shapes / sizeof *row_shapes)

static void embedding_equals_the_cpu(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROW_SHAPES; ++i)
        if (row_shapes[i].rows == DT_ROWS_TOKENS)
            beside_cpu(embedding, &row_shapes[i]);
}

static void bag_equals_the_cpu(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROW_SHAPES; ++i)
        if (row_shapes[i].rows == DT_ROWS_TOKENS)
            beside_cpu(bag, &row_shapes[i]);
}

static void linear_equals_the_cpu(void **state)
{
    (void)state;
    const linear_shape shapes[] = {
        {1, 1, 1, false},    {7, 5, 3, true},      {33, 24, 40, false},
        {130, 17, 31, true}, {2200, 3, 24, false}, /* more partial sums than lanes */
        {300, 64, 16, false}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i)
        beside_cpu(linear, &shapes[i]);
}

/* The relative error of GELU, which is an approximation, also where it is tiny. */
static void gelu_is_right_in_its_tails(void **state)
{
    (void)state;
    enum { HALF = 2000, COUNT = 2 * HALF + 1 };
    static float x[COUNT], y[COUNT];
    const float identity[] = {1.0f, 0.0f}; /* weight and bias */
    const dt_backend_options options = {.precision = DT_PRECISION_FP32};
    dt_backend *backend;
    void *in, *out;
    ASSERT_OK(dt_backend_open(tested_device(), &options, &backend));
    const dt_backend_ops *op = backend->ops;
    for (int i = 0; i < COUNT; ++i)
        x[i] = (float)(i - HALF) * 0.005f; /* -10 … 10 */
    ASSERT_OK(op->vectors_alloc(backend, 2, false));
    ASSERT_OK(op->alloc(backend, &in, sizeof x));
    ASSERT_OK(op->alloc(backend, &out, sizeof y));
    op->vector_write(backend, DT_PARAMETERS, 0, 2, identity);
    op->upload(backend, in, x, sizeof x);
    op->linear_gelu_forward(backend, out, NULL, in, 0, 1, COUNT, 1, 1);
    op->download(backend, y, out, sizeof y);
    for (int i = 0; i < COUNT; ++i) {
        const double exact = 0.5 * (double)x[i] * erfc(-sqrt(0.5) * (double)x[i]);
        if (fabs((double)y[i] - exact) > 1e-5 * fabs(exact))
            fail_msg("gelu(%g) is %.9g, not %.9g", (double)x[i], (double)y[i], exact);
    }
    op->free(backend, in);
    op->free(backend, out);
    op->destroy(backend);
}

static void attention_equals_the_cpu(void **state)
{
    (void)state;
    const attention_shape shapes[] = {
        {LENGTHS, 2, 8, DT_ROWS_TOKENS, 0.2, 50},
        {LENGTHS, 3, 5, DT_ROWS_TOKENS, 0.0, 0},
        {LENGTHS, 2, 33, DT_ROWS_SEQUENCES, 0.2, 0},
        {LONG_LENGTHS, 1, 32, DT_ROWS_TOKENS, 0.1, 9},
        {LONG_LENGTHS, 2, 64, DT_ROWS_TOKENS, 0.1, 60},
        {LONG_LENGTHS, 2, 64, DT_ROWS_SEQUENCES, 0.1, 0},
        {LENGTHS, 1, 128, DT_ROWS_TOKENS, 0.3, 0},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i)
        beside_cpu(attention, &shapes[i]);
}

static void add_norm_equals_the_cpu(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROW_SHAPES; ++i)
        beside_cpu(add_norm, &row_shapes[i]);
}

static void sequence_operations_equal_the_cpu(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROW_SHAPES; ++i)
        beside_cpu(per_sequence, &row_shapes[i]);
}

static void conv_max_equals_the_cpu(void **state)
{
    (void)state;
    static int32_t many[136]; /* more than a block handles at a time */
    for (int i = 0; i < 135; ++i)
        many[i] = 1 + i % 3;
    const conv_shape shapes[] = {
        {LENGTHS, 6, 5, 2, {3, 1}, 24, false, 0.4, 11},
        {LENGTHS, 8, 12, 3, {3, 5, 7}, 17, false, 0.2, 11},
        {LENGTHS, 8, 12, 3, {3, 5, 7}, 40, true, 0.0, 11},
        {LENGTHS, 9, 130, 1, {5}, 18, false, 0.1, 11},
        {LONG_LENGTHS, 5, 24, 1, {1}, 200, false, 0.0, 11}, /* equal maxima */
        {LONG_LENGTHS, 300, 8, 2, {3, 5}, 140, false, 0.2, 11},
        {many, 520, 4, 1, {3}, 8, false, 0.2, 11},             /* and more columns, in fp32 */
        {ID_LENGTHS, 8, 13, 2, {3, 5}, 180, false, 0.2, 3000}, /* more ids than a tile */
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i)
        beside_cpu(conv_max, &shapes[i]);
}

static void convolution_layers_equal_the_cpu(void **state)
{
    (void)state;
    const layer_shape shapes[] = {
        {LENGTHS, 6, 5, 2, {3, 1}, 24, false, DT_RESIDUAL_NONE, 0.4, 11},
        {LENGTHS, 8, 16, 3, {3, 5, 7}, 17, true, DT_RESIDUAL_PROJECTION, 0.2, 11},
        {LENGTHS, 9, 9, 2, {5, 3}, 18, false, DT_RESIDUAL_IDENTITY, 0.1, 11},
        {LENGTHS, 40, 8, 1, {3}, 20, false, DT_RESIDUAL_NONE, 0.0, 11},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i)
        beside_cpu(conv_layers, &shapes[i]);
}

static void loss_and_classes_equal_the_cpu(void **state)
{
    (void)state;
    const loss_shape shapes[] = {{LENGTHS, DT_LOSS_CROSS_ENTROPY, 3, {2, 700, 31}},
                                 {LENGTHS, DT_LOSS_FOCAL, 3, {2, 700, 31}}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i)
        beside_cpu(loss, &shapes[i]);
}

/* Nodes with more children, and classes with more nodes, than a warp has threads. */
static void lineages_equal_the_cpu(void **state)
{
    (void)state;
    const lineage_shape shapes[] = {{3, 1, 2, {1, 2}},
                                    {5, 2500, 4, {2, 9, 60, 2000}},
                                    {2, 600, 3, {1, 3, 501}},
                                    {2, 400, 3, {1, 300, 4}}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i)
        beside_cpu(lineages, &shapes[i]);
}

static void update_equals_the_cpu(void **state)
{
    (void)state;
    const int64_t counts[] = {1, 7, 1024, 70001};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; ++i)
        beside_cpu(update, &counts[i]);
    beside_cpu(lamb_update, NULL);
}

static void low_precision_copy_follows_the_update(void **state)
{
    (void)state;
    beside_cpu(product_after_update, NULL);
}

/* ---- errors --------------------------------------------------------------------------------- */

static void errors_are_sticky_and_say_what(void **state)
{
    (void)state;
    dt_backend *backend;
    const dt_backend_options nowhere = {.device = 99};
    ASSERT_FAILS(DT_ERR_DEVICE, "no GPU 99", dt_backend_open(tested_device(), &nowhere, &backend));
    const dt_backend_options options = {0};
    ASSERT_OK(dt_backend_open(tested_device(), &options, &backend));
    assert_int_equal(backend->activation_size, 2); /* bf16 is the default */
    const int32_t ids[] = {4, -1};
    const int32_t cu_seqlens[] = {0, 2};
    const dt_batch bad = {.sequences = 1, .token_ids = ids, .cu_seqlens = cu_seqlens};
    ASSERT_OK(backend->ops->batch_reserve(backend, 1, 2, 0));
    backend->ops->batch_upload(backend, &bad);
    ASSERT_FAILS(DT_ERR_INTERNAL, "negative", backend->ops->check(backend));
    backend->ops->gradients_zero(backend); /* does nothing */
    ASSERT_FAILS(DT_ERR_INTERNAL, "negative", backend->ops->sync(backend));
    backend->ops->destroy(backend);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(embedding_equals_the_cpu),
        cmocka_unit_test(bag_equals_the_cpu),
        cmocka_unit_test(linear_equals_the_cpu),
        cmocka_unit_test(gelu_is_right_in_its_tails),
        cmocka_unit_test(attention_equals_the_cpu),
        cmocka_unit_test(add_norm_equals_the_cpu),
        cmocka_unit_test(sequence_operations_equal_the_cpu),
        cmocka_unit_test(conv_max_equals_the_cpu),
        cmocka_unit_test(convolution_layers_equal_the_cpu),
        cmocka_unit_test(loss_and_classes_equal_the_cpu),
        cmocka_unit_test(lineages_equal_the_cpu),
        cmocka_unit_test(update_equals_the_cpu),
        cmocka_unit_test(low_precision_copy_follows_the_update),
        cmocka_unit_test(errors_are_sticky_and_say_what),
    };
    cmocka_set_test_filter(getenv("DEEPTAXA_TEST_FILTER")); /* NULL: all */
    return RUN_TESTS(tests);
}
