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
        {EDGES, 2, 32, DT_ROWS_TOKENS, 0.2, 0},     {EDGES, 2, 64, DT_ROWS_TOKENS, 0.0, 9},
        {EDGES, 2, 64, DT_ROWS_TOKENS, 0.3, 70},    {EDGES, 1, 128, DT_ROWS_TOKENS, 0.1, 0},
        {TWO_BLOCKS, 1, 128, DT_ROWS_TOKENS, 0.0, 0}, {TWO_BLOCKS, 3, 64, DT_ROWS_TOKENS, 0.1, 60},
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
        {TWO_BLOCKS, 1, 300, DT_ROWS_SEQUENCES, 0.1, 0}, /* more columns than a warp reads at once */
        {LONGER_THAN_A_PIECE, 1, 16, DT_ROWS_SEQUENCES, 0.3, 0},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i)
        by(DT_ATTENTION_AUTO, &shapes[i], "single query");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fused_attention_equals_the_cpu),
        cmocka_unit_test(plain_attention_equals_the_cpu),
        cmocka_unit_test(a_single_query_equals_the_cpu),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
