/* The backward pass against the forward pass alone, in double precision and with dropout on: masks
 * are functions of counters, so the loss is a fixed function of the parameters, and its central
 * differences must be the gradient. Then what the counters promise: the gradient of a batch is the
 * sum over its pieces, and does not depend on the number of threads. */
#include "backend.h"
#include "core/philox.h"
#include "core/update_rule.h"
#include "layers.h"
#include "model/model.h"
#include "test.h"
#include "published_sizes.h"

#define STEP 1e-6   /* of a parameter, to both sides */
#define BOUND 3e-7  /* ‖differences − gradient‖ / ‖gradient‖ over a tensor's elements */
#define LEAST 1e-3  /* of that norm: a smaller one would prove little */
#define NOISE 1e-8  /* of the differences where the gradient is zero by construction */
#define KINK 1e-3   /* one-sided differences that differ more lie on two sides of a kink */
#define ELEMENTS 12 /* drawn of each tensor */
#define SAME 1e-12  /* relative, between orders of summation */

typedef struct {
    dt_model_type type;
    int32_t layers;
    int32_t conv_layers;
    bool mask_padding;
    double dropout;
    bool lineages; /* --loss-type lineage */
} shape;

static const shape shapes[] = {
    {DT_MODEL_HYBRID, 1, 1, false, 0.3, false}, {DT_MODEL_HYBRID, 1, 1, true, 0.2, false},
    {DT_MODEL_HYBRID, 3, 1, false, 0.2, false}, {DT_MODEL_HYBRID, 3, 1, true, 0.4, false},
    {DT_MODEL_HYBRID, 1, 2, false, 0.3, false}, {DT_MODEL_HYBRID, 1, 3, true, 0.2, false},
    {DT_MODEL_CNN, 1, 1, false, 0.3, false},    {DT_MODEL_CNN, 1, 2, true, 0.2, false},
    {DT_MODEL_BERT, 1, 1, false, 0.3, false},   {DT_MODEL_BERT, 2, 1, false, 0.2, false},
    {DT_MODEL_KMER, 1, 1, false, 0.3, false},   {DT_MODEL_CNN, 1, 1, false, 0.3, true},
    {DT_MODEL_KMER, 1, 1, false, 0.3, true}};

enum { MAX_LENGTH = 12, VOCABULARY = 11, TAX_RANKS = 3 };
static const double level_weight[TAX_RANKS] = {0.5, 2.0, 1.25};
static const int32_t classes[TAX_RANKS] = {2, 3, 5};
static const int32_t lengths[] = {MAX_LENGTH, 1, 7, 2, MAX_LENGTH - 1, 4};
enum { SEQUENCES = sizeof lengths / sizeof *lengths };

typedef struct {
    dt_backend *backend;
    dt_model *model;
    const dt_param_table *table;
    int32_t tokens[SEQUENCES * MAX_LENGTH];
    int32_t cu_seqlens[SEQUENCES + 1];
    int32_t labels[SEQUENCES * TAX_RANKS];
    dt_batch batch;
} subject;

/* A number in [0, 1) that depends on what it is for and its index alone. */
static double draw(uint32_t purpose, int64_t index)
{
    uint32_t out[4];
    dt_philox(7, purpose, (uint32_t)index, 0, 0, 0, out);
    return out[0] / 4294967296.0;
}

/* Uniform around 0, or around 1 for what multiplies; large enough that everything matters. */
static void write_parameters(subject *s)
{
    for (int32_t i = 0; i < s->table->count; ++i) {
        const dt_param_spec *spec = &s->table->spec[i];
        const double middle = spec->init == DT_INIT_CONSTANT ? spec->scale : 0.0;
        const int64_t row = spec->count / spec->shape[0];
        const double width = spec->dims == 1 ? 0.5 : 1.5 / sqrt((double)row);
        double *values = calloc((size_t)spec->count, sizeof *values);
        for (int64_t j = 0; j < spec->count; ++j)
            if (spec->zero_row < 0 || j / row != spec->zero_row)
                values[j] = middle + width * (2.0 * draw(100 + (uint32_t)i, j) - 1.0);
        s->backend->ops->vector_write(s->backend, DT_PARAMETERS, spec->offset, spec->count, values);
        free(values);
    }
}

