/* Attention beside PyTorch's in double precision (make_attention_fixture.py), on lengths of 1 to
 * 512 tokens, with and without dropout, for all tokens and for a single query per sequence: the CPU
 * in double and in float, and the CUDA kernels (through the emulator, or on the device
 * DEEPTAXA_TEST_DEVICE), fused in bf16 and fp16, plain in fp32.
 *
 * An error is measured relative to the size of a result in its sequence: the largest element of the
 * result, or of the first of the two terms whose difference a gradient of q or k is, because what
 * rounding does to a difference depends on its terms.
 */
#include "core/module.h"
#include "cuda_on_cpu/beside_cpu.h"
#include "fixture.h"
#include "layers.h"

/* A backend, how it computes, and the largest errors allowed: of log-sums and of other results. */
typedef struct {
    const char *backend;
    dt_precision precision;
    dt_attention_method method;
    double log_sum, others;
} subject;

/* The errors allowed follow from the precision (inputs are exact in each):
 *   double  the fixture's results are rounded to float, by up to 2^-24.
 *   float   sums of up to 512 products, and the rounding of scores of up to 10, whose error is the
 *           relative error of a probability.
 *   bf16,   numbers are 2^-7 (fp16: 2^-10) of a power of two apart; rounding changes them by up to
 *   fp16    half of that. Rounded are the result, before it the probabilities and the gradients of
 *           scores that are factors of products, and, for gradients of q and k, y in dy · y. In all
 *           up to 1.5 of that distance, as errors of many terms mostly cancel.
 * In all three the log-sum is computed in float, from numbers that have not been rounded. */
#define DOUBLE 0x1p-23, 0x1p-23
#define SINGLE 0x1p-20, 0x1p-19
#define BF16 0x1p-20, 1.5 * 0x1p-7
#define FP16 0x1p-20, 1.5 * 0x1p-10

/* A group of the fixture. */
typedef struct {
    hid_t file;
    const char *name;
    int32_t lengths[MAX_LENGTHS + 1];
    int32_t sequences;
    int64_t tokens;
    int32_t *rows; /* of a token matrix, whose results are stored */
    int64_t row_count;
    dt_attention attention;
} test_case;

static double *dataset(const test_case *c, const char *name, int64_t *count)
{
    char path[96];
    snprintf(path, sizeof path, "/%s/%s", c->name, name);
    return fixture_doubles(c->file, path, count);
}

static double number(const test_case *c, const char *key)
{
    return fixture_number(c->file, c->name, key);
}

static test_case open_case(hid_t file, const char *name)
{
    int64_t count;
    test_case c = {.file = file, .name = name};
    double *lengths = dataset(&c, "lengths", &count);
    double *rows = dataset(&c, "rows", &c.row_count);
    assert_in_range(count, 1, MAX_LENGTHS);
    c.sequences = (int32_t)count;
    for (int32_t b = 0; b < c.sequences; ++b) {
        c.lengths[b] = (int32_t)lengths[b];
        c.tokens += c.lengths[b];
    }
    c.rows = calloc((size_t)c.row_count, sizeof *c.rows);
    for (int64_t i = 0; i < c.row_count; ++i)
        c.rows[i] = (int32_t)rows[i];
    free(rows);
    free(lengths);
    const bool single = number(&c, "single") != 0.0;
    const int32_t heads = (int32_t)number(&c, "heads");
    const int32_t head_size = (int32_t)number(&c, "head_size");
    const int64_t h = (int64_t)heads * head_size;
    c.attention = (dt_attention){
        .heads = heads,
        .head_size = head_size,
        .queries = single ? DT_ROWS_SEQUENCES : DT_ROWS_TOKENS,
        .query_stride = single ? h : 3 * h, /* q, k, v side by side, or k and v */
        .key_stride = single ? 2 * h : 3 * h,
        .dropout = {.p = number(&c, "dropout"), .stream = dt_stream(DT_DRAW_ATTENTION, 1, 0)}};
    return c;
}

/* ---- inputs --------------------------------------------------------------------------------- */

/* Element i of matrix number `matrix`, as in make_attention_fixture.py. */
static float element(uint32_t matrix, int64_t i)
{
    uint32_t x = (uint32_t)i + (matrix << 24);
    x = (x ^ x >> 16) * 0x85EBCA6Bu;
    x = (x ^ x >> 13) * 0xC2B2AE35u;
    return (float)(x >> 24) / 64.0f - 2.0f;
}

