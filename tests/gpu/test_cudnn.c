/* Attention by cuDNN: beside the plain kernels without dropout, and with dropout beside the same
 * sums in double, with the masks that the library drew.
 *
 * The masks are not ours, so they are found out: with q = 0 all probabilities of a sequence of n
 * tokens are 1/n, and where row j of v is a one in column j (n <= d), column j of y is the mask of
 * key j over n (1 - p). The mask does not depend on the numbers, so that gradients computed in
 * double with it must be the library's: forward and backward then drew the same.
 *
 * On the device that DEEPTAXA_TEST_DEVICE names, "cuda" as a rule; "cuda_on_cpu" shows that the
 * graphs mean what they should and that this test works, not that cuDNN does.
 */
#include "cuda_on_cpu/beside_cpu.h"
#include "layers.h"

#define MOST 24 /* sequences */

typedef struct {
    int32_t lengths[MOST + 1]; /* 0 at the end */
    int32_t heads, d;
    int32_t gap; /* elements between the rows of q, k, v: they are not aligned then */
    bool large;  /* not for the emulator */
} shape;

/* The last two: heads of the default model, at the lengths of whole genes and of amplicons. */
static const shape shapes[] = {
    {.lengths = {5, 1, 17, 9}, .heads = 2, .d = 32},
    {.lengths = {70, 3, 130}, .heads = 1, .d = 64},
    {.lengths = {64, 64, 64, 64, 64, 64, 64, 64, 64}, .heads = 1, .d = 8},
    {.lengths = {9, 4}, .heads = 3, .d = 8, .gap = 3},
    {.lengths = {318, 301, 330, 322, 320, 298, 311, 315, 512}, .heads = 7, .d = 128, .large = true},
    {.lengths = {57, 61, 55, 60, 58, 57, 57, 62, 59, 57, 54, 58},
     .heads = 7,
     .d = 128,
     .large = true},
};
#define SHAPES (sizeof shapes / sizeof *shapes)
#define BIASES (3 * 7 * 128) /* of q, k, v, at most */

static const dt_precision precisions[] = {DT_PRECISION_BF16, DT_PRECISION_FP16};

static const char *device_name(void)
{
    const char *name = getenv("DEEPTAXA_TEST_DEVICE");
    return name && *name ? name : "cuda";
}

static bool skipped(const shape *s)
{
    const char *size = getenv("DEEPTAXA_TEST_SIZE");
    return s->large && size && strcmp(size, "small") == 0;
}

/* ---- running -------------------------------------------------------------------------------- */

/* What the masks depend on. */
typedef struct {
    double p;
    uint32_t layer, seed, step;
    int64_t first_sequence;
} draw;

static const draw usual_draw = {.p = 0.1, .layer = 1, .seed = 42, .step = 3, .first_sequence = 11};

static int32_t sequences_of(const shape *s)
{
    int32_t count = 0;
    while (s->lengths[count])
        ++count;
    return count;
}

static void use_batch(test_run *r, const shape *s, const draw *d)
{
    int32_t cu_seqlens[MOST + 1] = {0};
    const int32_t sequences = sequences_of(s);
    for (int32_t b = 0; b < sequences; ++b)
        cu_seqlens[b + 1] = cu_seqlens[b] + s->lengths[b];
    int32_t *ids = calloc((size_t)cu_seqlens[sequences], sizeof *ids);
    const dt_batch batch = {.sequences = sequences,
                            .token_ids = ids,
                            .cu_seqlens = cu_seqlens,
                            .seed = d->seed,
                            .step = d->step,
                            .first_sequence = d->first_sequence};
    r->batch = r->backend->ops->batch_upload(r->backend, &batch);
    free(ids);
}

static void open_run(test_run *r, dt_attention_method method, dt_precision precision)
{
    const dt_backend_options options = {.threads = 1, .precision = precision, .attention = method};
    *r = (test_run){.precision = precision};
    ASSERT_OK(dt_backend_open(device_name(), &options, &r->backend));
    ASSERT_OK(r->backend->ops->batch_reserve(r->backend, MOST, 4096, 0));
    parameters(r, BIASES, 0.0);
}

