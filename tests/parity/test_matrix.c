/* Every model type with every loss, class weight and padding mode beside the independent PyTorch
 * model (fixtures/matrix_*.h5): logits, loss by taxonomic rank and all gradients on every backend,
 * and in double precision all parameters after ten steps of AdamW with clipping, schedule and
 * accumulation. Class weights are those that the program takes from the labels. */
#include "core/module.h"
#include "eval/objective.h"
#include "subject.h"

#define STEPS_BOUND 1e-8 /* ‖ours − theirs‖ / ‖theirs‖ of a tensor after ten steps */
#define ROOM 16          /* sequences of a batch */

typedef struct {
    const char *backend;
    double bound;      /* ‖ours − theirs‖ / ‖theirs‖ of a tensor */
    double zero_bound; /* absolute, where the gradient is zero by construction */
} precision;

static const precision precisions[] = {
    {"cpu64", 1e-10, 1e-12}, {"cpu", 1e-5, 1e-5}, {"cuda_on_cpu", 1e-5, 1e-5}};

/* Without a branch of convolutions padding is nowhere: both modes give the same. */
static const struct {
    const char *fixture;
    bool mask_padding;
} models[] = {
    {"matrix_hybrid", false},    {"matrix_hybrid_masked", true}, {"matrix_cnn", false},
    {"matrix_cnn_masked", true}, {"matrix_onehot", false},       {"matrix_onehot_masked", true},
    {"matrix_bert", false},      {"matrix_bert", true},          {"matrix_kmer", false},
};

/* In the order of the fixtures' rows: weights vary fastest. */
static const struct {
    const char *name;
    dt_loss_type type;
    bool sum;
} loss_kinds[] = {{"cross_entropy", DT_LOSS_CROSS_ENTROPY, false},
                  {"focal_mean", DT_LOSS_FOCAL, false},
                  {"focal_sum", DT_LOSS_FOCAL, true}};
static const dt_class_weights weight_kinds[] = {DT_CLASS_WEIGHTS_NONE, DT_CLASS_WEIGHTS_INVERSE,
                                                DT_CLASS_WEIGHTS_SQRT_INVERSE};
static const char *const weight_names[] = {"none", "inverse", "sqrt_inverse"};
#define WEIGHT_KINDS 3
#define VARIANTS 9

/* Sequences of a fixture: one batch, or the micro-batches of the steps. */
typedef struct {
    int32_t *tokens, *cu_seqlens, *labels;
    int32_t sequences;
} sequence_set;

/* One model under one objective on one backend. */
typedef struct {
    subject s;
    const precision *p;
    char where[96]; /* for messages */
    int32_t variant;
    int64_t trained; /* elements that get gradients, in the fixture */
    sequence_set batch, steps;
    dt_objective objective;
    void *class_weight; /* on the device */
} cell;

static void check(const cell *c, const char *what, const double *ours, const double *theirs,
                  int64_t count, double bound)
{
    const double found = difference(ours, theirs, count);
    if (!(found <= bound))
        fail_msg("%s: %s differs by %.3g, allowed are %.3g", c->where, what, found, bound);
}

static sequence_set read_set(hid_t file, const dt_model_config *config, const char *group)
{
    char name[64];
    int64_t ends;
    sequence_set set;
    snprintf(name, sizeof name, "/%s/tokens", group);
    set.tokens = fixture_ints(file, name, NULL);
    snprintf(name, sizeof name, "/%s/cu_seqlens", group);
    set.cu_seqlens = fixture_ints(file, name, &ends);
    snprintf(name, sizeof name, "/%s/labels", group);
    set.labels = fixture_ints(file, name, NULL);
    set.sequences = (int32_t)ends - 1;
    make_bags(config, set.tokens, set.cu_seqlens, set.sequences);
    return set;
}

static void free_set(sequence_set *set)
{
    free(set->tokens);
    free(set->cu_seqlens);
    free(set->labels);
}