/* Matrices first … last side by side, (rows, h) each. */
static void *given(test_run *r, int64_t rows, int64_t h, uint32_t first, uint32_t last)
{
    const int64_t width = h * (last - first + 1);
    const int64_t count = (rows + excess_of(r, rows)) * width;
    float *values = calloc((size_t)count, sizeof *values);
    for (int64_t i = 0; i < rows * width; ++i)
        values[i] = element(first + (uint32_t)(i % width / h), i / width * h + i % h);
    void *out = memory_of(r, count * r->backend->activation_size);
    write_numbers(r, out, values, count, r->backend->activation_size);
    free(values);
    return out;
}

/* ---- comparison ----------------------------------------------------------------------------- */

/* A recorded matrix with one row per token or per sequence, and which of its columns to compare. */
typedef struct {
    const char *name;
    const test_record *record;
    int64_t stride, first, columns;
    bool of_tokens;
} result;

static int32_t sequence_of(const test_case *c, int64_t row)
{
    int32_t b = 0;
    for (; row >= c->lengths[b]; ++b)
        row -= c->lengths[b];
    return b;
}

/* Returns the largest error as a share of `bound`. */
static double compare(const test_case *c, const result *r, const subject *s, double bound)
{
    char name[32];
    int64_t count;
    double largest = 0.0;
    snprintf(name, sizeof name, "size/%s", r->name);
    double *size = dataset(c, name, &count);
    assert_int_equal(count, c->sequences);
    double *expected = dataset(c, r->name, &count);
    assert_int_equal(count, (r->of_tokens ? c->row_count : c->sequences) * r->columns);
    for (int64_t i = 0; i < count; ++i) {
        const int64_t row = r->of_tokens ? c->rows[i / r->columns] : i / r->columns;
        const int64_t column = i % r->columns;
        const int32_t b = r->of_tokens ? sequence_of(c, row) : (int32_t)row;
        const double value = r->record->value[row * r->stride + r->first + column];
        const double allowed = bound * (1e-3 + size[b]);
        const double error = fabs(value - expected[i]);
        if (!(error <= allowed))
            fail_msg("%s, %s, %s: %s of row %lld (a sequence of %d tokens), column %lld is %.9g, "
                     "PyTorch's is %.9g (allowed: %.2g)",
                     s->backend, precision_name(s->precision), c->name, r->name, (long long)row,
                     c->lengths[b], (long long)column, value, expected[i], allowed);
        largest = fmax(largest, error / allowed);
    }
    free(expected);
    free(size);
    return largest;
}

/* Parameters: 3h biases, then the weights (2, h, h) of keys and values, of which `part` is the
 * identity and the other one 0. */
static void write_identity(const test_run *r, int64_t h, int part)
{
    const int64_t count = 2 * h * h;
    float *values = calloc((size_t)count, sizeof *values);
    double *wide = calloc((size_t)count, sizeof *wide);
    for (int64_t i = 0; i < h; ++i)
        values[part * h * h + i * h + i] = 1.0f;
    for (int64_t i = 0; i < count; ++i)
        wide[i] = (double)values[i];
    r->backend->ops->vector_write(r->backend, DT_PARAMETERS, 3 * h, count,
                                  r->backend->master_size == 8 ? (const void *)wide : values);
    free(wide);
    free(values);
}

