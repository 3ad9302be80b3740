#include "cpu_test.h"

static test_batch storage;

typedef struct {
    dt_attention attention;
    int64_t query_rows, key_rows; /* Nq, N */
} attention_case;

/* Input 0: q rows of query_stride; input 1: k and v in one matrix, v behind k. With a stride of
 * 3·H, q, k and v stand in input 0 together. Biases, the parameters (3, H), are added to them here,
 * since backward computes their gradients. Outputs: y, log_sum. */

static int64_t hidden_of(const dt_attention *a)
{
    return (int64_t)a->heads * a->head_size;
}

static char *at(const test_run *run, void *memory, int64_t element)
{
    return (char *)memory + element * run->backend->activation_size;
}

static bool together(const dt_attention *a)
{
    return a->query_stride == 3 * hidden_of(a);
}

static void add_biases(double *x, const test_case *what, int input, const double *biases)
{
    const dt_attention *a = &((const attention_case *)what->op)->attention;
    const int64_t columns = input == 0 ? a->query_stride : a->key_stride;
    for (int64_t i = 0; i < what->in_count[input]; ++i)
        x[i] += biases[(input == 0 ? 0 : hidden_of(a)) + i % columns];
}

static void forward(const test_run *run)
{
    const attention_case *c = run->what->op;
    const int64_t h = hidden_of(&c->attention);
    double *biases = numbers(3 * h);
    read_vector(run->backend, DT_PARAMETERS, biases, 3 * h);
    for (int i = 0; i < run->what->ins; ++i) {
        double *x = numbers(run->what->in_count[i]);
        download(run->backend, x, run->in[i], run->what->in_count[i]);
        add_biases(x, run->what, i, biases);
        upload(run->backend, run->in[i], x, run->what->in_count[i]);
        free(x);
    }
    free(biases);
    void *k = together(&c->attention) ? at(run, run->in[0], h) : run->in[1];
    run->backend->ops->attention_forward(run->backend, run->out[0], run->out[1], run->in[0], k,
                                         at(run, k, h), run->batch, &c->attention);
}

static void backward(const test_run *run)
{
    const attention_case *c = run->what->op;
    const int64_t h = hidden_of(&c->attention);
    void *k = together(&c->attention) ? at(run, run->in[0], h) : run->in[1];
    void *dk = together(&c->attention) ? at(run, run->din[0], h) : run->din[1];
    run->backend->ops->attention_backward(run->backend, run->din[0], dk, at(run, dk, h),
                                          run->dout[0], run->out[0], run->out[1], run->in[0], k,
                                          at(run, k, h), 0, run->batch, &c->attention, NULL);
}

/* One query of one head: y += Σ probabilities · v. Returns log of the softmax's denominator. */
static double attend(double *y, const double *q, const double *k, const double *v,
                     const attention_case *c, const dt_batch *batch, int32_t b, int32_t head,
                     int64_t position)
{
    const dt_attention *a = &c->attention;
    const int32_t n = batch->cu_seqlens[b + 1] - batch->cu_seqlens[b];
    double score[MAX_TOKENS];
    double sum = 0.0;
    for (int32_t j = 0; j < n; ++j) {
        score[j] = 0.0;
        for (int32_t i = 0; i < a->head_size; ++i)
            score[j] += q[i] * k[j * a->key_stride + i] / sqrt(a->head_size);
        sum += exp(score[j]);
    }
    for (int32_t j = 0; j < n; ++j) {
        const double p =
            exp(score[j]) / sum *
            kept(batch, a->dropout.p, a->dropout.stream + (uint32_t)head, j, position, b);
        for (int32_t i = 0; i < a->head_size; ++i)
            y[i] += p * v[j * a->key_stride + i];
    }
    return log(sum);
}

static void reference(const test_case *what, double *const in[], const double *params,
                      double *out[])
{
    const attention_case *c = what->op;
    const dt_attention *a = &c->attention;
    const dt_batch *batch = what->batch;
    const int64_t h = hidden_of(a);
    for (int i = 0; i < what->ins; ++i)
        add_biases(in[i], what, i, params);
    for (int64_t row = 0; row < c->query_rows; ++row)
        for (int32_t head = 0; head < a->heads; ++head) {
            const int32_t b =
                a->queries == DT_ROWS_SEQUENCES ? (int32_t)row : sequence_of(batch, row);
            const int64_t position =
                a->queries == DT_ROWS_SEQUENCES ? 0 : row - batch->cu_seqlens[b];
            const int64_t column = head * a->head_size;
            const double *k =
                (together(a) ? in[0] + h : in[1]) + batch->cu_seqlens[b] * a->key_stride + column;
            out[1][row * a->heads + head] =
                attend(out[0] + row * h + column, in[0] + row * a->query_stride + column, k, k + h,
                       c, batch, b, head, position);
        }
}

