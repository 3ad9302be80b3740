/* --loss-type lineage of every model type beside the independent PyTorch model, which enumerates the
 * lineages (fixtures/lineage.h5): marginals, loss by taxonomic rank and all gradients, without and with
 * class weights. */
#include "core/module.h"
#include "subject.h"

#define ROOM 16 /* sequences of a batch */

static const struct {
    const char *backend;
    double bound; /* ‖ours − theirs‖ / ‖theirs‖ of a tensor */
    double least; /* of a gradient that is zero but for rounding */
} precisions[] = {{"cpu64", 1e-10, 1e-12}, {"cpu", 1e-5, 1e-6}, {"cuda_on_cpu", 1e-5, 1e-6}};

static const char *const models[] = {"matrix_hybrid", "matrix_cnn", "matrix_onehot", "matrix_bert"};

/* One model on one backend. */
typedef struct {
    subject s;
    size_t p; /* precision */
    const char *model;
    hid_t expected; /* the fixture of lineages */
    bool weighted;
} cell;

static void check(const cell *c, const char *what, const double *ours, const double *theirs,
                  int64_t count)
{
    const double bound = precisions[c->p].bound;
    double size = 0.0;
    double off = 0.0;
    for (int64_t i = 0; i < count; ++i) {
        off += (ours[i] - theirs[i]) * (ours[i] - theirs[i]);
        size += theirs[i] * theirs[i];
    }
    if (!(sqrt(off) <= fmax(bound * sqrt(size), precisions[c->p].least)))
        fail_msg("%s on %s, %s: differs by %.3g of %.3g", c->model, precisions[c->p].backend, what,
                 sqrt(off), sqrt(size));
}

/* The row of /MODEL/NAME with these class weights. The caller frees. */
static double *expected_row(const cell *c, const char *name)
{
    char path[64];
    int64_t count;
    snprintf(path, sizeof path, "/%s/%s", c->model, name);
    double *all = fixture_doubles(c->expected, path, &count);
    memmove(all, all + c->weighted * count / 2, (size_t)count / 2 * sizeof *all);
    return all;
}

/* Class weights on the device, NULL: none; loss_scale becomes that of their mean. */
static void *weigh(cell *c, dt_batch *batch)
{
    dt_backend *backend = c->s.backend;
    const dt_class_layout *layout = dt_model_classes(c->s.model);
    int64_t count;
    void *device;
    float narrow[64];
    if (!c->weighted)
        return NULL;
    double *weight = fixture_doubles(c->s.file, "/class_weights/inverse", &count);
    for (int32_t r = 0; r < batch->tax_ranks; ++r) {
        double sum = 0.0;
        for (int32_t b = 0; b < batch->sequences; ++b)
            sum += weight[layout->first[r] + batch->labels[b * batch->tax_ranks + r]];
        batch->loss_scale[r] *= batch->sequences / sum;
    }
    assert_in_range(count, 1, 64);
    for (int64_t i = 0; i < count; ++i)
        narrow[i] = (float)weight[i];
    ASSERT_OK(backend->ops->alloc(backend, &device, count * backend->statistic_size));
    backend->ops->upload(backend, device, backend->statistic_size == 8 ? (void *)weight : narrow,
                         count * backend->statistic_size);
    free(weight);
    return device;
}

static void check_marginals(const cell *c, const void *logits, int32_t sequences)
{
    const int32_t classes = c->s.config.classes[0] + c->s.config.classes[1];
    char path[64];
    snprintf(path, sizeof path, "/%s/marginals", c->model);
    double *theirs = fixture_doubles(c->expected, path, NULL);
    double *ours = device_doubles((subject *)&c->s, logits, sequences * (int64_t)classes,
                                  c->s.backend->statistic_size);
    int absent = 0; /* classes without a lineage: -1e30 in both */
    for (int32_t i = 0; i < sequences * classes; ++i)
        if (theirs[i] < -1e29) {
            assert_true(ours[i] < -9e29);
            ours[i] = theirs[i] = 0.0;
            absent++;
        }
    assert_true(absent >= sequences);
    check(c, "marginals", ours, theirs, sequences * (int64_t)classes);
    free(ours);
    free(theirs);
}

