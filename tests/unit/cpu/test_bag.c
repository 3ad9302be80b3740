/* The bag of embeddings: sum of rows over the root of their number. */
#include "cpu_test.h"

static test_batch storage;
static const int32_t lengths[] = {6, 1, 300, 9, 2};

enum { SEQUENCES = 5 };

/* Parameters: the table. Output: y. */

static void forward(const test_run *run)
{
    run->backend->ops->bag_forward(run->backend, run->out[0], run->batch, run->what->op);
}

static void backward(const test_run *run)
{
    run->backend->ops->bag_backward(run->backend, run->dout[0], run->batch, run->what->op);
}

static void reference(const test_case *c, double *const in[], const double *params, double *out[])
{
    (void)in;
    const dt_bag *bag = c->op;
    for (int64_t b = 0; b < SEQUENCES; ++b)
        for (int64_t i = 0; i < bag->dim; ++i) {
            double sum = 0.0;
            for (int32_t t = c->batch->cu_seqlens[b]; t < c->batch->cu_seqlens[b + 1]; ++t)
                if (c->batch->token_ids[t] < bag->rows)
                    sum += params[(int64_t)c->batch->token_ids[t] * bag->dim + i];
            out[0][b * bag->dim + i] = sum / sqrt((double)lengths[b]);
        }
}

/* The second sequence has the id without a row. */
static test_case case_of(const dt_bag *bag)
{
    const dt_batch *batch = make_batch(&storage, lengths, SEQUENCES, bag->rows);
    storage.ids[storage.cu_seqlens[1]] = bag->rows;
    return (test_case){.outs = 1,
                       .out_count = {(int64_t)SEQUENCES * bag->dim},
                       .params = (int64_t)bag->rows * bag->dim,
                       .batch = batch,
                       .op = bag,
                       .forward = forward,
                       .backward = backward,
                       .reference = reference};
}

/* Widths below, at and above those of vectors and panels, and few ids for many tokens. */
static void sums_over_the_root_of_the_number(void **state)
{
    (void)state;
    const dt_bag bags[] = {{0, 7, 3}, {0, 64, 17}, {0, 256, 64}, {0, 16, 129}, {0, 300, 256}};
    for (size_t i = 0; i < sizeof bags / sizeof *bags; ++i) {
        const test_case c = case_of(&bags[i]);
        check_case(&c);
    }
}

/* A sequence's bits do not depend on the others of the batch. */
static void equal_sequences_have_equal_bits(void **state)
{
    (void)state;
    enum { LENGTH = 300, DIM = 96, COPIES = 3 };
    static test_batch copies;
    const dt_bag bag = {0, 1024, DIM};
    const int32_t equal[] = {LENGTH, 5, LENGTH};
    const dt_batch *batch = make_batch(&copies, equal, COPIES, bag.rows);
    memcpy(copies.ids + copies.cu_seqlens[2], copies.ids, LENGTH * sizeof *copies.ids);
    test_case c = case_of(&bag);
    c.batch = batch;
    c.out_count[0] = (int64_t)COPIES * DIM;
    for (const char *const *build = float_builds(); *build; ++build) {
        test_values v = run_case(&c, *build, 2);
        assert_memory_equal(v.out[0], v.out[0] + (int64_t)2 * DIM, DIM * sizeof *v.out[0]);
        free_values(&c, &v);
    }
}

static void ids_past_the_table_are_refused(void **state)
{
    (void)state;
    const dt_bag bag = {0, 64, 8};
    test_case c = case_of(&bag);
    storage.ids[0] = bag.rows + 1;
    test_run run = start_run(&c, "cpu64", 1);
    forward(&run);
    assert_int_equal(run.backend->ops->check(run.backend), DT_ERR_INTERNAL);
    end_run(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_over_the_root_of_the_number),
        cmocka_unit_test(equal_sequences_have_equal_bits),
        cmocka_unit_test(ids_past_the_table_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
