/* What a product makes of a row does not depend, to the last bit, on how many rows there are, at
 * which place it stands, or on how many threads compute: a matrix of equal rows has a result of
 * equal rows, those of the product of one row. */
#include "cpu_test.h"

/* Odd ones, sizes around the kernels' and blocks' edges, and those of models. */
static const int32_t sizes[][2] = {{1, 1},    {7, 5},    {64, 16},   {128, 128}, {31, 385},
                                   {385, 49}, {896, 97}, {300, 896}, {2000, 33}, {16, 1081}};
static const int64_t rows_of_product[] = {2, 3, 5, 8, 13, 55, 64, 318, 1025};
#define MOST_ROWS 1025

typedef struct {
    dt_backend *backend;
    void *x, *y, *u;
    int32_t in, out;
} product;

static product open_product(const char *build, int threads, int32_t in, int32_t out)
{
    product p = {.backend = open_backend(build, threads), .in = in, .out = out};
    const dt_backend_ops *ops = p.backend->ops;
    const int64_t count = (int64_t)in * out + out;
    double *params = numbers(count);
    double *row = numbers((int64_t)MOST_ROWS * in);
    fill(params, count, 1);
    fill(row, in, 2);
    for (int64_t i = 1; i < MOST_ROWS; ++i)
        memcpy(row + i * in, row, (size_t)in * sizeof *row);
    ASSERT_OK(ops->vectors_alloc(p.backend, count, false));
    ASSERT_OK(ops->alloc(p.backend, &p.x, (int64_t)MOST_ROWS * in * 4));
    ASSERT_OK(ops->alloc(p.backend, &p.y, (int64_t)MOST_ROWS * out * 4));
    ASSERT_OK(ops->alloc(p.backend, &p.u, (int64_t)MOST_ROWS * out * 4));
    write_vector(p.backend, DT_PARAMETERS, params, count);
    upload(p.backend, p.x, row, (int64_t)MOST_ROWS * in);
    free(params);
    free(row);
    return p;
}

static void close_product(product *p)
{
    p->backend->ops->free(p->backend, p->x);
    p->backend->ops->free(p->backend, p->y);
    p->backend->ops->free(p->backend, p->u);
    p->backend->ops->destroy(p->backend);
}

/* (rows, out): of the linear layer, or with GELU behind it. The caller frees it. */
static float *multiply(product *p, int64_t rows, bool gelu)
{
    const dt_backend_ops *ops = p->backend->ops;
    const size_t bytes = (size_t)rows * (size_t)p->out * sizeof(float);
    const dt_param bias = (dt_param)p->in * p->out;
    float *result = malloc(bytes);
    assert_non_null(result);
    if (gelu)
        ops->linear_gelu_forward(p->backend, p->y, p->u, p->x, 0, bias, rows, p->in, p->out);
    else
        ops->linear_forward(p->backend, p->y, p->x, 0, bias, rows, p->in, p->out);
    ASSERT_OK(ops->sync(p->backend));
    ops->download(p->backend, result, p->y, (int64_t)bytes);
    return result;
}

static void check_rows(product *p, const float *one, int64_t rows, bool gelu)
{
    float *all = multiply(p, rows, gelu);
    for (int64_t i = 0; i < rows; ++i)
        if (memcmp(all + i * p->out, one, (size_t)p->out * sizeof *one) != 0)
            fail_msg("%s: row %lld of %lld of a product (%d, %d) has other bits than alone",
                     p->backend->description, (long long)i, (long long)rows, p->in, p->out);
    free(all);
}

static void check_build(const char *build, int32_t in, int32_t out, bool gelu)
{
    product alone = open_product(build, 1, in, out);
    float *one = multiply(&alone, 1, gelu);
    close_product(&alone);
    for (int threads = 1; threads <= 5; threads += 2) {
        product p = open_product(build, threads, in, out);
        for (size_t i = 0; i < sizeof rows_of_product / sizeof *rows_of_product; ++i)
            check_rows(&p, one, rows_of_product[i], gelu);
        close_product(&p);
    }
    free(one);
}

static void equal_rows_have_equal_bits(void **state)
{
    (void)state;
    for (const char *const *build = float_builds(); *build; ++build)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i)
            check_build(*build, sizes[i][0], sizes[i][1], i % 2 == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(equal_rows_have_equal_bits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