/* From one row of q, k and v to the next. */
static int64_t row_size(const shape *s)
{
    return 3 * (int64_t)s->heads * s->d + s->gap;
}

/* Memory of one attention: q, k, v side by side, as the model holds them. */
typedef struct {
    char *qkv, *y, *log_sum, *dy, *d_qkv, *scratch;
} memory;

static memory memory_for(test_run *r, const shape *s, const draw *d)
{
    use_batch(r, s, d);
    const int64_t n = r->batch->size.tokens;
    const int64_t h = (int64_t)s->heads * s->d;
    memory m;
    m.qkv = input(r, n, row_size(s));
    m.y = output(r, n, h);
    m.log_sum = statistics(r, n, s->heads);
    m.scratch = statistics(r, n, s->heads);
    m.dy = gradient(r, n, h);
    m.d_qkv = s->gap ? gradient(r, n, row_size(s)) : output(r, n, row_size(s));
    return m;
}

static dt_attention attention_of(const shape *s, const draw *d)
{
    const int64_t stride = row_size(s);
    return (dt_attention){
        .heads = s->heads,
        .head_size = s->d,
        .queries = DT_ROWS_TOKENS,
        .query_stride = stride,
        .key_stride = stride,
        .dropout = {.p = d->p, .stream = dt_stream(DT_DRAW_ATTENTION, d->layer, 0)}};
}

static void forward_only(test_run *r, const memory *m, const shape *s, const draw *d)
{
    const int64_t part = (int64_t)s->heads * s->d * r->backend->activation_size;
    const dt_attention a = attention_of(s, d);
    r->backend->ops->attention_forward(r->backend, m->y, m->log_sum, m->qkv, m->qkv + part,
                                       m->qkv + 2 * part, r->batch, &a);
    ASSERT_OK(r->backend->ops->sync(r->backend));
}

static void both_ways(test_run *r, const memory *m, const shape *s, const draw *d)
{
    const int64_t part = (int64_t)s->heads * s->d * r->backend->activation_size;
    const dt_attention a = attention_of(s, d);
    forward_only(r, m, s, d);
    r->backend->ops->attention_backward(r->backend, m->d_qkv, m->d_qkv + part, m->d_qkv + 2 * part,
                                        m->dy, m->y, m->log_sum, m->qkv, m->qkv + part,
                                        m->qkv + 2 * part, 0, r->batch, &a, m->scratch);
    ASSERT_OK(r->backend->ops->sync(r->backend));
}

static void record_all(test_run *r, const memory *m, const shape *s)
{
    const int64_t n = r->batch->size.tokens;
    const int64_t h = (int64_t)s->heads * s->d;
    record(r, "y", m->y, n, h);
    record_statistics(r, "log_sum", m->log_sum, n, s->heads)->slack = 4.0;
    record(r, "gradients of q, k, v", m->d_qkv, n, row_size(s))->slack = 2.0;
}

static void forget_records(test_run *r)
{
    for (int i = 0; i < r->records; ++i)
        free(r->record[i].value);
    r->records = 0;
}

static void compare_all(const test_run *a, const test_run *b)
{
    assert_int_equal(a->records, b->records);
    for (int i = 0; i < a->records; ++i)
        compare_record(&a->record[i], &b->record[i],
                       a->record[i].statistic ? DT_PRECISION_FP32 : a->precision);
}

/* ---- without dropout ------------------------------------------------------------------------ */