/* Runs attention forward and backward, and compares. */
static void run_case(test_run *r, const test_case *c, const subject *s)
{
    const dt_backend_ops *op = r->backend->ops;
    const dt_attention *a = &c->attention;
    const int64_t h = (int64_t)a->heads * a->head_size;
    const bool single = a->queries == DT_ROWS_SEQUENCES;
    const int64_t size = r->backend->activation_size;
    start_batch(r, c->lengths, 10, 0, NULL, 0);
    if (single)
        ASSERT_OK(op->vectors_alloc(r->backend, 3 * h + 2 * h * h, true));
    const int64_t n = c->tokens;
    const int64_t queries = single ? c->sequences : n;
    char *together = given(r, n, h, single ? 2 : 1, 3);
    char *q = single ? given(r, queries, h, 1, 1) : together;
    char *k = single ? together : together + h * size;
    char *v = k + h * size;
    void *dy = given(r, queries, h, 4, 4);
    void *y = output(r, queries, h);
    void *log_sum = statistics(r, queries, a->heads);
    char *dq = output(r, queries, single ? h : 3 * h);
    char *dk = single ? output(r, n, h) : dq + h * size;
    char *dv = single ? output(r, n, h) : dk + h * size;
    op->attention_forward(r->backend, y, log_sum, q, k, v, r->batch, a);
    if (single) {
        void *scratch = memory_of(
            r, op->single_attention_scratch(r->backend, a, c->sequences, r->batch->size.rows));
        for (int part = 0; part < 2; ++part) { /* dx = (dk, dv) · W is dk, then dv */
            write_identity(r, h, part);
            op->single_attention_backward(r->backend, dq, part == 0 ? dk : dv, dy, y, log_sum, q, k,
                                          v, given(r, n, h, 5, 5), 3 * h, 0, r->batch, a, scratch);
        }
    } else {
        op->attention_backward(r->backend, dq, dk, dv, dy, y, log_sum, q, k, v, DT_NO_PARAM,
                               r->batch, a, statistics(r, queries, a->heads));
    }
    ASSERT_OK(r->backend->ops->sync(r->backend));
    const test_record *gradients = single ? NULL : record(r, "gradients", dq, n, 3 * h);
    const result results[] = {
        {"log_sum", record_statistics(r, "log_sum", log_sum, queries, a->heads), a->heads, 0,
         a->heads, !single},
        {"y", record(r, "y", y, queries, h), h, 0, h, !single},
        {"dq", single ? record(r, "dq", dq, queries, h) : gradients, a->query_stride, 0, h,
         !single},
        {"dk", single ? record(r, "dk", dk, n, h) : gradients, single ? h : 3 * h, single ? 0 : h,
         h, true},
        {"dv", single ? record(r, "dv", dv, n, h) : gradients, single ? h : 3 * h,
         single ? 0 : 2 * h, h, true},
    };
    double largest = 0.0;
    for (size_t i = 0; i < sizeof results / sizeof *results; ++i)
        largest = fmax(largest, compare(c, &results[i], s, i == 0 ? s->log_sum : s->others));
    printf("%-12s %s  %-18s largest error: %.3f of the bound\n", s->backend,
           precision_name(s->precision), c->name, largest);
}

/* Every case of the fixture. */
static void equals_pytorch(const subject *s)
{
    const hid_t file = fixture_open("attention");
    char *names = fixture_text(file, "cases");
    int32_t cases = 0;
    for (char *name = strtok(names, "\n"); name; name = strtok(NULL, "\n"), ++cases) {
        test_case c = open_case(file, name);
        test_run r = {.precision = s->precision};
        const dt_backend_options options = {
            .threads = 2, .precision = s->precision, .attention = s->method};
        ASSERT_OK(dt_backend_open(s->backend, &options, &r.backend));
        run_case(&r, &c, s);
        end_run(&r);
        free(c.rows);
    }
    assert_true(cases > 0);
    free(names);
    H5Fclose(file);
}

static void the_cpus_attention_equals_pytorchs(void **state)
{
    (void)state;
    equals_pytorch(&(subject){"cpu64", DT_PRECISION_FP32, DT_ATTENTION_AUTO, DOUBLE});
    equals_pytorch(&(subject){"cpu", DT_PRECISION_FP32, DT_ATTENTION_AUTO, SINGLE});
}

static void needs_device(void)
{
    if (dt_module_present(tested_device()))
        return;
    print_message("no device %s (the emulator needs a C++ compiler, CBLAS and awk)\n",
                  tested_device());
    skip();
}

static void fused_attention_equals_pytorchs(void **state)
{
    (void)state;
    needs_device();
    equals_pytorch(&(subject){tested_device(), DT_PRECISION_BF16, DT_ATTENTION_FUSED, BF16});
    equals_pytorch(&(subject){tested_device(), DT_PRECISION_FP16, DT_ATTENTION_FUSED, FP16});
}

static void plain_attention_equals_pytorchs(void **state)
{
    (void)state;
    needs_device();
    equals_pytorch(&(subject){tested_device(), DT_PRECISION_FP32, DT_ATTENTION_PLAIN, SINGLE});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cpus_attention_equals_pytorchs),
        cmocka_unit_test(fused_attention_equals_pytorchs),
        cmocka_unit_test(plain_attention_equals_pytorchs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
