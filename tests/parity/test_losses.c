/* Every loss beside PyTorch's on the same logits (fixtures/losses.h5): the loss by taxonomic rank
 * and its gradient, as a batch whole and in pieces; and the loss of a validation set from the cross
 * entropies of a classification. */
#include "core/module.h"
#include "eval/objective.h"
#include "subject.h"

typedef struct {
    const char *backend;
    double bound; /* ‖ours − theirs‖ / ‖theirs‖ */
} precision;

static const precision precisions[] = {{"cpu64", 1e-10}, {"cpu", 1e-5}, {"cuda_on_cpu", 1e-5}};

static const char *const kinds[] = {"cross_entropy", "cross_entropy_weighted", "focal_mean",
                                    "focal_sum",     "focal_mean_weighted",    "focal_sum_weighted",
                                    "focal_gamma_0", "focal_gamma_1.5"};

/* The fixture on a backend. */
typedef struct {
    hid_t file;
    const precision *p;
    subject s; /* its backend alone */
    dt_class_layout classes;
    int32_t sequences;
    int32_t *labels;
    double *logits, *level_weights, *class_weights;
    void *device_logits, *device_weights;
} losses;

/* `count` doubles to the device as statistics. */
static void put(losses *l, void *device, const double *values, int64_t count)
{
    dt_backend *backend = l->s.backend;
    if (backend->statistic_size == sizeof(double)) {
        backend->ops->upload(backend, device, values, count * (int64_t)sizeof *values);
        return;
    }
    float *narrow = calloc((size_t)count, sizeof *narrow);
    for (int64_t i = 0; i < count; ++i)
        narrow[i] = (float)values[i];
    backend->ops->upload(backend, device, narrow, count * (int64_t)sizeof *narrow);
    free(narrow);
}

static void losses_open(losses *l, const precision *p)
{
    double classes[DT_MAX_TAX_RANKS];
    int64_t count;
    *l = (losses){.file = fixture_open("losses"), .p = p};
    l->classes.tax_ranks = fixture_attribute(l->file, "/", "classes", classes, DT_MAX_TAX_RANKS);
    for (int32_t r = 0; r < l->classes.tax_ranks; ++r)
        l->classes.first[r + 1] = l->classes.first[r] + (int32_t)classes[r];
    l->labels = fixture_ints(l->file, "/labels", &count);
    l->sequences = (int32_t)count / l->classes.tax_ranks;
    l->logits = fixture_doubles(l->file, "/logits", NULL);
    l->level_weights = fixture_doubles(l->file, "/level_weights", NULL);
    l->class_weights = fixture_doubles(l->file, "/class_weights", NULL);
    ASSERT_OK(dt_backend_open(p->backend,
                              &(dt_backend_options){.threads = 2, .precision = DT_PRECISION_FP32},
                              &l->s.backend));
    dt_backend *backend = l->s.backend;
    const int64_t columns = l->classes.first[l->classes.tax_ranks];
    ASSERT_OK(backend->ops->vectors_alloc(backend, 4, true));
    ASSERT_OK(
        backend->ops->batch_reserve(backend, l->sequences, l->sequences, l->classes.tax_ranks));
    ASSERT_OK(backend->ops->alloc(backend, &l->device_logits,
                                  l->sequences * columns * backend->statistic_size));
    ASSERT_OK(backend->ops->alloc(backend, &l->device_weights, columns * backend->statistic_size));
    put(l, l->device_weights, l->class_weights, columns);
    backend->ops->state_write(backend, &(dt_update_state){.loss_scale = 1.0});
}

static void losses_close(losses *l)
{
    dt_backend *backend = l->s.backend;
    backend->ops->free(backend, l->device_weights);
    backend->ops->free(backend, l->device_logits);
    backend->ops->destroy(backend);
    free(l->labels);
    free(l->logits);
    free(l->level_weights);
    free(l->class_weights);
    H5Fclose(l->file);
}

static dt_objective objective_of(losses *l, const char *kind)
{
    char text[128];
    snprintf(text, sizeof text, "/%s", kind);
    dt_objective objective = {
        .classes = l->classes,
        .type = strncmp(kind, "focal", 5) == 0 ? DT_LOSS_FOCAL : DT_LOSS_CROSS_ENTROPY,
        .gamma = fixture_number(l->file, text, "focal_gamma"),
        .focal_sum = strstr(kind, "_sum") != NULL,
        .batch_size = l->sequences,
        .class_weight =
            fixture_number(l->file, text, "class_weights") != 0.0 ? l->class_weights : NULL};
    memcpy(objective.level_weight, l->level_weights, (size_t)l->classes.tax_ranks * sizeof(double));
    return objective;
}

static double *expected(losses *l, const char *kind, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "/%s/%s", kind, name);
    return fixture_doubles(l->file, path, NULL);
}

static void check(const char *kind, const char *what, const double *ours, const double *theirs,
                  int64_t count, double bound)
{
    const double found = difference(ours, theirs, count);
    if (!(found <= bound))
        fail_msg("%s: %s differs by %.3g, allowed are %.3g", kind, what, found, bound);
}

