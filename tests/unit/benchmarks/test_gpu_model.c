/* The model of a step's cost on a GPU (benchmarks/gpu_*.c): its table has every kernel of cuda/, its
 * sums are those of the model's operations, and its machine files are complete. */
#include "test.h"

#include <ctype.h>
#include <glob.h>
#include <unistd.h>

#include "core/file.h"
#include "gpu/real_model.h"
#include "gpu_shape.h"
#include "gpu_walk.h"
#include "train/efficiency.h"
#include "model/work.h"

static const char *const machines[] = {"a40", "a100", "h100", "h200"};
#define MACHINES (sizeof machines / sizeof *machines)

static void read_machine(dt_gpu *gpu, size_t i)
{
    char path[64];
    snprintf(path, sizeof path, "benchmarks/machines/%s.json", machines[i]);
    ASSERT_OK(dt_gpu_read(gpu, path));
}

/* Sequences of `tokens` tokens each; 16,384 rows need no rounding. */
static void make_shape(dt_gpu_shape *shape, int sequences, int tokens)
{
    const dt_model_config config = published_config();
    const dt_gpu_batch batch = {.sequences = sequences, .low = tokens, .high = tokens};
    ASSERT_OK(dt_gpu_shape_make(shape, &config, &batch));
}

static void assert_same(double found, double expected)
{
    if (!(fabs(found - expected) <= 1e-9 * fabs(expected)))
        fail_msg("%.17g is not %.17g", found, expected);
}

/* ---- the table has every kernel ---------------------------------------------------------------- */

static char *read_text(const char *path)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    const size_t length = (size_t)ftell(file);
    rewind(file);
    char *text = calloc(length + 1, 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, length, file), length);
    fclose(file);
    return text;
}

static const dt_gpu_kernel *row_of(const char *name, const char *file)
{
    int count;
    const dt_gpu_kernel *table = dt_gpu_kernels(&count);
    for (int i = 0; i < count; ++i)
        if (strcmp(table[i].name, name) == 0 && table[i].file && strcmp(table[i].file, file) == 0)
            return &table[i];
    return NULL;
}

/* Copies the name of the kernel declared after `from`, the identifier before the first bracket that
 * is not an attribute's. */
static void kernel_name(char *out, size_t size, const char *from)
{
    const char *end = strchr(from, '(');
    while (end && strncmp(end - strlen("__launch_bounds__"), "__launch_bounds__", 17) == 0)
        end = strchr(end + 1, '(');
    if (!end) {
        fail_msg("__global__ without a function");
        return;
    }
    const char *begin = end;
    while (isalnum((unsigned char)begin[-1]) || begin[-1] == '_')
        --begin;
    snprintf(out, size, "%.*s", (int)(end - begin), begin);
}

/* Checks the kernels of one file; returns their number. */
static int check_file(const char *path, int *missing)
{
    int kernels = 0;
    char name[128];
    char *text = read_text(path);
    for (const char *at = text; (at = strstr(at, "__global__")) != NULL;) {
        at += strlen("__global__");
        kernel_name(name, sizeof name, at);
        kernels++;
        if (row_of(name, path))
            continue;
        print_error("%s: %s has no row in benchmarks/gpu_kernels.c\n", path, name);
        ++*missing;
    }
    free(text);
    return kernels;
}

static void every_kernel_has_a_row(void **state)
{
    static const char *const patterns[] = {"cuda/*.cu", "cuda/*.cuh"};
    int kernels = 0;
    int missing = 0;
    int rows = 0;
    int count;
    (void)state;
    for (size_t p = 0; p < 2; ++p) {
        glob_t files;
        assert_int_equal(glob(patterns[p], 0, NULL, &files), 0);
        for (size_t i = 0; i < files.gl_pathc; ++i)
            kernels += check_file(files.gl_pathv[i], &missing);
        globfree(&files);
    }
    const dt_gpu_kernel *table = dt_gpu_kernels(&count);
    for (int i = 0; i < count; ++i) {
        rows += table[i].file != NULL;
        assert_true((table[i].cost != NULL) != (table[i].absent != NULL));
    }
    assert_int_equal(missing, 0);
    assert_int_equal(rows, kernels); /* no row of a kernel that is gone */
}

/* Every row with a formula is on the path of a step or of a prediction. */
static void every_formula_is_used(void **state)
{
    static dt_gpu_walk walk[2];
    dt_gpu gpu;
    dt_gpu_shape shape;
    int count;
    (void)state;
    read_machine(&gpu, 0);
    make_shape(&shape, 64, 256);
    ASSERT_OK(dt_gpu_walk_step(&walk[0], &gpu, &shape));
    ASSERT_OK(dt_gpu_walk_prediction(&walk[1], &gpu, &shape));
    const dt_gpu_kernel *table = dt_gpu_kernels(&count);
    for (int i = 0; i < count; ++i) {
        bool used = false;
        for (int w = 0; w < 2; ++w)
            for (int l = 0; l < walk[w].count; ++l)
                used |= walk[w].line[l].kernel == &table[i];
        if (used != (table[i].cost != NULL))
            print_error("%s\n", table[i].name);
        assert_true(used == (table[i].cost != NULL));
    }
}

