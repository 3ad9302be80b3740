/* The CPU's products in bf16: inputs rounded to the nearest bf16, everything after that in float.
 * So the reference rounds its inputs too, and only the sums' own rounding is allowed for. */
#include "cpu_test.h"

typedef struct {
    int64_t rows;
    int32_t in, out;
} sizes;

static dt_backend *open_narrow(int threads)
{
    dt_backend *be;
    const dt_backend_options options = {.threads = threads, .precision = DT_PRECISION_BF16};
    ASSERT_OK(dt_backend_open("cpu", &options, &be));
    return be;
}

/* To the nearest bf16, halfway to the even one: 8 bits of precision. */
static double rounded(double x)
{
    int exponent;
    const double fraction = frexp(x, &exponent);
    return ldexp(nearbyint(ldexp(fraction, 8)), exponent - 8);
}

typedef struct {
    sizes size;
    dt_backend *backend;
    double *x, *parameters; /* parameters: weight (out, in), bias (out) */
    void *device_x, *u, *y;
} product;

static void begin(product *p, int threads, sizes size)
{
    const int64_t weights = (int64_t)size.in * size.out;
    *p = (product){.size = size, .backend = open_narrow(threads)};
    p->x = numbers(size.rows * size.in);
    p->parameters = numbers(weights + size.out);
    fill(p->x, size.rows * size.in, 1);
    fill(p->parameters, weights + size.out, 2);
    dt_backend *be = p->backend;
    ASSERT_OK(be->ops->vectors_alloc(be, weights + size.out, false));
    write_vector(be, DT_PARAMETERS, p->parameters, weights + size.out);
    ASSERT_OK(be->ops->alloc(be, &p->device_x, size.rows * size.in * 4));
    ASSERT_OK(be->ops->alloc(be, &p->u, size.rows * size.out * 4));
    ASSERT_OK(be->ops->alloc(be, &p->y, size.rows * size.out * 4));
    upload(be, p->device_x, p->x, size.rows * size.in);
    poison(be, p->u, size.rows * size.out);
    poison(be, p->y, size.rows * size.out);
}

static void end(product *p)
{
    p->backend->ops->free(p->backend, p->device_x);
    p->backend->ops->free(p->backend, p->u);
    p->backend->ops->free(p->backend, p->y);
    p->backend->ops->destroy(p->backend);
    free(p->x);
    free(p->parameters);
}

static void multiply(const product *p, void *y, void *u)
{
    const sizes *s = &p->size;
    p->backend->ops->linear_gelu_forward(p->backend, y, u, p->device_x, 0, (dt_param)s->in * s->out,
                                         s->rows, s->in, s->out);
    ASSERT_OK(p->backend->ops->check(p->backend));
}

static void reference(const product *p, double *u, double *y)
{
    const sizes *s = &p->size;
    for (int64_t i = 0; i < s->rows * s->out; ++i) {
        const int64_t o = i % s->out;
        const double *x = p->x + i / s->out * s->in;
        u[i] = p->parameters[(int64_t)s->in * s->out + o];
        for (int64_t j = 0; j < s->in; ++j)
            u[i] += rounded(x[j]) * rounded(p->parameters[o * s->in + j]);
        y[i] = 0.5 * u[i] * (1.0 + erf(u[i] * 0.70710678118654752440));
    }
}

static void check_one(int threads, sizes size)
{
    product p;
    begin(&p, threads, size);
    const int64_t count = size.rows * size.out;
    double *u = numbers(count);
    double *y = numbers(count);
    double *result = numbers(count);
    reference(&p, u, y);
    multiply(&p, p.y, p.u);
    download(p.backend, result, p.u, count);
    assert_close("u", result, u, count, 3e-6);
    download(p.backend, result, p.y, count);
    assert_close("y", result, y, count, 3e-6);
    poison(p.backend, p.y, count);
    multiply(&p, p.y, NULL);
    download(p.backend, result, p.y, count);
    assert_close("y alone", result, y, count, 3e-6);
    poison(p.backend, p.u, count);
    multiply(&p, NULL, p.u);
    download(p.backend, result, p.u, count);
    assert_close("u alone", result, u, count, 3e-6);
    free(u);
    free(y);
    free(result);
    end(&p);
}

