/* The choice of algorithms of matrix products: the fastest one, of those that are deterministic and
 * run; the same bits wherever the choices are taken along. The emulator's cublaslt.cpp says how
 * algorithms are listed. */
#include "recorded.h"

#include <stdio.h>

static void propose(const char *list)
{
    setenv("CUDA_ON_CPU_PROPOSALS", list, 1);
}

static int no_proposals(void **state)
{
    (void)state;
    unsetenv("CUDA_ON_CPU_PROPOSALS");
    unsetenv("CUDA_ON_CPU_CUBLASLT");
    unsetenv("CUDA_ON_CPU_NAME");
    return 0;
}

/* ---- one product ----------------------------------------------------------------------------- */

enum { MOST_ROWS = 512, IN = 96, OUT = 40, PARAMETERS = OUT * IN + OUT };

/* A device with weights (OUT, IN) and a bias, and with inputs. */
typedef struct {
    dt_backend *backend;
    const dt_backend_ops *op;
    void *x, *y;
    float result[MOST_ROWS * OUT];
} device;

static void device_open(device *d, dt_precision precision)
{
    static float values[MOST_ROWS * IN];
    const dt_backend_options options = {.threads = 1, .precision = precision, .training = true};
    *d = (device){0};
    ASSERT_OK(dt_backend_open(tested_device(), &options, &d->backend));
    d->op = d->backend->ops;
    for (int i = 0; i < MOST_ROWS * IN; ++i)
        values[i] = (float)(random_bits(8, i) % 2001) / 1000.0f - 1.0f;
    ASSERT_OK(d->op->vectors_alloc(d->backend, PARAMETERS, true));
    d->op->vector_write(d->backend, DT_PARAMETERS, 0, PARAMETERS, values);
    ASSERT_OK(d->op->alloc(d->backend, &d->x, sizeof values));
    ASSERT_OK(d->op->alloc(d->backend, &d->y, sizeof d->result));
    if (precision == DT_PRECISION_FP32)
        d->op->upload(d->backend, d->x, values, sizeof values);
}

static void device_close(device *d)
{
    ASSERT_OK(d->op->sync(d->backend));
    d->op->free(d->backend, d->x);
    d->op->free(d->backend, d->y);
    d->op->destroy(d->backend);
}

static void multiply(device *d, int64_t rows)
{
    d->op->linear_forward(d->backend, d->y, d->x, 0, OUT * IN, rows, IN, OUT);
}

/* Returns the product with `rows` rows; in fp32. */
static const float *product(device *d, int64_t rows)
{
    multiply(d, rows);
    d->op->download(d->backend, d->result, d->y, rows * OUT * (int64_t)sizeof(float));
    ASSERT_OK(d->op->check(d->backend));
    return d->result;
}

/* Times the products with these numbers of rows, up to 0. */
static void rehearse(device *d, const int64_t *rows)
{
    d->op->choices_time(d->backend, true);
    for (; *rows > 0; ++rows)
        multiply(d, *rows);
    d->op->choices_time(d->backend, false);
    ASSERT_OK(d->op->check(d->backend));
}

/* The product with an algorithm, and with no other one there. */
static void product_of(float *out, const char *algorithm, int64_t rows)
{
    device d;
    propose(algorithm);
    device_open(&d, DT_PRECISION_FP32);
    memcpy(out, product(&d, rows), (size_t)(rows * OUT) * sizeof *out);
    device_close(&d);
}

enum { WHOLE, TWO, FOUR, ALGORITHMS };

