/* The model beside the independent PyTorch model of the padded definition: logits, loss, the
 * gradient of every parameter, and ten optimizer steps; in fp32 and in the double-precision build,
 * and in fp32 by the CUDA kernels, run on the CPU (tests/cuda_on_cpu), where they are built.
 */
#include "core/module.h"
#include "data/batch.h"
#include "subject.h"
#include "published_sizes.h"

typedef struct {
    const char *backend;
    double bound;       /* ‖ours − theirs‖ / ‖theirs‖ of a tensor */
    double steps_bound; /* the same after ten optimizer steps */
    double zero_bound;  /* absolute, where the gradient is zero by construction */
} precision;

static const precision precisions[] = {
    {"cpu64", 1e-10, 1e-8, 1e-12},
    {"cpu", 1e-5, 1e-5, 1e-5},
    {"cuda_on_cpu", 1e-5, 1e-5, 1e-5},
};

static bool present(const precision *p)
{
    return strcmp(p->backend, "cuda_on_cpu") != 0 || dt_module_present(p->backend);
}

/* Fixtures that this version's model covers. */
static const char *const fixtures[] = {"hybrid_small",
                                       "hybrid_one_layer",
                                       "hybrid_wide",
                                       "hybrid_masked",
                                       "hybrid_two_convolutions",
                                       "hybrid_masked_two_convolutions",
                                       "bert_small",
                                       "cnn_small",
                                       "cnn_identity",
                                       "cnn_onehot",
                                       "kmer_small"};

static void check(const char *what, const double *ours, const double *theirs, int64_t count,
                  double bound)
{
    const double found = difference(ours, theirs, count);
    if (!(found <= bound))
        fail_msg("%s differs by %.3g, allowed are %.3g", what, found, bound);
}

static double *expected(subject *s, const char *group, const char *name, int64_t count)
{
    char path[192];
    int64_t found;
    snprintf(path, sizeof path, "/expected/%s%s", group, name);
    double *values = fixture_doubles(s->file, path, &found);
    assert_int_equal(found, count);
    return values;
}

/* w_cnn and w_bert as one tensor: each is a single sum over the batch, and where one happens to
 * cancel, its rounding is that of terms of the other's size. */
static bool is_share(const char *name)
{
    return strcmp(name, "w_cnn") == 0 || strcmp(name, "w_bert") == 0;
}

static void check_share_gradients(subject *s, const precision *p)
{
    static const char *const names[2] = {"w_cnn", "w_bert"};
    double ours[2];
    double theirs[2];
    for (int i = 0; i < 2; ++i) {
        const dt_param_spec *spec = dt_params_find(dt_model_params(s->model), names[i]);
        if (!spec)
            return;
        double *our = vector_doubles(s, DT_GRADIENTS, spec);
        double *their = expected(s, "gradient/", spec->name, 1);
        ours[i] = *our;
        theirs[i] = *their;
        free(their);
        free(our);
    }
    check("w_cnn and w_bert", ours, theirs, 2, p->bound);
}

static void check_gradients(subject *s, const precision *p)
{
    const dt_param_table *table = dt_model_params(s->model);
    for (int32_t i = 0; i < table->count; ++i) {
        const dt_param_spec *spec = &table->spec[i];
        if (spec->offset >= table->trained)
            continue;
        double *ours = vector_doubles(s, DT_GRADIENTS, spec);
        double *theirs = expected(s, "gradient/", spec->name, spec->count);
        if (fixture_lists(s->file, "zero_gradient", spec->name)) {
            for (int64_t j = 0; j < spec->count; ++j)
                assert_true(fabs(ours[j]) <= p->zero_bound);
        } else if (!is_share(spec->name)) {
            check(spec->name, ours, theirs, spec->count, p->bound);
        }
        free(theirs);
        free(ours);
    }
    check_share_gradients(s, p);
}

/* The loss by tax_rank as the update reports it, from an update that changes nothing. */
static void check_loss(subject *s, const dt_batch *batch, const precision *p)
{
    dt_update_state state;
    const dt_update_rule idle = {.total_steps = 1, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8};
    s->backend->ops->update(s->backend, dt_model_params(s->model)->trained, &idle);
    s->backend->ops->state_read(s->backend, &state);
    double *loss = expected(s, "loss", "", 1);
    double *by_rank = expected(s, "loss_by_rank", "", batch->tax_ranks);
    double *weights = fixture_doubles(s->file, "/batch/level_weights", NULL);
    check("loss", &state.loss, loss, 1, p->bound);
    for (int32_t r = 0; r < batch->tax_ranks; ++r) {
        const double ours = state.loss_sum[r] / weights[r];
        assert_true(fabs(ours - by_rank[r]) <= p->bound * (1.0 + by_rank[r]));
    }
    free(weights);
    free(by_rank);
    free(loss);
}