static void draw_batch(subject *s)
{
    for (int32_t b = 0; b < SEQUENCES; ++b) {
        s->cu_seqlens[b + 1] = s->cu_seqlens[b] + lengths[b];
        for (int32_t r = 0; r < TAX_RANKS; ++r)
            s->labels[b * TAX_RANKS + r] = (int32_t)(draw(2, b * TAX_RANKS + r) * classes[r]);
    }
    /* 0 and 3 have frozen rows: 0 occurs, 3 is padding and does not */
    for (int32_t t = 0; t < s->cu_seqlens[SEQUENCES]; ++t) {
        const int32_t id = (int32_t)(draw(1, t) * (VOCABULARY - 1));
        s->tokens[t] = id < 3 ? id : id + 1;
    }
    s->batch = (dt_batch){.sequences = SEQUENCES,
                          .tax_ranks = TAX_RANKS,
                          .token_ids = s->tokens,
                          .cu_seqlens = s->cu_seqlens,
                          .labels = s->labels,
                          .seed = 5,
                          .step = 17,
                          .first_sequence = 1000};
    for (int32_t r = 0; r < TAX_RANKS; ++r)
        s->batch.loss_scale[r] = level_weight[r] / SEQUENCES;
}

static void subject_open(subject *s, const shape *of, int32_t threads)
{
    dt_model_config config = published_sizes();
    const bool bag = of->type == DT_MODEL_KMER;
    config.type = of->type;
    config.encoding = bag ? DT_ENCODING_ONEHOT : DT_ENCODING_DNABERT;
    config.kmer_size = 2; /* more ids than VOCABULARY */
    config.vocabulary = VOCABULARY;
    config.pad_id = 3;
    config.max_length = MAX_LENGTH;
    config.embed_dim = 6;
    config.filters = 4;
    config.kernels = 3;
    for (int32_t k = 0; k < 3; ++k)
        config.width[k] = 2 * k + 1;
    config.conv_layers = of->conv_layers;
    config.hidden = 8;
    config.layers = of->layers;
    config.heads = 2;
    config.intermediate = 10;
    config.dropout = of->dropout;
    config.mask_padding = of->mask_padding;
    config.tax_ranks = TAX_RANKS;
    memcpy(config.classes, classes, sizeof classes);
    *s = (subject){0};
    ASSERT_OK(dt_backend_open("cpu64", &(dt_backend_options){.threads = threads}, &s->backend));
    ASSERT_OK(dt_model_create(&s->model, &config, s->backend, true));
    draw_batch(s);
    if (of->lineages) {
        dt_lineage_tree tree;
        ASSERT_OK(dt_lineage_tree_build(&tree, s->labels, SEQUENCES, TAX_RANKS));
        ASSERT_OK(dt_model_add_lineages(s->model, &tree));
        dt_lineage_tree_free(&tree);
    }
    ASSERT_OK(dt_model_reserve(s->model, SEQUENCES, (int64_t)SEQUENCES * MAX_LENGTH));
    s->table = dt_model_params(s->model);
    write_parameters(s);
    if (bag)
        s->tokens[s->cu_seqlens[1]] = dt_kmer_ids(config.kmer_size); /* no k-mer, alone */
    s->backend->ops->state_write(s->backend, &(dt_update_state){.loss_scale = 1.0});
    s->backend->ops->gradients_zero(s->backend);
}

static void subject_close(subject *s)
{
    dt_model_destroy(s->model);
    s->backend->ops->destroy(s->backend);
}

/* ---- loss and gradient --------------------------------------------------------------------------
 */

static double *read_vector(subject *s, dt_vector which)
{
    double *values = calloc((size_t)s->table->elements, sizeof *values);
    s->backend->ops->vector_read(s->backend, which, 0, s->table->elements, values);
    return values;
}

/* Adds the gradients of a batch to the gradient vector. */
static void forward_and_backward(subject *s, const dt_batch *batch)
{
    const dt_loss loss = {.classes = *dt_model_classes(s->model)};
    const dt_device_batch *on_device = s->backend->ops->batch_upload(s->backend, batch);
    dt_model_forward(s->model, on_device, true);
    ASSERT_OK(dt_model_backward(s->model, on_device, &loss, NULL, NULL));
    ASSERT_OK(s->backend->ops->check(s->backend));
}

/* The gradient of a batch as the flat vector; the caller frees. */
static double *gradient_of(subject *s, const dt_batch *batch)
{
    s->backend->ops->gradients_zero(s->backend);
    forward_and_backward(s, batch);
    return read_vector(s, DT_GRADIENTS);
}