/* Sequences first … first + count - 1 as a batch, with the scale of all. */
static const dt_device_batch *upload_piece(losses *l, const dt_objective *objective, int32_t first,
                                           int32_t count)
{
    static const int32_t tokens[64] = {0};
    int32_t cu_seqlens[65];
    int64_t all[64];
    assert_true(l->sequences <= 64);
    for (int32_t i = 0; i < l->sequences; ++i)
        all[i] = i;
    for (int32_t i = 0; i <= count; ++i)
        cu_seqlens[i] = i;
    dt_batch batch = {.sequences = count,
                      .tax_ranks = l->classes.tax_ranks,
                      .token_ids = tokens,
                      .cu_seqlens = cu_seqlens,
                      .labels = l->labels + (ptrdiff_t)first * l->classes.tax_ranks};
    const dt_dataset dataset = {.labels = l->labels, .taxonomy.tax_ranks = l->classes.tax_ranks};
    dt_objective_scale(batch.loss_scale, objective, &dataset, all, l->sequences, 1);
    const int64_t columns = l->classes.first[l->classes.tax_ranks];
    put(l, l->device_logits, l->logits + first * columns, count * columns);
    return l->s.backend->ops->batch_upload(l->s.backend, &batch);
}

/* The loss, its parts and its gradient, from `pieces` pieces of the batch. */
static void backward(losses *l, const char *kind, int32_t pieces)
{
    const dt_objective objective = objective_of(l, kind);
    const dt_loss loss = {.classes = l->classes,
                          .type = objective.type,
                          .gamma = objective.gamma,
                          .class_weight = objective.class_weight ? l->device_weights : NULL};
    const int32_t tax_ranks = l->classes.tax_ranks;
    const int64_t columns = l->classes.first[tax_ranks];
    dt_backend *backend = l->s.backend;
    double *gradient = calloc((size_t)(l->sequences * columns), sizeof *gradient);
    for (int32_t piece = 0; piece < pieces; ++piece) {
        const int32_t first = l->sequences * piece / pieces;
        const int32_t count = l->sequences * (piece + 1) / pieces - first;
        const dt_device_batch *batch = upload_piece(l, &objective, first, count);
        backend->ops->loss(backend, l->device_logits, batch, &loss);
        double *part =
            device_doubles(&l->s, l->device_logits, count * columns, backend->statistic_size);
        memcpy(gradient + first * columns, part, (size_t)(count * columns) * sizeof *part);
        free(part);
    }
    double *theirs = expected(l, kind, "gradient");
    check(kind, "the gradient", gradient, theirs, l->sequences * columns, l->p->bound);
    free(theirs);
    free(gradient);

    dt_update_state state;
    backend->ops->state_write(backend, &(dt_update_state){.loss_scale = 1.0});
    backend->ops->update(backend, 4, &(dt_update_rule){.total_steps = 1});
    ASSERT_OK(backend->ops->check(backend));
    backend->ops->state_read(backend, &state);
    double *total = expected(l, kind, "loss");
    double *by_rank = expected(l, kind, "loss_by_rank");
    check(kind, "the loss", &state.loss, total, 1, l->p->bound);
    for (int32_t r = 0; r < tax_ranks; ++r)
        by_rank[r] *= objective.level_weight[r];
    check(kind, "the loss by rank", state.loss_sum, by_rank, tax_ranks, l->p->bound);
    free(by_rank);
    free(total);
}

/* The loss of the same sequences as a validation set. */
static void evaluation(losses *l, const char *kind)
{
    const dt_objective objective = objective_of(l, kind);
    const int32_t tax_ranks = l->classes.tax_ranks;
    dt_backend *backend = l->s.backend;
    dt_prediction *predictions = calloc((size_t)(l->sequences * tax_ranks), sizeof *predictions);
    const int64_t bytes = l->sequences * tax_ranks * (int64_t)sizeof *predictions;
    void *device;
    ASSERT_OK(backend->ops->alloc(backend, &device, bytes));
    const dt_device_batch *batch = upload_piece(l, &objective, 0, l->sequences);
    backend->ops->classify(backend, device, l->device_logits, batch, &l->classes, NULL);
    backend->ops->download(backend, predictions, device, bytes);
    double *theirs = expected(l, kind, "loss");
    double ours = 0.0;
    for (int32_t r = 0; r < tax_ranks; ++r) {
        dt_set_loss set = {0};
        for (int32_t i = r; i < l->sequences * tax_ranks; i += tax_ranks)
            dt_set_loss_add(&set, &objective, r, l->labels[i], predictions[i].loss);
        ours += dt_set_loss_result(&set, &objective, r);
    }
    check(kind, "the loss of the set", &ours, theirs, 1, 1e-5); /* predictions are floats */
    free(theirs);
    free(predictions);
    backend->ops->free(backend, device);
}

static bool present(const precision *p)
{
    return strcmp(p->backend, "cuda_on_cpu") != 0 || dt_module_present(p->backend);
}

static void on_every_backend(void (*what)(losses *l, const char *kind))
{
    for (size_t p = 0; p < sizeof precisions / sizeof *precisions; ++p) {
        losses l;
        if (!present(&precisions[p]))
            continue;
        losses_open(&l, &precisions[p]);
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; ++k)
            what(&l, kinds[k]);
        losses_close(&l);
    }
}

static void whole(losses *l, const char *kind)
{
    backward(l, kind, 1);
}

static void in_pieces(losses *l, const char *kind)
{
    backward(l, kind, 4);
}

static void loss_and_gradient_equal_pytorch(void **state)
{
    (void)state;
    on_every_backend(whole);
}

static void pieces_of_a_batch_add_up_to_it(void **state)
{
    (void)state;
    on_every_backend(in_pieces);
}

static void validation_loss_is_the_same_function(void **state)
{
    (void)state;
    on_every_backend(evaluation);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loss_and_gradient_equal_pytorch),
        cmocka_unit_test(pieces_of_a_batch_add_up_to_it),
        cmocka_unit_test(validation_loss_is_the_same_function),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
