/* Attention beside the CPU's, on the lengths of real sequences (1 to 512 tokens) and those around the
 * edges of tiles, for every kernel: fused for heads of 32, 64 and 128 in bf16 and fp16, plain, and
 * a single query per sequence. */
#include "operations.h"

static const int32_t EDGES[] = {15, 1, 16, 17, 31, 2, 32, 33, 63, 64, 65, 3, 0};
static const int32_t TWO_BLOCKS[] = {97, 5, 128, 129, 0};
static const int32_t FULL_LENGTH[] = {367, 512, 0};
static const int32_t LONGER_THAN_A_PIECE[] = {700, 7, 0};

static void by(dt_attention_method method, const attention_shape *shape, const char *name)
{
    beside_cpu_as(attention, shape,
                  &(test_setup){.name = name,
                                .threads = 1,
                                .attention = method,
                                .low_precision_only = method == DT_ATTENTION_FUSED});
}

static void fused_attention_equals_the_cpu(void **state)
{
    (void)state;
    const attention_shape shapes[] = {
        {EDGES, 2, 32, DT_ROWS_TOKENS, 0.2, 0},        {EDGES, 2, 64, DT_ROWS_TOKENS, 0.0, 9},
        {EDGES, 2, 64, DT_ROWS_TOKENS, 0.3, 70},       {EDGES, 1, 128, DT_ROWS_TOKENS, 0.1, 0},
        {TWO_BLOCKS, 1, 128, DT_ROWS_TOKENS, 0.0, 0},  {TWO_BLOCKS, 3, 64, DT_ROWS_TOKENS, 0.1, 60},
        {FULL_LENGTH, 1, 128, DT_ROWS_TOKENS, 0.1, 0},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i)
        by(DT_ATTENTION_FUSED, &shapes[i], "fused");
}

static void plain_attention_equals_the_cpu(void **state)
{
    (void)state;
    const attention_shape shapes[] = {
        {EDGES, 1, 20, DT_ROWS_TOKENS, 0.1, 5},
        {TWO_BLOCKS, 2, 64, DT_ROWS_TOKENS, 0.2, 60},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i)
        by(DT_ATTENTION_PLAIN, &shapes[i], "plain");
}

static void a_single_query_equals_the_cpu(void **state)
{
    (void)state;
    const attention_shape shapes[] = {
        {EDGES, 2, 64, DT_ROWS_SEQUENCES, 0.2, 9},
        {EDGES, 3, 33, DT_ROWS_SEQUENCES, 0.1, 0}, /* rows that are not aligned */
        {FULL_LENGTH, 2, 128, DT_ROWS_SEQUENCES, 0.1, 0},
        {TWO_BLOCKS, 1, 300, DT_ROWS_SEQUENCES, 0.1,
         0}, /* more columns than a warp reads at once */
        {LONGER_THAN_A_PIECE, 1, 16, DT_ROWS_SEQUENCES, 0.3, 0},
        {TWO_BLOCKS, 17, 8, DT_ROWS_SEQUENCES, 0.1, 60}, /* more heads than a launch handles */
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i)
        by(DT_ATTENTION_AUTO, &shapes[i], "single query");
}

/* ---- masks ---------------------------------------------------------------------------------- */

#define MASKED 130 /* keys, of which the values show HEAD at a time */
#define HEAD 64

/* Equal keys, so that every probability is 1/n, and values that are 1 for one key each: outputs are
 * the mask of the keys from `first` on. */