/* The pending loss, from an update with learning rate 0, which changes no parameter. */
static double take_loss(subject *s)
{
    dt_update_state state = {.loss_scale = 1.0};
    const dt_update_rule idle = {
        .total_steps = 1, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 0.01};
    s->backend->ops->state_write(s->backend, &state);
    s->backend->ops->update(s->backend, s->table->trained, &idle);
    s->backend->ops->state_read(s->backend, &state);
    assert_int_equal(state.skipped, 0);
    return state.loss;
}

/* The loss of the batch with its dropout, from a forward pass. */
static double loss_of(subject *s)
{
    const dt_loss loss = {.classes = *dt_model_classes(s->model)};
    const dt_device_batch *on_device = s->backend->ops->batch_upload(s->backend, &s->batch);
    void *logits = dt_model_forward(s->model, on_device, true);
    s->backend->ops->loss(s->backend, logits, on_device, &loss);
    return take_loss(s);
}

/* ---- differences --------------------------------------------------------------------------------
 */

typedef struct {
    int32_t elements; /* compared */
    int32_t kinks;    /* left out */
    double worst;     /* relative, of a tensor */
} tally;

/* The loss with one parameter changed by `change`. */
static double loss_beside(subject *s, int64_t element, double value, double change)
{
    const double changed = value + change;
    s->backend->ops->vector_write(s->backend, DT_PARAMETERS, element, 1, &changed);
    const double loss = loss_of(s);
    s->backend->ops->vector_write(s->backend, DT_PARAMETERS, element, 1, &value);
    return loss;
}

/* The central difference; false where a ReLU or a maximum has a kink within the step. */
static bool difference(subject *s, int64_t element, double value, double middle, double *slope)
{
    const double above = loss_beside(s, element, value, STEP);
    const double below = loss_beside(s, element, value, -STEP);
    *slope = (above - below) / (2.0 * STEP);
    return fabs(above - 2.0 * middle + below) / STEP <= KINK * (1.0 + fabs(*slope));
}

/* The row of a tensor that an element is in holds zeros and gets no gradient by definition. */
static bool is_frozen(const dt_param_spec *spec, int64_t element)
{
    return spec->zero_row >= 0 && element / (spec->count / spec->shape[0]) == spec->zero_row;
}

/* A softmax does not see what is added to all its scores: the key bias has no gradient. */
static bool has_gradient(const char *name)
{
    return !strstr(name, "self.key.bias");
}

static void check_slopes(const char *name, double distance, double size, tally *t)
{
    if (!has_gradient(name)) {
        assert_true(size <= NOISE && distance <= NOISE);
        return;
    }
    if (!(size >= LEAST && distance <= BOUND * size))
        fail_msg("the gradient of %s, of norm %.3g, is %.3g from the differences of the loss", name,
                 size, distance);
    if (distance / size > t->worst)
        t->worst = distance / size;
}

static void check_tensor(subject *s, int32_t number, const double *gradient,
                         const double *parameter, double middle, tally *t)
{
    const dt_param_spec *spec = &s->table->spec[number];
    const int32_t wanted = spec->count < ELEMENTS ? (int32_t)spec->count : ELEMENTS;
    double distance = 0.0;
    double size = 0.0;
    int32_t used = 0;
    for (int32_t try = 0; try < 4 * wanted && used < wanted; ++try) {
        const int64_t at =
            spec->count <= ELEMENTS
                ? try % spec->count
                : (int64_t)(draw(5000 + (uint32_t)number, try) * (double)spec->count);
        const int64_t element = spec->offset + at;
        double slope;
        if (is_frozen(spec, at)) {
            assert_true(gradient[element] == 0.0);
            continue;
        }
        if (!difference(s, element, parameter[element], middle, &slope)) {
            t->kinks++;
            continue;
        }
        distance += (slope - gradient[element]) * (slope - gradient[element]);
        size += gradient[element] * gradient[element];
        used++;
    }
    assert_int_equal(used, wanted);
    t->elements += used;
    check_slopes(spec->name, sqrt(distance), sqrt(size), t);
}

static void differences_equal_gradient(const shape *of)
{
    subject s;
    tally t = {0};
    subject_open(&s, of, 1);
    double *parameter = read_vector(&s, DT_PARAMETERS);
    double *gradient = gradient_of(&s, &s.batch);
    const double middle = take_loss(&s);
    assert_true(loss_of(&s) == middle); /* a function: the same masks again */
    for (int32_t i = 0; i < s.table->count; ++i)
        if (s.table->spec[i].offset < s.table->trained)
            check_tensor(&s, i, gradient, parameter, middle, &t);
    double *after = read_vector(&s, DT_PARAMETERS);
    assert_memory_equal(parameter, after, (size_t)s.table->elements * sizeof *after);
    print_message("%s, %d layers, %d of convolutions, padding %s: %d elements, %d at kinks, "
                  "relative error %.1e\n",
                  dt_model_type_name(of->type), of->layers, of->conv_layers,
                  of->mask_padding ? "masked" : "not masked", t.elements, t.kinks, t.worst);
    assert_true(t.kinks * 20 <= t.elements);
    free(after);
    free(gradient);
    free(parameter);
    subject_close(&s);
}

