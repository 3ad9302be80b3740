/* Opening, memory, vectors, batches, errors. */
#include "cpu_test.h"

static test_batch storage;
static const int32_t lengths[] = {5, 1, 7};

static void cpu_opens_the_best_build_and_says_so(void **state)
{
    (void)state;
    dt_backend *be;
    const dt_backend_options options = {.threads = 3};
    unsetenv("DEEPTAXA_CPU_BUILD"); /* as it is set for the other tests with sanitizers */
    ASSERT_OK(dt_backend_open("cpu", &options, &be));
    const char *best = NULL;
    for (const char *const *build = float_builds(); *build; ++build)
        best = *build;
    assert_string_equal(be->name, "cpu");
    assert_non_null(strstr(be->description, best));
    assert_non_null(strstr(be->description, "3 threads"));
    assert_true(be->host_memory);
    assert_int_equal(be->activation_size, 4);
    be->ops->destroy(be);
    ASSERT_OK(dt_backend_open("cpu64", &options, &be));
    assert_int_equal(be->activation_size, 8);
    assert_int_equal(be->master_size, 8);
    be->ops->destroy(be);
}

static void precision_that_it_lacks_is_refused(void **state)
{
    (void)state;
    dt_backend *be;
    dt_backend_options options = {.precision = DT_PRECISION_FP16};
    ASSERT_FAILS(DT_ERR_USAGE, "not fp16", dt_backend_open("cpu", &options, &be));
    options = (dt_backend_options){.precision = DT_PRECISION_BF16, .training = true};
    ASSERT_FAILS(DT_ERR_USAGE, "trains in fp32 only", dt_backend_open("cpu", &options, &be));
    options.training = false; /* which the float build may have: test_bf16_product.c */
    ASSERT_FAILS(DT_ERR_USAGE, "double-precision build", dt_backend_open("cpu64", &options, &be));
}

static void memory_is_zeroed_and_aligned(void **state)
{
    (void)state;
    dt_backend *be = open_backend("cpu", 2);
    const int64_t sizes[] = {0, 1, 257, 3000000};
    for (int i = 0; i < 4; ++i) {
        void *memory;
        ASSERT_OK(be->ops->alloc(be, &memory, sizes[i]));
        assert_true((uintptr_t)memory % 256 == 0);
        for (int64_t j = 0; j < sizes[i]; ++j)
            assert_true(((char *)memory)[j] == 0);
        be->ops->free(be, memory);
    }
    be->ops->free(be, NULL);
    be->ops->destroy(be);
}

static void too_much_memory_is_an_error_that_names_it(void **state)
{
    (void)state;
    dt_backend *be = open_backend("cpu", 1);
    int64_t available;
    int64_t total;
    be->ops->memory(be, &available, &total);
    assert_true(available > 0);
    assert_true(total >= available);
    void *memory;
    ASSERT_FAILS(DT_ERR_MEMORY, "1000000000.0 MB",
                 be->ops->alloc(be, &memory, (int64_t)1000000000000000));
    be->ops->destroy(be);
}

static void vectors_start_at_zero_and_keep_what_is_written(void **state)
{
    (void)state;
    dt_backend *be = open_backend("cpu", 2);
    ASSERT_OK(be->ops->vectors_alloc(be, 1000, true));
    const float values[3] = {1, 2, 3};
    for (int which = 0; which < DT_VECTORS; ++which) {
        float got[4] = {9, 9, 9, 9};
        be->ops->vector_read(be, which, 996, 4, got);
        assert_true(got[0] == 0 && got[3] == 0);
        be->ops->vector_write(be, which, 997, 3, values);
        be->ops->vector_read(be, which, 996, 4, got);
        assert_true(got[0] == 0 && got[1] == 1 && got[3] == 3);
        assert_true(((float *)be->ops->vector_data(be, which))[998] == 2);
    }
    be->ops->gradients_zero(be);
    assert_true(((float *)be->ops->vector_data(be, DT_GRADIENTS))[998] == 0);
    assert_true(((float *)be->ops->vector_data(be, DT_PARAMETERS))[998] == 2);
    be->ops->destroy(be);
}