/* The variant's row of /expected/NAME. The caller frees. */
static double *expected_row(const cell *c, const char *name, int64_t *width)
{
    char path[64];
    int64_t count;
    snprintf(path, sizeof path, "/expected/%s", name);
    double *all = fixture_doubles(c->s.file, path, &count);
    *width = count / VARIANTS;
    memmove(all, all + c->variant * *width, (size_t)*width * sizeof *all);
    return all;
}

/* Where a tensor stands in the fixture's vectors: after those that the attribute `order` lists
 * before it. */
static int64_t place_of(const cell *c, const char *name)
{
    int64_t place = 0;
    char *order = fixture_text(c->s.file, "order");
    char *rest = NULL;
    char *line = strtok_r(order, "\n", &rest);
    for (; line && strcmp(line, name) != 0; line = strtok_r(NULL, "\n", &rest))
        place += dt_params_find(dt_model_params(c->s.model), line)->count;
    if (!line)
        fail_msg("%s: the fixture does not order %s", c->where, name);
    free(order);
    return place;
}

/* The training part are the sequences of the steps. */
static void make_objective(cell *c)
{
    int64_t all[512];
    dt_run run = {.config = c->s.config};
    assert_in_range(c->steps.sequences, 1, 512);
    for (int64_t i = 0; i < c->steps.sequences; ++i)
        all[i] = i;
    run.settings.loss_type = (int32_t)loss_kinds[c->variant / WEIGHT_KINDS].type;
    run.settings.focal_sum = loss_kinds[c->variant / WEIGHT_KINDS].sum;
    run.settings.class_weights = weight_kinds[c->variant % WEIGHT_KINDS];
    run.settings.focal_gamma = fixture_number(c->s.file, "/", "focal_gamma");
    run.split.training_count = c->steps.sequences;
    run.split.training = all;
    double *levels = fixture_doubles(c->s.file, "/batch/level_weights", NULL);
    run.settings.level_weight_count = run.config.tax_ranks;
    memcpy(run.settings.level_weight, levels, (size_t)run.config.tax_ranks * sizeof *levels);
    free(levels);
    const dt_dataset dataset = {.labels = c->steps.labels,
                                .taxonomy.tax_ranks = run.config.tax_ranks};
    ASSERT_OK(dt_objective_create(&c->objective, &run, &dataset));
}

static void upload_weights(cell *c)
{
    dt_backend *backend = c->s.backend;
    const int64_t classes = c->objective.classes.first[c->objective.classes.tax_ranks];
    const char *kind = weight_names[c->variant % WEIGHT_KINDS];
    char path[64];
    float narrow[64];
    if (!c->objective.class_weight)
        return;
    snprintf(path, sizeof path, "/class_weights/%s", kind);
    double *theirs = fixture_doubles(c->s.file, path, NULL);
    check(c, kind, c->objective.class_weight, theirs, classes, 1e-11);
    assert_true(theirs[classes - 1] == 0.0); /* a class that is never seen */
    free(theirs);
    assert_in_range(classes, 1, 64);
    for (int64_t i = 0; i < classes; ++i)
        narrow[i] = (float)c->objective.class_weight[i];
    const void *values = backend->statistic_size == sizeof(double)
                             ? (const void *)c->objective.class_weight
                             : (const void *)narrow;
    ASSERT_OK(backend->ops->alloc(backend, &c->class_weight, classes * backend->statistic_size));
    backend->ops->upload(backend, c->class_weight, values, classes * backend->statistic_size);
}