/* The fixture's loss; where classes are weighted, cross entropy is divided by the sum of the
 * weights instead of the number of sequences. */
static dt_loss read_loss(subject *s, dt_batch *batch, void **class_weight)
{
    char *type = fixture_text(s->file, "loss_type");
    dt_loss loss = {.classes = *dt_model_classes(s->model),
                    .type = strcmp(type, "focal") == 0 ? DT_LOSS_FOCAL : DT_LOSS_CROSS_ENTROPY,
                    .gamma = fixture_number(s->file, "/", "focal_gamma")};
    free(type);
    *class_weight = NULL;
    if (H5Lexists(s->file, "/batch/class_weights", H5P_DEFAULT) <= 0)
        return loss;
    int64_t count;
    double *weights = fixture_doubles(s->file, "/batch/class_weights", &count);
    void *host = calloc((size_t)count, (size_t)s->backend->statistic_size);
    for (int64_t i = 0; i < count; ++i)
        if (s->backend->statistic_size == sizeof(double))
            ((double *)host)[i] = weights[i];
        else
            ((float *)host)[i] = (float)weights[i];
    ASSERT_OK(s->backend->ops->alloc(s->backend, class_weight, count * s->backend->statistic_size));
    s->backend->ops->upload(s->backend, *class_weight, host, count * s->backend->statistic_size);
    loss.class_weight = *class_weight;
    for (int32_t r = 0; r < batch->tax_ranks && loss.type == DT_LOSS_CROSS_ENTROPY; ++r) {
        double sum = 0.0;
        for (int32_t b = 0; b < batch->sequences; ++b)
            sum += weights[loss.classes.first[r] + batch->labels[b * batch->tax_ranks + r]];
        batch->loss_scale[r] *= batch->sequences / sum;
    }
    free(host);
    free(weights);
    return loss;
}

static void forward_and_backward(const char *fixture, const precision *p)
{
    subject s;
    int32_t *tokens;
    int32_t *cu_seqlens;
    int32_t *labels;
    subject_open(&s, fixture, p->backend, 2, 16);
    void *class_weight;
    dt_batch batch = read_batch(&s, &tokens, &cu_seqlens, &labels);
    const dt_loss loss = read_loss(&s, &batch, &class_weight);
    const dt_class_layout *classes = dt_model_classes(s.model);
    const int64_t logit_count = (int64_t)batch.sequences * classes->first[classes->tax_ranks];

    s.backend->ops->gradients_zero(s.backend);
    const dt_device_batch *on_device = s.backend->ops->batch_upload(s.backend, &batch);
    /* without dropout both modes are the same definition */
    for (int training = 0; training < 2; ++training) {
        const void *logits = dt_model_forward(s.model, on_device, training);
        double *ours = device_doubles(&s, logits, logit_count, s.backend->statistic_size);
        double *theirs = expected(&s, "logits", "", logit_count);
        check("logits", ours, theirs, logit_count, p->bound);
        free(theirs);
        free(ours);
    }
    const int64_t fused_count = (int64_t)batch.sequences * dt_model_features(&s.config);
    double *fused =
        device_doubles(&s, dt_model_fused(s.model), fused_count, s.backend->activation_size);
    double *their_fused = expected(&s, "fused", "", fused_count);
    check("fused", fused, their_fused, fused_count, p->bound);
    free(their_fused);
    free(fused);

    ASSERT_OK(dt_model_backward(s.model, on_device, &loss, NULL, NULL));
    check_gradients(&s, p);
    check_loss(&s, &batch, p);
    s.backend->ops->free(s.backend, class_weight);
    free(tokens);
    free(cu_seqlens);
    free(labels);
    subject_close(&s);
}

static void equals_pytorch_on_every_fixture(void **state)
{
    (void)state;
    for (size_t p = 0; p < sizeof precisions / sizeof *precisions; ++p)
        for (size_t f = 0; present(&precisions[p]) && f < sizeof fixtures / sizeof *fixtures; ++f)
            forward_and_backward(fixtures[f], &precisions[p]);
}