/* Returns which algorithm the device takes for this product, by its bits. */
static int taken(device *d, int64_t rows)
{
    static const char *const alone[ALGORITHMS] = {"1=0", "2=0", "4=0"};
    static float expected[ALGORITHMS][MOST_ROWS * OUT];
    static int64_t expected_rows;
    char *all = strdup(getenv("CUDA_ON_CPU_PROPOSALS"));
    const size_t bytes = (size_t)(rows * OUT) * sizeof **expected;
    int out = -1;
    for (int i = 0; i < ALGORITHMS && expected_rows != rows; ++i)
        product_of(expected[i], alone[i], rows);
    expected_rows = rows;
    assert_memory_not_equal(expected[WHOLE], expected[TWO], bytes);
    assert_memory_not_equal(expected[WHOLE], expected[FOUR], bytes);
    assert_memory_not_equal(expected[TWO], expected[FOUR], bytes);
    propose(all);
    free(all);
    product(d, rows);
    for (int i = 0; i < ALGORITHMS; ++i)
        if (memcmp(d->result, expected[i], bytes) == 0)
            out = i;
    return out;
}

static const int64_t some_rows[] = {64, 0};

/* ---- what is chosen -------------------------------------------------------------------------- */

static int chosen_of(const char *proposals)
{
    device d;
    propose(proposals);
    device_open(&d, DT_PRECISION_FP32);
    rehearse(&d, some_rows);
    const int out = taken(&d, 64);
    device_close(&d);
    return out;
}

static void the_fastest_proposal_is_taken(void **state)
{
    (void)state;
    assert_int_equal(chosen_of("1=30,2=20,4=100"), TWO);
    assert_int_equal(chosen_of("1=30,2=200,4=10"), FOUR);
    assert_int_equal(chosen_of("1=30,2=200,4=100"), WHOLE);
    assert_int_equal(chosen_of("4=300,1=200,2=100"), TWO);
}

static void a_proposal_that_cannot_be_launched_is_skipped(void **state)
{
    (void)state;
    assert_int_equal(chosen_of("1x=1,2=200,4=100"), FOUR);
    assert_int_equal(chosen_of("1=300,2x=1,4=100"), FOUR);
}

/* "i" is added in place, in an order that varies on a GPU; "o" may be rounded in between. */
static void only_sums_of_stored_floats_are_taken(void **state)
{
    (void)state;
    assert_int_equal(chosen_of("2i=1,4o=2,1=100"), WHOLE);
    assert_int_equal(chosen_of("2i=1,1=200,4=100"), FOUR);
}

/* A sum of 96 terms is longer than 64 rows and 40 columns, but not than 128 rows. */
static void long_sums_are_also_split(void **state)
{
    (void)state;
    device d;
    assert_int_equal(chosen_of("1=100,-2=50,-4=10"), FOUR);
    propose("1=100,-2=50,-4=10");
    device_open(&d, DT_PRECISION_FP32);
    rehearse(&d, (const int64_t[]){128, 0});
    assert_int_equal(taken(&d, 128), WHOLE);
    device_close(&d);
}

/* 4096 parts of 64 · 40 floats are more than 32 MiB. */
static void the_workspace_limits_the_parts(void **state)
{
    (void)state;
    assert_int_equal(chosen_of("4096=1,1=100,4=50"), FOUR);
}

static void without_timing_the_first_is_taken(void **state)
{
    (void)state;
    static const char *const lists[] = {"2i=1,1=100,4=10", "1=100,4=10", "1=5"};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; ++i) {
        device d;
        propose(lists[i]);
        device_open(&d, DT_PRECISION_FP32);
        assert_int_equal(taken(&d, 64), WHOLE);
        device_close(&d);
    }
}

/* A size that differs by a quarter at most; other products choose by themselves. */
static void near_products_take_the_same(void **state)
{
    (void)state;
    device d;
    propose("1=100,2=50,4=60");
    device_open(&d, DT_PRECISION_FP32);
    rehearse(&d, (const int64_t[]){256, 0});
    assert_int_equal(taken(&d, 256), TWO);
    assert_int_equal(taken(&d, 320), TWO);
    assert_int_equal(taken(&d, 192), TWO);
    assert_int_equal(taken(&d, 512), WHOLE);
    assert_int_equal(taken(&d, 128), WHOLE);
    device_close(&d);
}

/* ---- choices that are taken along ------------------------------------------------------------ */

static char *choices_of(device *d)
{
    const char *text = d->op->choices_read(d->backend);
    ASSERT_OK(d->op->check(d->backend));
    return strdup(text);
}