static void masks(test_run *r)
{
    const attention_shape *s = r->shape;
    const bool one = s->queries == DT_ROWS_SEQUENCES;
    const int32_t first = (int32_t)s->spare;
    static float values[MASKED * HEAD];
    static float zeros[MASKED * HEAD];
    memset(values, 0, sizeof values);
    for (int32_t i = 0; i < HEAD && first + i < MASKED; ++i)
        values[(first + i) * HEAD + i] = 1.0f;
    start_batch(r, s->lengths, 10, 0, NULL, 0);
    const int64_t queries = one ? 1 : MASKED;
    const dt_attention a = {
        .heads = 1,
        .head_size = HEAD,
        .queries = s->queries,
        .query_stride = HEAD,
        .key_stride = HEAD,
        .dropout = {.p = s->dropout, .stream = dt_stream(DT_DRAW_ATTENTION, 1, 0)}};
    const int32_t size = r->backend->activation_size;
    void *k = output(r, MASKED, HEAD);
    void *v = output(r, MASKED, HEAD);
    write_numbers(r, k, zeros, MASKED * HEAD, size);
    write_numbers(r, v, values, MASKED * HEAD, size);
    void *q = input(r, queries, HEAD);
    void *y = output(r, queries, HEAD);
    void *log_sum = statistics(r, queries, 1);
    r->backend->ops->attention_forward(r->backend, y, log_sum, q, k, v, r->batch, &a);
    test_record *mask = record(r, "mask", y, queries, HEAD);
    for (int64_t i = 0; i < mask->count; ++i)
        mask->value[i] = mask->value[i] != 0.0;
}

/* dv with dy = 1 for one query each shows the mask of the queries from `first` on. */
static void masks_of_gradients(test_run *r)
{
    const attention_shape *s = r->shape;
    const int32_t first = (int32_t)s->spare;
    static float values[MASKED * HEAD];
    static float zeros[MASKED * HEAD];
    memset(values, 0, sizeof values);
    for (int32_t i = 0; i < HEAD && first + i < MASKED; ++i)
        values[(first + i) * HEAD + i] = 1.0f;
    start_batch(r, s->lengths, 10, 0, NULL, 0);
    const dt_attention a = {
        .heads = 1,
        .head_size = HEAD,
        .queries = DT_ROWS_TOKENS,
        .query_stride = HEAD,
        .key_stride = HEAD,
        .dropout = {.p = s->dropout, .stream = dt_stream(DT_DRAW_ATTENTION, 1, 0)}};
    const int32_t size = r->backend->activation_size;
    void *k = output(r, MASKED, HEAD);
    void *dy = output(r, MASKED, HEAD);
    write_numbers(r, k, zeros, MASKED * HEAD, size);
    write_numbers(r, dy, values, MASKED * HEAD, size);
    void *q = input(r, MASKED, HEAD);
    void *v = input(r, MASKED, HEAD);
    void *y = output(r, MASKED, HEAD);
    void *log_sum = statistics(r, MASKED, 1);
    void *dq = output(r, MASKED, HEAD);
    void *dk = output(r, MASKED, HEAD);
    void *dv = output(r, MASKED, HEAD);
    const dt_backend_ops *op = r->backend->ops;
    op->attention_forward(r->backend, y, log_sum, q, k, v, r->batch, &a);
    op->attention_backward(r->backend, dq, dk, dv, dy, y, log_sum, q, k, v, DT_NO_PARAM, r->batch,
                           &a, statistics(r, MASKED, 1));
    test_record *mask = record(r, "mask", dv, MASKED, HEAD);
    for (int64_t i = 0; i < mask->count; ++i)
        mask->value[i] = mask->value[i] != 0.0;
}

static void masks_are_those_of_the_cpu(void **state)
{
    (void)state;
    static const int32_t lengths[] = {MASKED, 0};
    const dt_attention_method methods[] = {DT_ATTENTION_FUSED, DT_ATTENTION_PLAIN};
    for (int32_t first = 0; first < MASKED; first += HEAD)
        for (size_t m = 0; m < 2; ++m) {
            const attention_shape tokens = {lengths, 1, HEAD, DT_ROWS_TOKENS, 0.4, first};
            const attention_shape single = {lengths, 1, HEAD, DT_ROWS_SEQUENCES, 0.4, first};
            const test_setup setup = {
                .threads = 1, .attention = methods[m], .low_precision_only = true};
            beside_cpu_as(masks, &tokens, &setup);
            beside_cpu_as(masks_of_gradients, &tokens, &setup);
            beside_cpu_as(masks, &single, &setup);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fused_attention_equals_the_cpu),
        cmocka_unit_test(plain_attention_equals_the_cpu),
        cmocka_unit_test(a_single_query_equals_the_cpu),
        cmocka_unit_test(masks_are_those_of_the_cpu),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