static void equals_plain_attention_without_dropout(void **state)
{
    (void)state;
    static test_run plain, cudnn;
    draw none = usual_draw;
    none.p = 0.0;
    for (size_t p = 0; p < 2; ++p)
        for (size_t i = 0; i < SHAPES; ++i) {
            if (skipped(&shapes[i]))
                continue;
            open_run(&plain, DT_ATTENTION_PLAIN, precisions[p]);
            open_run(&cudnn, DT_ATTENTION_CUDNN, precisions[p]);
            const memory a = memory_for(&plain, &shapes[i], &none);
            const memory b = memory_for(&cudnn, &shapes[i], &none);
            both_ways(&plain, &a, &shapes[i], &none);
            both_ways(&cudnn, &b, &shapes[i], &none);
            record_all(&plain, &a, &shapes[i]);
            record_all(&cudnn, &b, &shapes[i]);
            record_vector(&plain, "gradients of biases", DT_GRADIENTS, BIASES);
            record_vector(&cudnn, "gradients of biases", DT_GRADIENTS, BIASES)->slack = 2.0;
            compare_all(&cudnn, &plain);
            end_run(&plain);
            end_run(&cudnn);
        }
}

/* Only position 0 asks: computed by the plain kernels, with our masks. */
static void single_queries_have_our_masks(void **state)
{
    (void)state;
    static test_run run[2];
    const shape *s = &shapes[0];
    const int64_t h = (int64_t)s->heads * s->d;
    for (int i = 0; i < 2; ++i) {
        test_run *r = &run[i];
        open_run(r, i ? DT_ATTENTION_CUDNN : DT_ATTENTION_PLAIN, DT_PRECISION_BF16);
        use_batch(r, s, &usual_draw);
        const int64_t b = r->batch->size.sequences;
        dt_attention a = attention_of(s, &usual_draw);
        a.queries = DT_ROWS_SEQUENCES;
        a.query_stride = h;
        a.key_stride = h;
        void *q = input(r, b, h);
        void *k = input(r, r->batch->size.tokens, h);
        void *y = output(r, b, h);
        void *log_sum = statistics(r, b, s->heads);
        r->backend->ops->attention_forward(r->backend, y, log_sum, q, k, k, r->batch, &a);
        record(r, "y", y, b, h);
    }
    assert_memory_equal(run[0].record[0].value, run[1].record[0].value,
                        (size_t)run[0].record[0].count * sizeof(double));
    end_run(&run[0]);
    end_run(&run[1]);
}

/* ---- masks ---------------------------------------------------------------------------------- */

/* mask[(row · A + head) · d + key]: 1 where kept; from forward alone, see above. */
static void find_mask(test_run *r, const memory *m, const shape *s, const draw *d, char *mask)
{
    use_batch(r, s, d);
    const int64_t n = r->batch->size.tokens;
    const int64_t h = (int64_t)s->heads * s->d;
    float *qkv = calloc((size_t)(r->batch->size.rows * 3 * h), sizeof *qkv);
    double *y = calloc((size_t)(n * h), sizeof *y);
    int64_t row = 0;
    for (int32_t b = 0; s->lengths[b]; ++b)
        for (int32_t t = 0; t < s->lengths[b]; ++t, ++row)
            for (int32_t a = 0; a < s->heads; ++a)
                qkv[row * 3 * h + 2 * h + (int64_t)a * s->d + t] = 1.0f;
    write_numbers(r, m->qkv, qkv, r->batch->size.rows * 3 * h, r->backend->activation_size);
    forward_only(r, m, s, d);
    read_numbers(r, y, m->y, n * h, r->backend->activation_size);
    row = 0;
    for (int32_t b = 0; s->lengths[b]; ++b)
        for (int32_t t = 0; t < s->lengths[b]; ++t, ++row)
            for (int64_t c = 0; c < h; ++c) {
                const double kept = y[row * h + c] * s->lengths[b] * (1.0 - d->p);
                const bool key = c % s->d < s->lengths[b];
                if (fabs(kept) > 0.02 && !(key && fabs(kept - 1.0) < 0.02))
                    fail_msg("row %d of sequence %d: a probability became %g of itself", t, b,
                             kept / (1.0 - d->p));
                mask[row * h + c] = kept > 0.5;
            }
    free(qkv);
    free(y);
}

