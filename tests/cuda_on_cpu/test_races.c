/* The kernels in the checked module: no race in shared memory, and layouts without bank conflicts
 * and wasted sectors where they matter most. */
#include "core/module.h"
#include "operations.h"

#define MODULE "cuda_on_cpu_checked"

static const int32_t LENGTHS[] = {5, 1, 70, 9, 0};
static const int32_t LONG_LENGTHS[] = {130, 3, 65, 0};

static const test_setup fused = {.threads = 1, .low_precision_only = true};

static void attention_has_no_race(void **state)
{
    (void)state;
    const attention_shape shapes[] = {
        {LONG_LENGTHS, 1, 64, DT_ROWS_TOKENS, 0.1, 60},
        {LONG_LENGTHS, 1, 128, DT_ROWS_TOKENS, 0.1, 0},
        {LONG_LENGTHS, 2, 64, DT_ROWS_SEQUENCES, 0.1, 0},
        {LENGTHS, 2, 8, DT_ROWS_TOKENS, 0.2, 50},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i)
        beside_cpu_as(attention, &shapes[i], &fused);
}

static const row_shape rows[] = {
    {LENGTHS, 37, 0, DT_ROWS_TOKENS, 0.1, 13, 21},
    {LENGTHS, 768, 5, DT_ROWS_TOKENS, 0.2, 13, 21},
    {LENGTHS, 24, 0, DT_ROWS_SEQUENCES, 0.3, 13, 21},
};
#define ROWS (sizeof rows / sizeof *rows)

static void norms_and_embeddings_have_no_race(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; ++i) {
        beside_cpu_as(add_norm, &rows[i], &fused);
        if (rows[i].rows == DT_ROWS_TOKENS)
            beside_cpu_as(embedding, &rows[i], &fused);
        beside_cpu_as(bag, &rows[i], &fused);
    }
}

static void sums_and_heads_have_no_race(void **state)
{
    (void)state;
    const linear_shape shapes[] = {{130, 17, 31, false}, {600, 64, 40, true}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i)
        beside_cpu_as(linear, &shapes[i], &fused);
    for (size_t i = 0; i < ROWS; ++i)
        beside_cpu_as(per_sequence, &rows[i], &fused);
    const loss_shape focal = {LENGTHS, DT_LOSS_FOCAL, 3, {2, 700, 31}};
    beside_cpu_as(loss, &focal, &fused);
    const lineage_shape tree = {2, 300, 3, {2, 70, 201}};
    beside_cpu_as(lineages, &tree, &fused);
    const int64_t count = 70001;
    beside_cpu_as(update, &count, &fused);
    beside_cpu_as(lamb_update, NULL, &fused);
}

static void convolutions_have_no_race(void **state)
{
    (void)state;
    const conv_shape shapes[] = {
        {LENGTHS, 8, 12, 3, {3, 5, 7}, 80, false, 0.2, 11},
        {LONG_LENGTHS, 40, 24, 1, {3}, 200, true, 0.0, 11},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i)
        beside_cpu_as(conv_max, &shapes[i], &fused);
    const layer_shape layer = {LENGTHS, 8, 16, 3, {3, 5, 7}, 71, true, DT_RESIDUAL_PROJECTION,
                               0.2,     11};
    beside_cpu_as(conv_layers, &layer, &fused);
}

/* ---- layouts -------------------------------------------------------------------------------- */

typedef void write_counts(void);

/* Runs the operations in bf16 and reads what the module has counted. */
static FILE *counts_of(test_body body, const void *shape)
{
    static const char path[] = "race_counts.tsv";
    static test_run cpu, checked;
    write_counts *write = NULL;
    setenv("CUDA_ON_CPU_COUNTS", path, 1);
    start_run(&cpu, "cpu", DT_PRECISION_BF16, shape, NULL, body, &fused);
    start_run(&checked, MODULE, DT_PRECISION_BF16, shape, &cpu, body, &fused);
    ASSERT_OK(dt_module_symbol(MODULE, "cuda_on_cpu_write_counts", (void **)&write));
    write();
    end_run(&checked);
    end_run(&cpu);
    unsetenv("CUDA_ON_CPU_COUNTS");
    FILE *counts = fopen(path, "r");
    assert_non_null(counts);
    remove(path);
    return counts;
}

/* Requires of all kernels whose name begins with `prefix` that a request of shared memory takes at
 * most `cycles` times the cycles it needs, and one of global memory `sectors` times the sectors. */
static void assert_layouts(test_body body, const void *shape, const char *prefix, double cycles,
                           double sectors)
{
    FILE *counts = counts_of(body, shape);
    char line[1024];
    int found = 0;
    while (fgets(line, sizeof line, counts)) {
        double got_cycles, got_sectors, needed;
        const char *name = strrchr(line, '\t');
        if (!name || strncmp(name + 1, prefix, strlen(prefix)) != 0)
            continue;
        assert_int_equal(sscanf(line, "%*d\t%*d\t%lf\t%*[^\t]\t%*d\t%lf\t%lf", &got_cycles,
                                &got_sectors, &needed),
                         3);
        if (got_cycles > cycles || got_sectors > sectors * needed)
            fail_msg("more than %g times the cycles or %g times the sectors: %s", cycles, sectors,
                     line);
        ++found;
    }
    fclose(counts);
    if (found < 2) /* forward and backward */
        fail_msg("%d kernels are named %s...", found, prefix);
}

static void attention_has_few_bank_conflicts(void **state)
{
    (void)state;
    for (int32_t d = 64; d <= 128; d += 64) {
        const attention_shape shape = {LONG_LENGTHS, 1, d, DT_ROWS_TOKENS, 0.1, 60};
        assert_layouts(attention, &shape, "fused_", 1.25, 1.2);
    }
}

/* Vectors of 8 floats are two requests, each of half of every sector. */
static void norms_read_whole_sectors(void **state)
{
    (void)state;
    const row_shape shape = {LONG_LENGTHS, 768, 0, DT_ROWS_TOKENS, 0.1, 13, 21};
    assert_layouts(add_norm, &shape, "add_norm_", 2.0, 1.5);
}

int main(void)
{
    if (!dt_module_present(MODULE)) {
        puts("SKIPPED: this build has no checked module");
        return 77;
    }
    setenv("DEEPTAXA_TEST_DEVICE", MODULE, 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attention_has_no_race),
        cmocka_unit_test(norms_and_embeddings_have_no_race),
        cmocka_unit_test(sums_and_heads_have_no_race),
        cmocka_unit_test(convolutions_have_no_race),
        cmocka_unit_test(attention_has_few_bank_conflicts),
        cmocka_unit_test(norms_read_whole_sectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