/* Gradients of sequences first … first + count - 1 of a set, added up. */
static const void *pass(cell *c, const sequence_set *set, int32_t first, int32_t count,
                        int32_t accum_steps)
{
    int32_t cu_seqlens[ROOM + 1];
    int64_t numbers[ROOM];
    dt_backend *backend = c->s.backend;
    assert_in_range(count, 1, ROOM);
    for (int32_t i = 0; i <= count; ++i)
        cu_seqlens[i] = set->cu_seqlens[first + i] - set->cu_seqlens[first];
    for (int32_t i = 0; i < count; ++i)
        numbers[i] = first + i;
    dt_batch batch = {.sequences = count,
                      .tax_ranks = c->s.config.tax_ranks,
                      .token_ids = set->tokens + set->cu_seqlens[first],
                      .cu_seqlens = cu_seqlens,
                      .labels = set->labels + (ptrdiff_t)first * c->s.config.tax_ranks};
    const dt_dataset dataset = {.labels = set->labels, .taxonomy.tax_ranks = c->s.config.tax_ranks};
    dt_objective_scale(batch.loss_scale, &c->objective, &dataset, numbers, count, accum_steps);
    const dt_loss loss = {.classes = c->objective.classes,
                          .type = c->objective.type,
                          .gamma = c->objective.gamma,
                          .class_weight = c->class_weight};
    const dt_device_batch *on_device = backend->ops->batch_upload(backend, &batch);
    const void *logits = dt_model_forward(c->s.model, on_device, true);
    if (accum_steps == 1) { /* they become their own gradient */
        int64_t width = count * (int64_t)loss.classes.first[loss.classes.tax_ranks];
        double *ours = device_doubles(&c->s, logits, width, backend->statistic_size);
        double *theirs = fixture_doubles(c->s.file, "/expected/logits", &width);
        check(c, "logits", ours, theirs, width, c->p->bound);
        free(theirs);
        free(ours);
    }
    ASSERT_OK(dt_model_backward(c->s.model, on_device, &loss, NULL, NULL));
    return logits;
}

/* Compares every tensor of a flat vector with the fixture's; those whose gradient is zero but for
 * rounding may be off by `zero_bound` an element. */
static void check_vector(cell *c, dt_vector which, const char *name, double bound,
                         double zero_bound)
{
    int64_t width;
    double *row = expected_row(c, name, &width);
    const dt_param_table *table = dt_model_params(c->s.model);
    int64_t compared = 0;
    for (int32_t i = 0; i < table->count; ++i) {
        const dt_param_spec *spec = &table->spec[i];
        if (spec->offset >= table->trained)
            continue;
        double *ours = vector_doubles(&c->s, which, spec);
        const double *theirs = row + place_of(c, spec->name);
        if (fixture_lists(c->s.file, "zero_gradient", spec->name)) {
            for (int64_t j = 0; j < spec->count; ++j)
                assert_true(fabs(ours[j] - theirs[j]) <= zero_bound);
        } else {
            check(c, spec->name, ours, theirs, spec->count, bound);
        }
        compared += spec->count;
        free(ours);
    }
    assert_int_equal(compared, width); /* the fixture has no tensor besides */
    free(row);
}

/* The loss as the update reports it, from one that changes nothing. */
static void check_loss(cell *c)
{
    dt_update_state state;
    dt_backend *backend = c->s.backend;
    int64_t width;
    const dt_update_rule idle = {.total_steps = 1, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8};
    backend->ops->update(backend, dt_model_params(c->s.model)->trained, &idle);
    backend->ops->state_read(backend, &state);
    double *total = expected_row(c, "loss", &width);
    check(c, "the loss", &state.loss, total, 1, c->p->bound);
    double *by_rank = expected_row(c, "loss_by_rank", &width);
    for (int32_t r = 0; r < width; ++r)
        by_rank[r] *= c->objective.level_weight[r];
    check(c, "the loss by rank", state.loss_sum, by_rank, width, c->p->bound);
    free(by_rank);
    free(total);
}

static void forward_and_backward(cell *c)
{
    c->s.backend->ops->gradients_zero(c->s.backend);
    pass(c, &c->batch, 0, c->batch.sequences, 1);
    check_vector(c, DT_GRADIENTS, "gradient", c->p->bound, c->p->zero_bound);
    check_loss(c);
}

