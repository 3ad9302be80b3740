/* Matrix products without an algorithm in cuBLASLt, and the alignment of large ones. */
#include "operations.h"

static const int32_t LENGTHS[] = {5, 1, 17, 9, 0};

static const linear_shape linear_shapes[] = {
    {1, 1, 1, false}, {33, 24, 40, true}, {130, 17, 31, true}};

static const row_shape head_shapes[] = {{LENGTHS, 24, 0, DT_ROWS_SEQUENCES, 0.3, 13, 21},
                                        {LENGTHS, 40, 0, DT_ROWS_SEQUENCES, 0.3, 13, 48}};

static void products_without_an_algorithm_equal_the_cpu(void **state)
{
    (void)state;
    setenv("CUDA_ON_CPU_PRODUCTS", "none", 1);
    for (size_t i = 0; i < sizeof linear_shapes / sizeof *linear_shapes; ++i)
        beside_cpu(linear, &linear_shapes[i]);
    for (size_t i = 0; i < sizeof head_shapes / sizeof *head_shapes; ++i)
        beside_cpu(per_sequence, &head_shapes[i]);
    unsetenv("CUDA_ON_CPU_PRODUCTS");
}

/* 21 classes, hidden sizes of whole 16 bytes: rows of 21 2-byte numbers would be misaligned. */
static void products_of_heads_have_aligned_rows(void **state)
{
    (void)state;
    setenv("CUDA_ON_CPU_PRODUCTS", "aligned", 1);
    for (size_t i = 0; i < sizeof head_shapes / sizeof *head_shapes; ++i)
        beside_cpu_as(per_sequence, &head_shapes[i],
                      &(test_setup){.threads = 1, .low_precision_only = true});
    unsetenv("CUDA_ON_CPU_PRODUCTS");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_without_an_algorithm_equal_the_cpu),
        cmocka_unit_test(products_of_heads_have_aligned_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