static void check_loss(cell *c)
{
    dt_update_state state;
    double *levels = fixture_doubles(c->s.file, "/batch/level_weights", NULL);
    double *total = expected_row(c, "loss");
    double *by_rank = expected_row(c, "loss_by_rank");
    const dt_update_rule idle = {.total_steps = 1, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8};
    c->s.backend->ops->update(c->s.backend, dt_model_params(c->s.model)->trained, &idle);
    c->s.backend->ops->state_read(c->s.backend, &state);
    for (int32_t r = 0; r < c->s.config.tax_ranks; ++r)
        by_rank[r] *= levels[r];
    check(c, "loss", &state.loss, total, 1);
    check(c, "loss by rank", state.loss_sum, by_rank, c->s.config.tax_ranks);
    free(levels);
    free(total);
    free(by_rank);
}

/* Tensors stand in the order of the matrix fixture's attribute. */
static void check_gradients(cell *c)
{
    double *row = expected_row(c, "gradient");
    char *order = fixture_text(c->s.file, "order");
    char *rest = NULL;
    int64_t at = 0;
    for (char *name = strtok_r(order, "\n", &rest); name; name = strtok_r(NULL, "\n", &rest)) {
        const dt_param_spec *spec = dt_params_find(dt_model_params(c->s.model), name);
        double *ours = vector_doubles(&c->s, DT_GRADIENTS, spec);
        check(c, name, ours, row + at, spec->count);
        at += spec->count;
        free(ours);
    }
    assert_true(at > 200);
    free(order);
    free(row);
}

static void compare(cell *c)
{
    dt_backend *backend = c->s.backend;
    int32_t *tokens, *cu_seqlens, *labels;
    dt_batch batch = read_batch(&c->s, &tokens, &cu_seqlens, &labels);
    void *weights = weigh(c, &batch);
    const dt_loss loss = {
        .classes = *dt_model_classes(c->s.model), .type = DT_LOSS_LINEAGE, .class_weight = weights};
    subject_reset(&c->s);
    backend->ops->gradients_zero(backend);
    const dt_device_batch *on_device = backend->ops->batch_upload(backend, &batch);
    const void *logits = dt_model_forward(c->s.model, on_device, true);
    check_marginals(c, logits, batch.sequences);
    ASSERT_OK(dt_model_backward(c->s.model, on_device, &loss, NULL, NULL));
    check_gradients(c);
    check_loss(c);
    backend->ops->free(backend, weights);
    free(tokens);
    free(cu_seqlens);
    free(labels);
}

static void marginals_loss_and_gradients_equal_pytorch(void **state)
{
    (void)state;
    for (size_t p = 0; p < sizeof precisions / sizeof *precisions; ++p)
        for (size_t m = 0;
             dt_module_present(precisions[p].backend) && m < sizeof models / sizeof *models; ++m) {
            cell c = {.p = p, .model = models[m], .expected = fixture_open("lineage")};
            char path[64];
            int64_t count;
            dt_lineage_tree tree;
            c.s.file = fixture_open(models[m]);
            c.s.config = fixture_config(c.s.file);
            c.s.lineages = &tree;
            snprintf(path, sizeof path, "/%s/lineages", models[m]);
            int32_t *lineages = fixture_ints(c.expected, path, &count);
            const int32_t ranks = c.s.config.tax_ranks;
            ASSERT_OK(dt_lineage_tree_build(&tree, lineages, count / ranks, ranks));
            subject_place(&c.s, precisions[p].backend,
                          &(dt_backend_options){.threads = 1, .precision = DT_PRECISION_FP32},
                          ROOM);
            for (int weighted = 0; weighted < 2; ++weighted) {
                c.weighted = weighted;
                compare(&c);
            }
            subject_close(&c.s);
            H5Fclose(c.expected);
            dt_lineage_tree_free(&tree);
            free(lineages);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(marginals_loss_and_gradients_equal_pytorch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