/* Packing cuts a sequence that is too long as the reference does, this many last tokens kept. */
static void packing_cuts(const char *fixture, int32_t suffix_count)
{
    const hid_t file = fixture_open(fixture);
    const dt_model_config config = fixture_config(file);
    int64_t raw_count;
    int64_t ends;
    int32_t *raw = fixture_ints(file, "/batch/raw_tokens", &raw_count);
    int32_t *raw_ends = fixture_ints(file, "/batch/raw_cu_seqlens", &ends);
    int32_t *tokens = fixture_ints(file, "/batch/tokens", NULL);
    int32_t *cu_seqlens = fixture_ints(file, "/batch/cu_seqlens", NULL);
    const int32_t sequences = (int32_t)ends - 1;
    make_bags(&config, tokens, cu_seqlens, sequences);
    uint16_t dataset_tokens[1024];
    int64_t offsets[32];
    int64_t indices[32];
    int32_t labels[32] = {0};
    assert_in_range(raw_count, 1, 1024);
    assert_in_range(ends, 2, 32);
    for (int64_t i = 0; i < raw_count; ++i)
        dataset_tokens[i] = (uint16_t)raw[i];
    for (int64_t i = 0; i < ends; ++i) {
        offsets[i] = raw_ends[i];
        indices[i] = i;
    }
    const dt_dataset dataset = {.count = sequences,
                                .tokens = dataset_tokens,
                                .offsets = offsets,
                                .labels = labels,
                                .suffix_count = suffix_count};
    dt_batch_memory memory;
    ASSERT_OK(dt_batch_memory_create(&memory, sequences, raw_count, 1));
    memory.kmer_size = dt_model_kmer_size(&config);
    const dt_batch batch =
        dt_batch_pack(&memory, &dataset, indices, sequences, config.max_length, NULL, NULL);
    assert_memory_equal(batch.cu_seqlens, cu_seqlens, (size_t)ends * sizeof *cu_seqlens);
    assert_memory_equal(batch.token_ids, tokens, (size_t)cu_seqlens[sequences] * sizeof *tokens);
    assert_true(raw_count > cu_seqlens[sequences]); /* one was too long */
    dt_batch_memory_free(&memory);
    free(cu_seqlens);
    free(tokens);
    free(raw_ends);
    free(raw);
    H5Fclose(file);
}

static void packing_cuts_as_the_reference(void **state)
{
    (void)state;
    packing_cuts("hybrid_small", 1);
    packing_cuts("cnn_onehot", 0);
    packing_cuts("kmer_small", 0);
}

/* ---- ten optimizer steps ------------------------------------------------------------------------
 */

typedef struct {
    int32_t *tokens, *cu_seqlens, *labels, *cu_batches;
    double *level_weights;
} step_data;

/* One micro-batch forward and backward. */
static void micro_step(subject *s, const step_data *d, int32_t number, int32_t accum_steps)
{
    int32_t cu_seqlens[17];
    const int32_t first = d->cu_batches[number];
    const int32_t count = d->cu_batches[number + 1] - first;
    assert_in_range(count, 1, 16);
    for (int32_t i = 0; i <= count; ++i)
        cu_seqlens[i] = d->cu_seqlens[first + i] - d->cu_seqlens[first];
    dt_batch batch = {.sequences = count,
                      .tax_ranks = s->config.tax_ranks,
                      .token_ids = d->tokens + d->cu_seqlens[first],
                      .cu_seqlens = cu_seqlens,
                      .labels = d->labels + (ptrdiff_t)first * s->config.tax_ranks};
    for (int32_t r = 0; r < batch.tax_ranks; ++r)
        batch.loss_scale[r] = d->level_weights[r] / ((double)count * accum_steps);
    const dt_device_batch *on_device = s->backend->ops->batch_upload(s->backend, &batch);
    dt_model_forward(s->model, on_device, true);
    const dt_loss loss = {.classes = *dt_model_classes(s->model)};
    ASSERT_OK(dt_model_backward(s->model, on_device, &loss, NULL, NULL));
}

static void check_after_steps(subject *s, double total_rate, const precision *p)
{
    const dt_param_table *table = dt_model_params(s->model);
    for (int32_t i = 0; i < table->count; ++i) {
        const dt_param_spec *spec = &table->spec[i];
        if (spec->offset >= table->trained)
            continue;
        double *ours = vector_doubles(s, DT_PARAMETERS, spec);
        double *theirs = expected(s, "after_steps/", spec->name, spec->count);
        if (fixture_lists(s->file, "zero_gradient", spec->name)) {
            /* AdamW divides rounding noise by itself: only the size of the steps is defined */
            for (int64_t j = 0; j < spec->count; ++j)
                assert_true(fabs(ours[j] - theirs[j]) <= 2.0 * total_rate);
        } else {
            check(spec->name, ours, theirs, spec->count, p->steps_bound);
        }
        free(theirs);
        free(ours);
    }
}