/* Scores of a batch: what a mask has a draw for. */
static int64_t scores_of(const shape *s)
{
    int64_t scores = 0;
    for (int32_t b = 0; s->lengths[b]; ++b)
        scores += (int64_t)s->lengths[b] * s->lengths[b] * s->heads;
    return scores;
}

static int64_t mask_size(const shape *s)
{
    int64_t rows = 0;
    for (int32_t b = 0; s->lengths[b]; ++b)
        rows += s->lengths[b];
    return rows * s->heads * s->d;
}

static void keeps_as_many_as_asked(void **state)
{
    (void)state;
    static test_run r;
    const shape many = {.lengths = {60, 64, 57, 64, 61}, .heads = 4, .d = 64};
    const double rates[] = {0.1, 0.5};
    char *mask = calloc((size_t)mask_size(&many), 1);
    open_run(&r, DT_ATTENTION_CUDNN, DT_PRECISION_BF16);
    draw d = usual_draw;
    const memory m = memory_for(&r, &many, &d);
    for (int i = 0; i < 2; ++i) {
        d.p = rates[i];
        find_mask(&r, &m, &many, &d, mask);
        const double scores = (double)scores_of(&many);
        double kept = 0.0;
        for (int64_t e = 0; e < mask_size(&many); ++e)
            kept += mask[e];
        const double deviation = sqrt(d.p * (1.0 - d.p) / scores);
        if (fabs(kept / scores - (1.0 - d.p)) > 5.0 * deviation)
            fail_msg("%g of the probabilities are kept, not %g (deviation %g)", kept / scores,
                     1.0 - d.p, deviation);
    }
    free(mask);
    end_run(&r);
}

static int64_t differing(const char *a, const char *b, int64_t count)
{
    int64_t out = 0;
    for (int64_t i = 0; i < count; ++i)
        out += a[i] != b[i];
    return out;
}

static void masks_differ_by_step_layer_and_place_alone(void **state)
{
    (void)state;
    static test_run r;
    const shape s = {.lengths = {60, 64}, .heads = 2, .d = 64};
    const int64_t size = mask_size(&s);
    const double expected = 2.0 * 0.5 * 0.5 * (double)scores_of(&s);
    char *first = calloc((size_t)size, 1);
    char *other = calloc((size_t)size, 1);
    draw d = usual_draw;
    d.p = 0.5;
    open_run(&r, DT_ATTENTION_CUDNN, DT_PRECISION_FP16);
    const memory m = memory_for(&r, &s, &d);
    find_mask(&r, &m, &s, &d, first);
    find_mask(&r, &m, &s, &d, other);
    assert_int_equal(differing(first, other, size), 0);
    for (int i = 0; i < 4; ++i) {
        draw changed = d;
        changed.step += i == 0;
        changed.layer += i == 1;
        changed.first_sequence += i == 2;
        changed.seed += i == 3;
        find_mask(&r, &m, &s, &changed, other);
        const double count = (double)differing(first, other, size);
        if (fabs(count - expected) > 6.0 * sqrt(expected))
            fail_msg("change %d: %g of %g draws differ", i, count, 2.0 * expected);
    }
    free(first);
    free(other);
    end_run(&r);
}

/* ---- with dropout --------------------------------------------------------------------------- */

/* One sequence and head in double: rows of q, k, v, dy and of what is made are `stride` apart. */
typedef struct {
    const double *q, *k, *v, *dy;
    double *y, *dq, *dk, *dv;
    int64_t stride, y_stride;
    const char *mask; /* rows y_stride apart */
    int32_t n, d;
    double p;
} one_head;

static double dot(const double *a, const double *b, int32_t d)
{
    double sum = 0.0;
    for (int32_t c = 0; c < d; ++c)
        sum += a[c] * b[c];
    return sum;
}

static void add_scaled(double *to, double factor, const double *from, int32_t d)
{
    for (int32_t c = 0; c < d; ++c)
        to[c] += factor * from[c];
}