static void parameters_alone_need_no_other_vector(void **state)
{
    (void)state;
    dt_backend *be = open_backend("cpu", 2);
    ASSERT_OK(be->ops->vectors_alloc(be, 10, false));
    assert_non_null(be->ops->vector_data(be, DT_PARAMETERS));
    assert_null(be->ops->vector_data(be, DT_GRADIENTS));
    be->ops->destroy(be);
}

static void batch_is_copied_and_stays_until_the_next_but_one(void **state)
{
    (void)state;
    dt_backend *be = open_backend("cpu", 2);
    ASSERT_OK(be->ops->batch_reserve(be, 3, 20, 2));
    const dt_batch *batch = make_batch(&storage, lengths, 3, 5);
    const dt_device_batch *first = be->ops->batch_upload(be, batch);
    assert_int_equal(first->size.sequences, 3);
    assert_int_equal(first->size.tokens, 13);
    assert_int_equal(first->size.rows, 13);
    assert_int_equal(first->size.longest, 7);
    make_batch(&storage, lengths, 2, 5);
    const dt_device_batch *second = be->ops->batch_upload(be, batch);
    assert_int_equal(second->size.tokens, 6);
    assert_int_equal(first->size.tokens, 13);
    be->ops->destroy(be);
}

static void expect_refusal(const dt_batch *batch, const char *why)
{
    dt_backend *be = open_backend("cpu", 1);
    ASSERT_OK(be->ops->batch_reserve(be, 3, 12, 2));
    be->ops->batch_upload(be, batch);
    ASSERT_FAILS(DT_ERR_INTERNAL, why, be->ops->check(be));
    be->ops->destroy(be);
}

static void batch_that_cannot_be_is_an_error(void **state)
{
    (void)state;
    make_batch(&storage, lengths, 3, 5);
    expect_refusal(&storage.batch, "13 tokens");
    make_batch(&storage, lengths, 3, 5);
    storage.cu_seqlens[2] = storage.cu_seqlens[1];
    expect_refusal(&storage.batch, "has no tokens");
    make_batch(&storage, lengths, 2, 5);
    storage.ids[1] = -3;
    expect_refusal(&storage.batch, "negative");
    make_batch(&storage, lengths, 2, 5);
    storage.batch.tax_ranks = 3;
    expect_refusal(&storage.batch, "3 taxonomic ranks");
}

static void first_error_stays_and_later_operations_do_nothing(void **state)
{
    (void)state;
    dt_backend *be = open_backend("cpu", 1);
    ASSERT_OK(be->ops->batch_reserve(be, 3, 12, 2));
    ASSERT_OK(be->ops->vectors_alloc(be, 4, true));
    ASSERT_OK(be->ops->check(be));
    make_batch(&storage, lengths, 3, 5);
    be->ops->batch_upload(be, &storage.batch);
    make_batch(&storage, lengths, 2, 5);
    const dt_device_batch *batch = be->ops->batch_upload(be, &storage.batch);
    float y[2] = {7, 7};
    const float x[4] = {1, 2, 3, 4};
    be->ops->gather_first_forward(be, y, x, batch, 1);
    assert_true(y[0] == 7);
    ASSERT_FAILS(DT_ERR_INTERNAL, "13 tokens", be->ops->sync(be));
    be->ops->destroy(be);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(precision_that_it_lacks_is_refused),
        cmocka_unit_test(memory_is_zeroed_and_aligned),
        cmocka_unit_test(too_much_memory_is_an_error_that_names_it),
        cmocka_unit_test(vectors_start_at_zero_and_keep_what_is_written),
        cmocka_unit_test(parameters_alone_need_no_other_vector),
        cmocka_unit_test(batch_is_copied_and_stays_until_the_next_but_one),
        cmocka_unit_test(batch_that_cannot_be_is_an_error),
        cmocka_unit_test(first_error_stays_and_later_operations_do_nothing),
        cmocka_unit_test(cpu_opens_the_best_build_and_says_so), /* last: it unsets a variable */
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