static void ten_steps(cell *c)
{
    const hid_t file = c->s.file;
    dt_backend *backend = c->s.backend;
    int64_t ends;
    int64_t steps;
    const int32_t accum = (int32_t)fixture_number(file, "/steps", "accum_steps");
    int32_t *cu_batches = fixture_ints(file, "/steps/cu_batches", &ends);
    double *rates = fixture_doubles(file, "/expected/learning_rate", NULL);
    double *norms = expected_row(c, "gradient_norm", &steps);
    const dt_update_rule rule = {.learning_rate = fixture_number(file, "/steps", "learning_rate"),
                                 .beta1 = fixture_number(file, "/steps", "beta1"),
                                 .beta2 = fixture_number(file, "/steps", "beta2"),
                                 .eps = fixture_number(file, "/steps", "eps"),
                                 .weight_decay = fixture_number(file, "/steps", "weight_decay"),
                                 .max_grad_norm = fixture_number(file, "/steps", "max_grad_norm"),
                                 .warmup_steps =
                                     (int64_t)fixture_number(file, "/steps", "warmup_steps"),
                                 .total_steps = steps};
    double total_rate = 0.0;
    int64_t number = 0;
    assert_int_equal(steps, 10);
    assert_true((ends - 1) % accum != 0); /* the last window is incomplete */
    for (int64_t step = 0; step < steps; ++step) {
        dt_update_state state;
        backend->ops->gradients_zero(backend);
        for (int32_t a = 0; a < accum && number < ends - 1; ++a, ++number)
            pass(c, &c->steps, cu_batches[number], cu_batches[number + 1] - cu_batches[number],
                 accum);
        backend->ops->update(backend, dt_model_params(c->s.model)->trained, &rule);
        backend->ops->state_read(backend, &state);
        check(c, "learning rate", &state.last_rate, &rates[step], 1, 1e-11);
        check(c, "gradient norm", &state.grad_norm, &norms[step], 1, STEPS_BOUND);
        total_rate += rates[step];
    }
    assert_int_equal(number, ends - 1);
    /* AdamW divides rounding noise by itself: only the size of the steps is defined there */
    check_vector(c, DT_PARAMETERS, "after_steps", STEPS_BOUND, 2.0 * total_rate);
    free(norms);
    free(rates);
    free(cu_batches);
}

/* All objectives of one model on one backend. */
static void every_objective(size_t model, const precision *p, void (*what)(cell *c))
{
    cell c = {.p = p};
    c.s.file = fixture_open(models[model].fixture);
    c.s.config = fixture_config(c.s.file);
    if (c.s.config.type == DT_MODEL_BERT)
        c.s.config.mask_padding = models[model].mask_padding;
    assert_int_equal(c.s.config.mask_padding, models[model].mask_padding);
    c.batch = read_set(c.s.file, &c.s.config, "batch");
    c.steps = read_set(c.s.file, &c.s.config, "steps");
    subject_place(&c.s, p->backend,
                  &(dt_backend_options){.threads = 1, .precision = DT_PRECISION_FP32}, ROOM);
    for (c.variant = 0; c.variant < VARIANTS; ++c.variant) {
        const char *weights = weight_names[c.variant % WEIGHT_KINDS];
        const char *loss = loss_kinds[c.variant / WEIGHT_KINDS].name;
        char line[64];
        snprintf(line, sizeof line, "%s %s", loss, weights);
        assert_true(fixture_lists(c.s.file, "variants", line));
        snprintf(c.where, sizeof c.where, "%s on %s, %s", models[model].fixture, p->backend, line);
        subject_reset(&c.s);
        make_objective(&c);
        upload_weights(&c);
        what(&c);
        c.s.backend->ops->free(c.s.backend, c.class_weight);
        c.class_weight = NULL;
        dt_objective_free(&c.objective);
    }
    free_set(&c.batch);
    free_set(&c.steps);
    subject_close(&c.s);
}

static bool present(const precision *p)
{
    return strcmp(p->backend, "cuda_on_cpu") != 0 || dt_module_present(p->backend);
}

static void logits_loss_and_gradients_equal_pytorch(void **state)
{
    (void)state;
    for (size_t p = 0; p < sizeof precisions / sizeof *precisions; ++p)
        for (size_t m = 0; present(&precisions[p]) && m < sizeof models / sizeof *models; ++m)
            every_objective(m, &precisions[p], forward_and_backward);
}

static void ten_optimizer_steps_follow_pytorch_in_double_precision(void **state)
{
    (void)state;
    for (size_t m = 0; m < sizeof models / sizeof *models; ++m)
        every_objective(m, &precisions[0], ten_steps);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_loss_and_gradients_equal_pytorch),
        cmocka_unit_test(ten_optimizer_steps_follow_pytorch_in_double_precision),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