/* Row i of probabilities, forward and backward. */
static void reference_row(const one_head *o, int32_t i, double *share)
{
    const double scale = 1.0 / sqrt(o->d);
    const double *q = o->q + i * o->stride;
    const double *dy = o->dy + i * o->y_stride;
    double sum = 0.0;
    double across = 0.0;
    for (int32_t j = 0; j < o->n; ++j)
        sum += share[j] = exp(dot(q, o->k + j * o->stride, o->d) * scale);
    for (int32_t j = 0; j < o->n; ++j) {
        const double factor = o->mask[i * o->y_stride + j] / (1.0 - o->p);
        share[j] /= sum;
        add_scaled(o->y + i * o->y_stride, share[j] * factor, o->v + j * o->stride, o->d);
        add_scaled(o->dv + j * o->stride, share[j] * factor, dy, o->d);
        across += share[j] * factor * dot(dy, o->v + j * o->stride, o->d);
    }
    for (int32_t j = 0; j < o->n; ++j) {
        const double factor = o->mask[i * o->y_stride + j] / (1.0 - o->p);
        const double dp = dot(dy, o->v + j * o->stride, o->d) * factor;
        const double ds = share[j] * (dp - across) * scale;
        add_scaled(o->dq + i * o->stride, ds, o->k + j * o->stride, o->d);
        add_scaled(o->dk + j * o->stride, ds, q, o->d);
    }
}

/* y and the gradients in double, as records of `out`. */
static void reference(test_run *out, const test_run *r, const memory *m, const shape *s,
                      const char *mask, double p)
{
    const int64_t n = r->batch->size.tokens;
    const int64_t h = (int64_t)s->heads * s->d;
    double *qkv = calloc((size_t)(n * 3 * h), sizeof *qkv);
    double *dy = calloc((size_t)(n * h), sizeof *dy);
    double share[1024];
    read_numbers(r, qkv, m->qkv, n * 3 * h, r->backend->activation_size);
    read_numbers(r, dy, m->dy, n * h, r->backend->activation_size);
    *out = (test_run){.precision = r->precision};
    double *y = add_record(out, "y", n * h)->value;
    double *d_qkv = add_record(out, "gradients of q, k, v", n * 3 * h)->value;
    int64_t row = 0;
    for (int32_t b = 0; s->lengths[b]; row += s->lengths[b++])
        for (int32_t a = 0; a < s->heads; ++a) {
            const int64_t at = row * 3 * h + (int64_t)a * s->d;
            const int64_t y_at = row * h + (int64_t)a * s->d;
            const one_head o = {.q = qkv + at,
                                .k = qkv + at + h,
                                .v = qkv + at + 2 * h,
                                .dy = dy + y_at,
                                .y = y + y_at,
                                .dq = d_qkv + at,
                                .dk = d_qkv + at + h,
                                .dv = d_qkv + at + 2 * h,
                                .stride = 3 * h,
                                .y_stride = h,
                                .mask = mask + y_at,
                                .n = s->lengths[b],
                                .d = s->d,
                                .p = p};
            for (int32_t i = 0; i < o.n; ++i)
                reference_row(&o, i, share);
        }
    free(qkv);
    free(dy);
}

/* Elementwise: a mask that differed between forward and backward in a single place would show. */
static void forward_and_backward_draw_the_same_mask(void **state)
{
    (void)state;
    static test_run r, expected;
    const shape some[] = {
        {.lengths = {5, 1, 17, 32}, .heads = 2, .d = 32},
        {.lengths = {64, 60, 64}, .heads = 1, .d = 64},
        {.lengths = {128, 57, 101, 61, 120}, .heads = 7, .d = 128, .large = true}};
    for (size_t p = 0; p < 2; ++p)
        for (size_t i = 0; i < sizeof some / sizeof *some; ++i) {
            const shape *s = &some[i];
            if (skipped(s))
                continue;
            draw d = usual_draw;
            d.p = 0.3;
            char *mask = calloc((size_t)mask_size(s), 1);
            open_run(&r, DT_ATTENTION_CUDNN, precisions[p]);
            const memory revealing = memory_for(&r, s, &d);
            const memory m = memory_for(&r, s, &d);
            find_mask(&r, &revealing, s, &d, mask);
            both_ways(&r, &m, s, &d);
            record(&r, "y", m.y, r.batch->size.tokens, (int64_t)s->heads * s->d)->slack = 2.0;
            record(&r, "gradients of q, k, v", m.d_qkv, r.batch->size.tokens,
                   3 * (int64_t)s->heads * s->d)
                ->slack = 2.0;
            reference(&expected, &r, &m, s, mask, d.p);
            compare_all(&r, &expected);
            forget_records(&expected);
            free(mask);
            end_run(&r);
        }
}