/* --measured finds an operation by the name that the profile gives it, without its sizes. */
static void operations_have_the_names_of_the_profile(void **state)
{
    static dt_gpu_walk walk;
    dt_gpu gpu;
    dt_gpu_shape shape;
    (void)state;
    read_machine(&gpu, 0);
    make_shape(&shape, 64, 256);
    ASSERT_OK(dt_gpu_walk_step(&walk, &gpu, &shape));
    char *text = read_text("src/profile/profiled_backend.c");
    for (int l = 0; l < walk.count; ++l) {
        char quoted[64];
        const char *name = walk.line[l].operation;
        const char *sizes = strpbrk(name, "0123456789");
        const int length = sizes ? (int)(sizes - name) - 1 : (int)strlen(name);
        snprintf(quoted, sizeof quoted, "\"%.*s\"", length, name);
        if (!strstr(text, quoted))
            fail_msg("src/profile/profiled_backend.c has no %s", quoted);
    }
    free(text);
}

/* ---- machine files ----------------------------------------------------------------------------- */

static void every_machine_gives_a_step(void **state)
{
    static dt_gpu_walk walk;
    dt_gpu gpu;
    dt_gpu_shape shape;
    (void)state;
    make_shape(&shape, 64, 320);
    for (size_t i = 0; i < MACHINES; ++i) {
        double floor_sum = 0.0;
        double alone = 0.0;  /* one kernel after another */
        double hidden = 0.0; /* of the CNN branch, all but its floor */
        read_machine(&gpu, i);
        ASSERT_OK(dt_gpu_walk_step(&walk, &gpu, &shape));
        for (int l = 0; l < walk.count; ++l) {
            const dt_gpu_line *line = &walk.line[l];
            if (!(line->floor > 0.0 && line->floor <= line->expected) && line->bytes > 0.0)
                print_error("%s: %s: floor %g s, expected %g s\n", machines[i], line->kernel->name,
                            line->floor, line->expected);
            assert_true(line->floor <= line->expected);
            assert_true(line->floor > 0.0 || line->bytes == 0.0);
            floor_sum += line->floor;
            const double seconds = line->expected + line->launches * gpu.launch_us * 1e-6;
            alone += seconds;
            hidden += line->group == DT_GPU_CNN ? seconds - line->floor : 0.0;
        }
        const dt_gpu_line sum = dt_gpu_walk_sum(&walk);
        assert_same(sum.floor, floor_sum);
        assert_same(sum.expected, alone - hidden);
        assert_true(sum.expected > sum.floor && sum.expected < 20.0 * sum.floor);
    }
}

/* A machine file whose first `name` is called otherwise. */
static void damage(char *path, const char *name)
{
    char *text = read_text("benchmarks/machines/h100.json");
    char *at = strstr(text, name);
    assert_non_null(at);
    *at = 'X';
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    ASSERT_OK(dt_write_file(path, text, strlen(text)));
    free(text);
}

static void incomplete_machines_are_refused(void **state)
{
    char first[] = "/tmp/dt_machine_XXXXXX";
    char second[] = "/tmp/dt_machine_XXXXXX";
    dt_gpu gpu;
    (void)state;
    damage(first, "bandwidth_gbs");
    ASSERT_FAILS(DT_ERR_INPUT, "bandwidth_gbs", dt_gpu_read(&gpu, first));
    damage(second, "source");
    ASSERT_FAILS(DT_ERR_INPUT, "matrix_tflops", dt_gpu_read(&gpu, second));
    unlink(first);
    unlink(second);
}

/* ---- sums -------------------------------------------------------------------------------------- */

/* Operations on tensor cores of a kernel, all lines. */
static double matrix_of(const dt_gpu_walk *walk, const char *kernel)
{
    double sum = 0.0;
    for (int l = 0; l < walk->count; ++l)
        if (strcmp(walk->line[l].kernel->name, kernel) == 0)
            sum += walk->line[l].matrix;
    return sum;
}

/* The products are three times the work of a forward pass (model/work.h) without scores and values, and
 * with products for the distinct ids instead of the convolutions. */