static void results_are_those_of_rounded_inputs(void **state)
{
    (void)state;
    const sizes all[] = {{1, 1, 1},      {1, 3, 17},    {7, 17, 3},     {16, 32, 48},
                         {130, 33, 129}, {513, 64, 70}, {700, 129, 31}, {256, 96, 64}};
    for (size_t i = 0; i < sizeof all / sizeof *all; ++i) {
        check_one(1, all[i]);
        check_one(3, all[i]);
    }
}

/* A row does not depend on the rows beside it, nor on the number of threads. */
static void a_row_has_the_same_bits_anywhere(void **state)
{
    (void)state;
    const sizes all = {600, 2100, 96};
    const int64_t count = all.rows * all.out;
    double *first = numbers(count);
    double *second = numbers(count);
    for (int threads = 1; threads <= 3; threads += 2) {
        product p;
        begin(&p, threads, all);
        multiply(&p, NULL, p.u);
        download(p.backend, threads == 1 ? first : second, p.u, count);
        if (threads == 3)
            assert_memory_equal(first, second, (size_t)count * sizeof *first);
        p.size.rows = 5; /* the first ones alone */
        poison(p.backend, p.u, count);
        multiply(&p, NULL, p.u);
        download(p.backend, second, p.u, 5 * (int64_t)all.out);
        assert_memory_equal(first, second, 5 * (size_t)all.out * sizeof *first);
        end(&p);
    }
    free(first);
    free(second);
}

static void weights_written_again_are_used(void **state)
{
    (void)state;
    const sizes size = {20, 40, 24};
    const int64_t weights = (int64_t)size.in * size.out;
    product p;
    begin(&p, 2, size);
    multiply(&p, NULL, p.u);
    for (int64_t i = 0; i < weights; ++i)
        p.parameters[i] *= 3.0;
    write_vector(p.backend, DT_PARAMETERS, p.parameters, weights);
    double *u = numbers(size.rows * size.out);
    double *y = numbers(size.rows * size.out);
    double *result = numbers(size.rows * size.out);
    reference(&p, u, y);
    multiply(&p, NULL, p.u);
    download(p.backend, result, p.u, size.rows * size.out);
    assert_close("u", result, u, size.rows * size.out, 3e-6);
    free(u);
    free(y);
    free(result);
    end(&p);
}

static void not_a_number_stays_in_its_row(void **state)
{
    (void)state;
    const sizes size = {20, 40, 24};
    product p;
    begin(&p, 2, size);
    p.x[3 * size.in + 7] = (double)NAN;
    upload(p.backend, p.device_x, p.x, size.rows * size.in);
    multiply(&p, NULL, p.u);
    double *result = numbers(size.rows * size.out);
    download(p.backend, result, p.u, size.rows * size.out);
    for (int64_t i = 0; i < size.rows * size.out; ++i)
        assert_int_equal(isnan(result[i]) != 0, i / size.out == 3);
    free(result);
    end(&p);
}

static void backend_says_what_it_computes_with(void **state)
{
    (void)state;
    dt_backend *narrow = open_narrow(1);
    dt_backend *wide = open_backend("cpu", 1);
    assert_int_equal(narrow->precision, DT_PRECISION_BF16);
    assert_int_equal(narrow->activation_size, 4);
    assert_non_null(strstr(narrow->description, "products in bf16: oneDNN "));
    assert_null(strstr(wide->description, "bf16"));
    assert_int_equal(wide->precision, DT_PRECISION_FP32);
    assert_int_equal(narrow->ops->vectors_bytes(narrow, 1000, false),
                     wide->ops->vectors_bytes(wide, 1000, false) + 2000);
    assert_int_not_equal(narrow->ops->vectors_alloc(narrow, 10, true), DT_OK);
    narrow->ops->destroy(narrow);
    wide->ops->destroy(wide);
}

int main(void)
{
    dt_backend *be;
    const dt_backend_options options = {.threads = 1, .precision = DT_PRECISION_BF16};
    const dt_status status = dt_backend_open("cpu", &options, &be);
    if (status == DT_ERR_DEVICE)
        SKIP_PROGRAM("%s", dt_error_message());
    if (status != DT_OK) {
        fprintf(stderr, "%s\n", dt_error_message());
        return 1;
    }
    be->ops->destroy(be);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_are_those_of_rounded_inputs),
        cmocka_unit_test(a_row_has_the_same_bits_anywhere),
        cmocka_unit_test(weights_written_again_are_used),
        cmocka_unit_test(not_a_number_stays_in_its_row),
        cmocka_unit_test(backend_says_what_it_computes_with),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
