#include "cpu_test.h"

static test_batch storage;
static const int32_t lengths[] = {6, 1, 9};

enum { VOCABULARY = 7, PLACES = 9, FROZEN = 2 };

/* Parameters: word, position, type, gamma, beta. Outputs: y, statistics. */

static void forward(const test_run *run)
{
    run->backend->ops->embedding_forward(run->backend, run->out[0], run->out[1], run->batch,
                                         run->what->op);
}

static void backward(const test_run *run)
{
    run->backend->ops->embedding_backward(run->backend, run->dout[0], run->out[1], run->batch,
                                          run->what->op, run->raw);
}

static void reference(const test_case *c, double *const in[], const double *params, double *out[])
{
    (void)in;
    const dt_embedding *e = c->op;
    const int64_t h = e->hidden;
    for (int64_t row = 0; row < c->out_count[1] / 2; ++row) {
        const int64_t position = row - c->batch->cu_seqlens[sequence_of(c->batch, row)];
        const int64_t id = c->batch->token_ids[row];
        double s[256];
        double mean = 0.0;
        double variance = 0.0;
        for (int64_t i = 0; i < h; ++i) {
            s[i] = params[e->word + id * h + i] + params[e->position + position * h + i] +
                   params[e->type + i];
            mean += s[i] / (double)h;
        }
        for (int64_t i = 0; i < h; ++i)
            variance += (s[i] - mean) * (s[i] - mean) / (double)h;
        out[1][2 * row] = mean;
        out[1][2 * row + 1] = 1.0 / sqrt(variance + e->eps);
        for (int64_t i = 0; i < h; ++i)
            out[0][row * h + i] =
                ((s[i] - mean) * out[1][2 * row + 1] * params[e->gamma + i] + params[e->beta + i]) *
                kept_row(c->batch, &e->dropout, DT_ROWS_TOKENS, i, row);
    }
}

static dt_embedding layout(int32_t vocabulary, int32_t hidden, int32_t frozen_row, double p)
{
    dt_embedding e = {.word = 0,
                      .frozen_row = frozen_row,
                      .vocabulary = vocabulary,
                      .hidden = hidden,
                      .eps = 1e-3,
                      .dropout = {p, dt_stream(DT_DRAW_EMBEDDING, 0, 0)}};
    e.position = e.word + (dt_param)vocabulary * hidden;
    e.type = e.position + (dt_param)PLACES * hidden;
    e.gamma = e.type + 2 * (dt_param)hidden;
    e.beta = e.gamma + hidden;
    return e;
}

static test_case case_of(const dt_embedding *e)
{
    const dt_batch *batch = make_batch(&storage, lengths, 3, e->vocabulary);
    const int64_t n = batch->cu_seqlens[3];
    return (test_case){.outs = 2,
                       .out_count = {n * e->hidden, 2 * n},
                       .side_output = {false, true},
                       .params = e->beta + e->hidden,
                       .raw_bytes = n * e->hidden * (int64_t)sizeof(double),
                       .tolerance = 1e-4,
                       .batch = batch,
                       .op = e,
                       .forward = forward,
                       .backward = backward,
                       .reference = reference};
}

static void sum_norm_and_dropout(void **state)
{
    (void)state;
    const int32_t hidden[] = {3, 17, 129};
    const double p[] = {0.0, 0.3, 0.1};
    for (int i = 0; i < 3; ++i) {
        const dt_embedding e = layout(VOCABULARY, hidden[i], -1, p[i]);
        const test_case c = case_of(&e);
        check_case(&c);
    }
}

/* Rows are sorted by id, byte by byte: ids of one, two and three bytes. */
static void gradients_reach_the_words_of_large_vocabularies(void **state)
{
    (void)state;
    const int32_t vocabularies[] = {200, 3000, 70001};
    for (int i = 0; i < 3; ++i) {
        const dt_embedding e = layout(vocabularies[i], 2, -1, 0.0);
        const test_case c = case_of(&e);
        test_values v = run_case(&c, "cpu64", 2);
        for (int64_t id = 0; id < e.vocabulary; ++id) {
            bool seen = false;
            for (int64_t row = 0; row < c.batch->cu_seqlens[3]; ++row)
                seen = seen || c.batch->token_ids[row] == id;
            assert_true((v.dparams[2 * id] != 0.0) == seen);
        }
        free_values(&c, &v);
    }
    const dt_embedding e = layout(70001, 3, -1, 0.0);
    const test_case c = case_of(&e);
    check_case(&c);
}

static void frozen_row_gets_no_gradient(void **state)
{
    (void)state;
    enum { HIDDEN = 5 };
    const dt_embedding e = layout(VOCABULARY, HIDDEN, FROZEN, 0.0);
    const test_case c = case_of(&e);
    bool seen = false;
    for (int64_t row = 0; row < c.batch->cu_seqlens[3]; ++row)
        seen = seen || c.batch->token_ids[row] == FROZEN;
    assert_true(seen);
    const dt_embedding all = layout(VOCABULARY, HIDDEN, -1, 0.0);
    const test_case all_case = case_of(&all);
    test_values with = run_case(&all_case, "cpu64", 2);
    test_values without = run_case(&c, "cpu64", 2);
    for (int64_t i = 0; i < c.params; ++i) {
        const bool frozen = i >= FROZEN * HIDDEN && i < (FROZEN + 1) * HIDDEN;
        assert_true(without.dparams[i] == (frozen ? 0.0 : with.dparams[i]));
        assert_true(!frozen || with.dparams[i] != 0.0);
    }
    free_values(&c, &with);
    free_values(&c, &without);
}

static void second_token_type_is_not_used(void **state)
{
    (void)state;
    const dt_embedding e = layout(VOCABULARY, 17, -1, 0.0);
    const test_case c = case_of(&e);
    test_values v = run_case(&c, "cpu64", 1);
    for (int64_t i = 0; i < e.hidden; ++i)
        assert_true(v.dparams[e.type + e.hidden + i] == 0.0);
    free_values(&c, &v);
}

static void id_outside_the_vocabulary_is_an_error(void **state)
{
    (void)state;
    dt_embedding e = layout(VOCABULARY, 3, -1, 0.0);
    const test_case c = case_of(&e);
    test_run run = start_run(&c, "cpu", 1);
    e.vocabulary = 3;
    forward(&run);
    ASSERT_FAILS(DT_ERR_INTERNAL, "outside the vocabulary of 3",
                 run.backend->ops->check(run.backend));
    end_run(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sum_norm_and_dropout),
        cmocka_unit_test(gradients_reach_the_words_of_large_vocabularies),
        cmocka_unit_test(frozen_row_gets_no_gradient),
        cmocka_unit_test(second_token_type_is_not_used),
        cmocka_unit_test(id_outside_the_vocabulary_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