static void check(const int32_t *lengths, int32_t sequences, int32_t heads, int32_t head_size,
                  dt_row_kind queries, bool in_one, double p)
{
    const dt_batch *batch = make_batch(&storage, lengths, sequences, 10);
    const int64_t n = batch->cu_seqlens[sequences];
    const int64_t h = (int64_t)heads * head_size;
    const attention_case c = {
        .attention = {.heads = heads,
                      .head_size = head_size,
                      .queries = queries,
                      .query_stride = in_one ? 3 * h : h,
                      .key_stride = in_one ? 3 * h : 2 * h,
                      .dropout = {p, dt_stream(DT_DRAW_ATTENTION, 2, 0)}},
        .query_rows = queries == DT_ROWS_SEQUENCES ? sequences : n,
        .key_rows = n,
    };
    check_case(&(test_case){.ins = in_one ? 1 : 2,
                            .outs = 2,
                            .in_count = {c.query_rows * c.attention.query_stride, n * 2 * h},
                            .out_count = {c.query_rows * h, c.query_rows * heads},
                            .side_output = {false, true},
                            .params = 3 * h,
                            .batch = batch,
                            .op = &c,
                            .forward = forward,
                            .backward = backward,
                            .reference = reference});
}

static const int32_t mixed[] = {5, 1, 33, 2};
static const int32_t alone[] = {1};
static const int32_t lengthy[] = {200};

static void attention_within_each_sequence(void **state)
{
    (void)state;
    check(mixed, 4, 1, 1, DT_ROWS_TOKENS, false, 0.0);
    check(mixed, 4, 3, 7, DT_ROWS_TOKENS, false, 0.0);
}

static void q_k_and_v_may_stand_in_one_matrix(void **state)
{
    (void)state;
    check(mixed, 4, 2, 16, DT_ROWS_TOKENS, true, 0.0);
}

static void dropout_is_drawn_by_head_query_and_key(void **state)
{
    (void)state;
    check(mixed, 4, 3, 5, DT_ROWS_TOKENS, true, 0.3);
}

static void position_0_alone_may_ask(void **state)
{
    (void)state;
    check(mixed, 4, 2, 8, DT_ROWS_SEQUENCES, false, 0.0);
    check(mixed, 4, 3, 5, DT_ROWS_SEQUENCES, false, 0.2);
}

static void a_batch_of_one_token(void **state)
{
    (void)state;
    check(alone, 1, 2, 3, DT_ROWS_TOKENS, false, 0.0);
}

static void one_long_sequence(void **state)
{
    (void)state;
    check(lengthy, 1, 1, 4, DT_ROWS_TOKENS, true, 0.1);
}

/* More tokens than one block of scores holds: blocks of queries must add up to the same. */
static void queries_in_several_blocks_equal_single_queries(void **state)
{
    (void)state;
    enum { N = 900, D = 4 };
    int32_t cu_seqlens[2] = {0, N};
    int32_t *ids = calloc(N, sizeof *ids);
    const dt_batch batch = {.sequences = 1, .token_ids = ids, .cu_seqlens = cu_seqlens, .seed = 1};
    dt_backend *be = open_backend("cpu64", 2);
    ASSERT_OK(be->ops->batch_reserve(be, 1, N, 1));
    const dt_device_batch *device = be->ops->batch_upload(be, &batch);
    double *x = numbers((int64_t)3 * N * D);
    double *d = numbers((int64_t)3 * N * D);
    double *dy = numbers((int64_t)N * D);
    double *y = numbers((int64_t)N * D);
    double *log_sum = numbers(N);
    fill(x, (int64_t)3 * N * D, 1);
    fill(dy, (int64_t)N * D, 2);
    const dt_attention a = {.heads = 1,
                            .head_size = D,
                            .query_stride = D,
                            .key_stride = D,
                            .dropout = {0.2, dt_stream(DT_DRAW_ATTENTION, 0, 0)}};
    const double *q = x;
    const double *k = x + N * D;
    const double *v = k + N * D;
    be->ops->attention_forward(be, y, log_sum, q, k, v, device, &a);
    be->ops->attention_backward(be, d, d + N * D, d + 2 * N * D, dy, y, log_sum, q, k, v,
                                DT_NO_PARAM, device, &a, NULL);
    ASSERT_OK(be->ops->sync(be));
    /* Σ dk · k = Σ dq · q (both are Σ score · dscore), and Σ dv · v = Σ dy · y */
    double sums[4] = {0};
    for (int64_t i = 0; i < N * D; ++i) {
        sums[0] += d[i] * q[i];
        sums[1] += d[N * D + i] * k[i];
        sums[2] += d[2 * N * D + i] * v[i];
        sums[3] += dy[i] * y[i];
    }
    const attention_case c = {.attention = a};
    for (int64_t row = 0; row < N; row += 29) {
        double expected[D] = {0};
        const double sum = attend(expected, q + row * D, k, v, &c, &batch, 0, 0, row);
        assert_close("y", y + row * D, expected, D, 1e-11);
        assert_close("log_sum", log_sum + row, &sum, 1, 1e-12);
    }
    assert_close("Σ dk·k", &sums[1], &sums[0], 1, 1e-9);
    assert_close("Σ dv·v", &sums[2], &sums[3], 1, 1e-9);
    free(x);
    free(d);
    free(dy);
    free(y);
    free(log_sum);
    free(ids);
    be->ops->destroy(be);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attention_within_each_sequence),
        cmocka_unit_test(q_k_and_v_may_stand_in_one_matrix),
        cmocka_unit_test(dropout_is_drawn_by_head_query_and_key),
        cmocka_unit_test(position_0_alone_may_ask),
        cmocka_unit_test(a_batch_of_one_token),
        cmocka_unit_test(one_long_sequence),
        cmocka_unit_test(queries_in_several_blocks_equal_single_queries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