static void ten_steps(const char *fixture, const precision *p)
{
    subject s;
    subject_open(&s, fixture, p->backend, 2, 16);
    int64_t micro_steps;
    step_data d = {.tokens = fixture_ints(s.file, "/steps/tokens", NULL),
                   .cu_seqlens = fixture_ints(s.file, "/steps/cu_seqlens", NULL),
                   .labels = fixture_ints(s.file, "/steps/labels", NULL),
                   .cu_batches = fixture_ints(s.file, "/steps/cu_batches", &micro_steps),
                   .level_weights = fixture_doubles(s.file, "/batch/level_weights", NULL)};
    make_bags(&s.config, d.tokens, d.cu_seqlens, d.cu_batches[micro_steps - 1]);
    const int32_t steps = (int32_t)fixture_number(s.file, "/steps", "optimizer_steps");
    const int32_t accum = (int32_t)fixture_number(s.file, "/steps", "accum_steps");
    const dt_update_rule rule = {.learning_rate = fixture_number(s.file, "/steps", "learning_rate"),
                                 .beta1 = fixture_number(s.file, "/steps", "beta1"),
                                 .beta2 = fixture_number(s.file, "/steps", "beta2"),
                                 .eps = fixture_number(s.file, "/steps", "eps"),
                                 .weight_decay = fixture_number(s.file, "/steps", "weight_decay"),
                                 .max_grad_norm = fixture_number(s.file, "/steps", "max_grad_norm"),
                                 .warmup_steps =
                                     (int64_t)fixture_number(s.file, "/steps", "warmup_steps"),
                                 .total_steps = steps};
    double *rates = expected(&s, "steps/learning_rate", "", steps);
    double *norms = expected(&s, "steps/gradient_norm", "", steps);
    double total_rate = 0.0;
    int32_t number = 0;
    for (int32_t step = 0; step < steps; ++step) {
        dt_update_state state;
        s.backend->ops->gradients_zero(s.backend);
        for (int32_t a = 0; a < accum && number < (int32_t)micro_steps - 1; ++a)
            micro_step(&s, &d, number++, accum);
        s.backend->ops->update(s.backend, dt_model_params(s.model)->trained, &rule);
        s.backend->ops->state_read(s.backend, &state);
        check("learning rate", &state.last_rate, &rates[step], 1,
              1e-11); /* the fixture keeps 37 bits */
        check("gradient norm", &state.grad_norm, &norms[step], 1, 100.0 * p->bound);
        assert_int_equal(state.steps, step + 1);
        total_rate += rates[step];
    }
    assert_int_equal(number, micro_steps - 1);
    check_after_steps(&s, total_rate, p);
    free(norms);
    free(rates);
    free(d.tokens);
    free(d.cu_seqlens);
    free(d.labels);
    free(d.cu_batches);
    free(d.level_weights);
    subject_close(&s);
}

static void follows_pytorch_for_ten_optimizer_steps(void **state)
{
    (void)state;
    for (size_t p = 0; p < sizeof precisions / sizeof *precisions; ++p) {
        if (!present(&precisions[p]))
            continue;
        ten_steps("hybrid_small", &precisions[p]);
        ten_steps("hybrid_one_layer", &precisions[p]);
        ten_steps("kmer_small", &precisions[p]);
    }
}

/* The published shape has the published number of parameters. */
static void default_shape_has_the_published_number_of_parameters(void **state)
{
    (void)state;
    const int32_t classes[7] = {2, 129, 349, 997, 2250, 7287, 16909};
    dt_model_config config = published_sizes();
    dt_param_table table = {0};
    config.vocabulary = 4096;
    config.pad_id = 3;
    config.tax_ranks = 7;
    memcpy(config.classes, classes, sizeof classes);
    ASSERT_OK(dt_model_layout(&config, &table));
    assert_int_equal(table.parameters, 76365205);
    dt_params_free(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(default_shape_has_the_published_number_of_parameters),
        cmocka_unit_test(packing_cuts_as_the_reference),
        cmocka_unit_test(equals_pytorch_on_every_fixture),
        cmocka_unit_test(follows_pytorch_for_ten_optimizer_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