static void gradient_equals_central_differences_of_the_loss(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i)
        differences_equal_gradient(&shapes[i]);
}

/* ---- pieces and threads -------------------------------------------------------------------------
 */

/* ‖a − b‖ of `count` elements, and ‖b‖. */
static double distance(const double *a, const double *b, int64_t count, double *size)
{
    double squares = 0.0;
    double own = 0.0;
    for (int64_t i = 0; i < count; ++i) {
        squares += (a[i] - b[i]) * (a[i] - b[i]);
        own += b[i] * b[i];
    }
    *size = sqrt(own);
    return sqrt(squares);
}

/* Sequences first … end-1 of the batch, as a micro-batch or another process would have them. */
static void add_piece(subject *s, int32_t first, int32_t end)
{
    int32_t cu_seqlens[SEQUENCES + 1];
    for (int32_t b = first; b <= end; ++b)
        cu_seqlens[b - first] = s->cu_seqlens[b] - s->cu_seqlens[first];
    dt_batch piece = s->batch; /* loss_scale stays that of the whole batch */
    piece.sequences = end - first;
    piece.token_ids = s->tokens + s->cu_seqlens[first];
    piece.cu_seqlens = cu_seqlens;
    piece.labels = s->labels + (ptrdiff_t)first * TAX_RANKS;
    piece.first_sequence += first;
    forward_and_backward(s, &piece);
}

/* Tensor by tensor, up to the order of sums. */
static void check_same(const subject *s, const double *ours, const double *theirs)
{
    for (int32_t i = 0; i < s->table->count; ++i) {
        const dt_param_spec *spec = &s->table->spec[i];
        double size;
        const double found =
            distance(ours + spec->offset, theirs + spec->offset, spec->count, &size);
        if (!(found <= SAME * (size + LEAST)))
            fail_msg("the gradients of %s, of norm %.3g, differ by %.3g", spec->name, size, found);
    }
}

static void gradient_is_the_sum_over_pieces_of_the_batch(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i) {
        subject s;
        subject_open(&s, &shapes[i], 1);
        double *whole = gradient_of(&s, &s.batch);
        const double loss = take_loss(&s);
        for (int32_t piece = 1; piece < SEQUENCES; ++piece) {
            s.backend->ops->gradients_zero(s.backend);
            for (int32_t first = 0; first < SEQUENCES; first += piece)
                add_piece(&s, first, first + piece < SEQUENCES ? first + piece : SEQUENCES);
            double *sum = read_vector(&s, DT_GRADIENTS);
            check_same(&s, sum, whole);
            assert_true(fabs(take_loss(&s) - loss) <= SAME * loss);
            free(sum);
        }
        /* the place in the global batch, the step and the seed all choose other masks */
        dt_batch other[3] = {s.batch, s.batch, s.batch};
        other[0].first_sequence++;
        other[1].step++;
        other[2].seed++;
        for (int k = 0; k < 3; ++k) {
            double *gradient = gradient_of(&s, &other[k]);
            double size;
            assert_true(distance(gradient, whole, s.table->trained, &size) > 0.01 * size);
            free(gradient);
        }
        free(whole);
        subject_close(&s);
    }
}

static void gradient_does_not_depend_on_the_number_of_threads(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i) {
        double *one = NULL;
        for (int32_t threads = 1; threads <= 3; ++threads) {
            subject s;
            subject_open(&s, &shapes[i], threads);
            double *gradient = gradient_of(&s, &s.batch);
            if (one)
                check_same(&s, gradient, one);
            else
                one = gradient;
            if (gradient != one)
                free(gradient);
            subject_close(&s);
        }
        free(one);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradient_equals_central_differences_of_the_loss),
        cmocka_unit_test(gradient_is_the_sum_over_pieces_of_the_batch),
        cmocka_unit_test(gradient_does_not_depend_on_the_number_of_threads),
    };
    setenv("OMP_WAIT_POLICY", "passive", 0); /* more threads than processors, and tiny loops */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