/* Returns what `taken` is on a device that is given these choices, where another algorithm is the
 * fastest; -2 if it refuses them. */
static int taken_with(const char *choices, dt_precision precision)
{
    device d;
    int out = -2;
    propose("1=10,2=500,4=600");
    device_open(&d, precision);
    const bool valid = d.op->choices_write(d.backend, choices);
    ASSERT_OK(d.op->check(d.backend));
    if (valid)
        out = taken(&d, 64);
    else if (precision == DT_PRECISION_FP32)
        assert_int_equal(taken(&d, 64), WHOLE); /* works on without choices */
    device_close(&d);
    return out;
}

static char *choices_made(void)
{
    device d;
    propose("1=100,2=50,4=60");
    device_open(&d, DT_PRECISION_FP32);
    rehearse(&d, some_rows);
    char *out = choices_of(&d);
    device_close(&d);
    return out;
}

static void choices_are_taken_along(void **state)
{
    (void)state;
    char *choices = choices_made();
    char *head = strdup(choices);
    assert_int_equal(taken_with(choices, DT_PRECISION_FP32), TWO);
    strchr(head, '\n')[1] = '\0'; /* valid, but without a choice */
    assert_int_equal(taken_with(head, DT_PRECISION_FP32), WHOLE);
    free(head);
    free(choices);
}

static void new_choices_replace_the_old(void **state)
{
    (void)state;
    device d;
    char *choices = choices_made();
    propose("1=100,2=500,4=60");
    device_open(&d, DT_PRECISION_FP32);
    assert_int_equal(taken(&d, 64), WHOLE);
    assert_true(d.op->choices_write(d.backend, choices));
    assert_int_equal(taken(&d, 64), TWO);
    rehearse(&d, some_rows);
    assert_int_equal(taken(&d, 64), FOUR);
    assert_true(d.op->choices_write(d.backend, choices));
    char *same = choices_of(&d);
    assert_string_equal(same, choices);
    device_close(&d);
    free(same);
    free(choices);
}

static void choices_for_another_device_are_refused(void **state)
{
    (void)state;
    char *choices = choices_made();
    setenv("CUDA_ON_CPU_CUBLASLT", "130001", 1);
    assert_int_equal(taken_with(choices, DT_PRECISION_FP32), -2);
    unsetenv("CUDA_ON_CPU_CUBLASLT");
    setenv("CUDA_ON_CPU_NAME", "another GPU", 1);
    assert_int_equal(taken_with(choices, DT_PRECISION_FP32), -2);
    unsetenv("CUDA_ON_CPU_NAME");
    assert_int_equal(taken_with(choices, DT_PRECISION_BF16), -2);
    assert_int_equal(taken_with("", DT_PRECISION_FP32), -2);
    assert_int_equal(taken_with(choices, DT_PRECISION_FP32), TWO);
    free(choices);
}

static void damaged_choices_are_refused(void **state)
{
    (void)state;
    char *choices = choices_made();
    const size_t length = strlen(choices);
    char *text = malloc(length + 2);
    for (size_t cut = 1; cut <= 20; cut += 6) {
        snprintf(text, length + 2, "%.*s", (int)(length - cut), choices);
        assert_int_equal(taken_with(text, DT_PRECISION_FP32), -2);
    }
    snprintf(text, length + 2, "%sx", choices);
    assert_int_equal(taken_with(text, DT_PRECISION_FP32), -2);
    free(text);
    free(choices);
}

/* Words of an algorithm. */
enum { PARTS = 3, SCHEME = 4, WORDS = 8 };

/* Sets a word of the algorithm in the only choice. */
static char *changed(const char *choices, int word, int value)
{
    char *out = malloc(strlen(choices) + 16);
    const char *end = choices + strlen(choices);
    for (int words = 0; words < WORDS - word; ++words)
        while (*--end != ' ') {
        }
    const char *rest = end + 1 + strcspn(end + 1, " \n");
    sprintf(out, "%.*s%x%s", (int)(end + 1 - choices), choices, (unsigned)value, rest);
    return out;
}