static void products_are_the_needed_work(void **state)
{
    static dt_gpu_walk walk;
    dt_gpu gpu;
    dt_gpu_shape shape;
    (void)state;
    read_machine(&gpu, 0);
    make_shape(&shape, 64, 256);
    assert_same(shape.rows, shape.tokens);
    ASSERT_OK(dt_gpu_walk_step(&walk, &gpu, &shape));
    const dt_model_config *c = &shape.config;
    const double layers = c->layers;
    const double scores = 4.0 * c->hidden * ((layers - 1.0) * shape.squares + shape.tokens);
    double taps = 0.0;
    for (int32_t i = 0; i < c->kernels; ++i)
        taps += 2.0 * c->embed_dim * c->filters * c->width[i];
    const double needed = 64.0 * dt_forward_work(c, 256) - scores - taps * shape.tokens;
    const double executed = matrix_of(&walk, "product") - 3.0 * taps * shape.groups;
    /* backward, the last layer's products of keys and values with weights and input have a row for
     * each sequence and head instead of each token */
    const double rows_less = shape.tokens - 64.0 * c->heads;
    assert_same(executed, 3.0 * needed - 8.0 * rows_less * c->hidden * c->hidden);
}

/* Tiles of 16 by 32 fit 256 tokens: forward, attention computes what is needed, and backward the
 * scores once more and the products of dy and v twice. */
static void attention_is_the_needed_work(void **state)
{
    static dt_gpu_walk walk;
    dt_gpu gpu;
    dt_gpu_shape shape;
    (void)state;
    read_machine(&gpu, 0);
    make_shape(&shape, 64, 256);
    ASSERT_OK(dt_gpu_walk_step(&walk, &gpu, &shape));
    const double scores = 4.0 * shape.config.hidden * shape.squares * (shape.config.layers - 1.0);
    assert_same(matrix_of(&walk, "fused_attention_kernel"), scores);
    const double backward = matrix_of(&walk, "fused_query_gradient_kernel") +
                            matrix_of(&walk, "fused_key_gradient_kernel");
    assert_same(backward, 3.5 * scores);
}

/* Dropout costs draws; without it no kernel is slower and some are faster. */
static void dropout_costs_draws(void **state)
{
    static dt_gpu_walk with;
    static dt_gpu_walk without;
    dt_gpu gpu;
    dt_gpu_shape shape;
    (void)state;
    read_machine(&gpu, 2);
    make_shape(&shape, 64, 320);
    ASSERT_OK(dt_gpu_walk_step(&with, &gpu, &shape));
    shape.config.dropout = 0.0;
    ASSERT_OK(dt_gpu_walk_step(&without, &gpu, &shape));
    assert_int_equal(with.count, without.count);
    for (int l = 0; l < with.count; ++l)
        assert_true(without.line[l].expected <= with.line[l].expected);
    assert_true(dt_gpu_walk_sum(&without).floor < dt_gpu_walk_sum(&with).floor);
}

/* A step's time follows fixed + s · sequence, so that the plan's estimate of efficiency
 * (train/efficiency.h) is that of the kernels. */
static double step_seconds(const dt_gpu *gpu, dt_gpu_shape *shape, int sequences)
{
    static dt_gpu_walk walk;
    make_shape(shape, sequences, 316);
    ASSERT_OK(dt_gpu_walk_step(&walk, gpu, shape));
    return dt_gpu_walk_sum(&walk).expected;
}

static void the_plan_estimates_the_efficiency_of_the_kernels(void **state)
{
    static const int shares[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512};
    const dt_model_config config = published_config();
    dt_gpu gpu;
    dt_gpu_shape shape;
    (void)state;
    read_machine(&gpu, 2);
    const double large = step_seconds(&gpu, &shape, 1024);
    const double sequence = (large - step_seconds(&gpu, &shape, 512)) / 512.0;
    const dt_step_cost cost = dt_step_cost_of(&config, (int64_t)shape.trained, 316, 0);
    for (size_t i = 0; i < sizeof shares / sizeof *shares; ++i) {
        const double kernels = shares[i] * sequence / step_seconds(&gpu, &shape, shares[i]);
        const double estimate = dt_efficiency(&cost, 8 * shares[i], 8);
        if (!(fabs(kernels - estimate) < 0.06))
            fail_msg("%d sequences: %.3f, kernels %.3f", shares[i], estimate, kernels);
    }
    assert_int_equal(dt_sufficient_share(&cost), 32);
}

/* All ranks wait for the one with the most sequences. */
static void the_largest_share_counts(void **state)
{
    const dt_step_cost cost = {.fixed = 2.0, .sequence = 1.0};
    (void)state;
    assert_same(dt_efficiency(&cost, 64, 8), 8.0 / 10.0);
    assert_same(dt_efficiency(&cost, 64, 48), 64.0 / 48.0 / 4.0);
    assert_int_equal(dt_sufficient_share(&cost), 8); /* 4: 0.67 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kernel_has_a_row),
        cmocka_unit_test(every_formula_is_used),
        cmocka_unit_test(operations_have_the_names_of_the_profile),
        cmocka_unit_test(every_machine_gives_a_step),
        cmocka_unit_test(incomplete_machines_are_refused),
        cmocka_unit_test(products_are_the_needed_work),
        cmocka_unit_test(attention_is_the_needed_work),
        cmocka_unit_test(dropout_costs_draws),
        cmocka_unit_test(the_plan_estimates_the_efficiency_of_the_kernels),
        cmocka_unit_test(the_largest_share_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