/* ---- plans ---------------------------------------------------------------------------------- */

/* Plans and their memory are made as shapes come; what came before must not suffer. */
static void shapes_come_and_go(void **state)
{
    (void)state;
    static test_run r;
    const size_t order[] = {0, 2, 1, 0, 1, 2};
    double *y[SHAPES] = {NULL};
    open_run(&r, DT_ATTENTION_CUDNN, DT_PRECISION_BF16);
    for (size_t i = 0; i < sizeof order / sizeof *order; ++i) {
        const shape *s = &shapes[order[i]];
        r.stream = (uint32_t)(100 * order[i]); /* the same numbers each time */
        const memory m = memory_for(&r, s, &usual_draw);
        both_ways(&r, &m, s, &usual_draw);
        record_all(&r, &m, s);
        const size_t bytes = (size_t)r.record[2].count * sizeof(double);
        if (y[order[i]]) {
            assert_memory_equal(y[order[i]], r.record[2].value, bytes);
        } else {
            y[order[i]] = malloc(bytes);
            memcpy(y[order[i]], r.record[2].value, bytes);
        }
        forget_records(&r);
    }
    for (size_t i = 0; i < SHAPES; ++i)
        free(y[i]);
    end_run(&r);
}

/* ---- errors --------------------------------------------------------------------------------- */

static void what_cannot_be_done_is_said(void **state)
{
    (void)state;
    static test_run r;
    dt_backend *backend;
    const dt_backend_options fp32 = {.precision = DT_PRECISION_FP32,
                                     .attention = DT_ATTENTION_CUDNN};
    ASSERT_FAILS(DT_ERR_USAGE, "bf16 and fp16 only",
                 dt_backend_open(device_name(), &fp32, &backend));
    const shape odd = {.lengths = {5, 3}, .heads = 2, .d = 12};
    open_run(&r, DT_ATTENTION_CUDNN, DT_PRECISION_BF16);
    const memory m = memory_for(&r, &odd, &usual_draw);
    const dt_attention a = attention_of(&odd, &usual_draw);
    r.backend->ops->attention_forward(r.backend, m.y, m.log_sum, m.qkv, m.qkv, m.qkv, r.batch, &a);
    ASSERT_FAILS(DT_ERR_DEVICE, "heads of 12", r.backend->ops->check(r.backend));
    end_run(&r);
}

/* Only a build without cuDNN skips; a missing library fails. */
static bool opens(void)
{
    const dt_backend_options options = {.attention = DT_ATTENTION_CUDNN};
    dt_backend *backend;
    if (dt_backend_open(device_name(), &options, &backend) != DT_OK) {
        if (strstr(dt_error_message(), "built without cuDNN"))
            SKIP_PROGRAM("%s", dt_error_message());
        fprintf(stderr, "%s\n", dt_error_message());
        return false;
    }
    printf("%s\n", backend->description);
    backend->ops->destroy(backend);
    return true;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_plain_attention_without_dropout),
        cmocka_unit_test(single_queries_have_our_masks),
        cmocka_unit_test(keeps_as_many_as_asked),
        cmocka_unit_test(masks_differ_by_step_layer_and_place_alone),
        cmocka_unit_test(forward_and_backward_draw_the_same_mask),
        cmocka_unit_test(shapes_come_and_go),
        cmocka_unit_test(what_cannot_be_done_is_said),
    };
    return opens() ? RUN_TESTS(tests) : 1;
}