/* A file may say anything: an algorithm is checked before it is used. */
static void unknown_or_unsuitable_algorithms_are_not_used(void **state)
{
    (void)state;
    char *choices = choices_made();
    char *four = changed(choices, PARTS, 4);
    char *five = changed(choices, PARTS, 5);
    char *in_place = changed(choices, SCHEME, 1);
    assert_int_equal(taken_with(four, DT_PRECISION_FP32), FOUR);
    assert_int_equal(taken_with(five, DT_PRECISION_FP32), WHOLE);
    char *too_many = changed(choices, PARTS, 4096); /* for the workspace */
    device d;
    propose("1=10,2i=20,4096=30");
    device_open(&d, DT_PRECISION_FP32);
    assert_true(d.op->choices_write(d.backend, in_place));
    assert_int_equal(taken(&d, 64), WHOLE);
    assert_true(d.op->choices_write(d.backend, too_many));
    assert_int_equal(taken(&d, 64), WHOLE);
    device_close(&d);
    free(choices);
    free(too_many);
    free(four);
    free(five);
    free(in_place);
}

/* ---- a training ------------------------------------------------------------------------------ */

static const training_plan plans[] = {{"hybrid_small", DT_PRECISION_FP32, 12, 4, 4, 1, 3},
                                      {"hybrid_small", DT_PRECISION_BF16, 12, 4, 2, 2, 3}};

static bool alike(training_result a, training_result b)
{
    const bool out = same_training(&a, &b);
    training_result_free(&a);
    training_result_free(&b);
    return out;
}

/* With a single algorithm. */
static void a_rehearsal_leaves_no_trace(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof plans / sizeof *plans; ++i) {
        char *choices = NULL;
        propose("1=0");
        assert_true(alike(run_training(&plans[i], STEPS_RECORDED, CHOICES_NONE, NULL),
                          run_training(&plans[i], STEPS_RECORDED, CHOICES_MADE, &choices)));
        free(choices);
    }
}

/* (That the same choices give the same bits: test_graphs.c.) */
static void other_choices_have_other_bits(void **state)
{
    (void)state;
    char *choices = NULL;
    char *others = NULL;
    propose("1=100,2=50,4=60");
    training_result first = run_training(&plans[0], STEPS_RECORDED, CHOICES_MADE, &choices);
    assert_false(alike(run_training(&plans[0], STEPS_RECORDED, CHOICES_TAKEN, &choices),
                       run_training(&plans[0], STEPS_RECORDED, CHOICES_NONE, NULL)));
    propose("1=100,4=10,2=50");
    assert_false(alike(first, run_training(&plans[0], STEPS_RECORDED, CHOICES_MADE, &others)));
    free(choices);
    free(others);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(the_fastest_proposal_is_taken, no_proposals),
        cmocka_unit_test_teardown(a_proposal_that_cannot_be_launched_is_skipped, no_proposals),
        cmocka_unit_test_teardown(only_sums_of_stored_floats_are_taken, no_proposals),
        cmocka_unit_test_teardown(long_sums_are_also_split, no_proposals),
        cmocka_unit_test_teardown(the_workspace_limits_the_parts, no_proposals),
        cmocka_unit_test_teardown(without_timing_the_first_is_taken, no_proposals),
        cmocka_unit_test_teardown(near_products_take_the_same, no_proposals),
        cmocka_unit_test_teardown(choices_are_taken_along, no_proposals),
        cmocka_unit_test_teardown(new_choices_replace_the_old, no_proposals),
        cmocka_unit_test_teardown(choices_for_another_device_are_refused, no_proposals),
        cmocka_unit_test_teardown(damaged_choices_are_refused, no_proposals),
        cmocka_unit_test_teardown(unknown_or_unsuitable_algorithms_are_not_used, no_proposals),
        cmocka_unit_test_teardown(a_rehearsal_leaves_no_trace, no_proposals),
        cmocka_unit_test_teardown(other_choices_have_other_bits, no_proposals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
