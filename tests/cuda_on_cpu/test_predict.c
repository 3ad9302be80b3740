/* Prediction and evaluation on the CUDA backend: the same results as on the CPU, in input order,
 * with the device's work executed as late as possible (which reveals results that are read before
 * they are waited for), and always one micro-batch ahead. */
#include "unit/predict/predictor_test.h"

#include "eval/evaluate.h"

#define MOST_BATCH 7

static dt_tokenizer *tokenizer;
static dt_taxonomy taxonomy;
static dt_truth truth;

/* ---- a backend and its model ------------------------------------------------------------------
 */

typedef struct {
    dt_backend *backend;
    dt_model *model;
} device;

static device open_device(const char *name, int32_t vocabulary)
{
    const dt_backend_options options = {.threads = 1, .precision = DT_PRECISION_FP32};
    device d;
    ASSERT_OK(dt_backend_open(name, &options, &d.backend));
    d.model = small_model(d.backend, dt_predictor_max_sequences(d.backend, MOST_BATCH),
                          (int64_t)MOST_BATCH * MAX_LENGTH, vocabulary);
    return d;
}

static void close_device(device *d)
{
    dt_model_destroy(d->model);
    d->backend->ops->destroy(d->backend);
}

/* The relevant calls of a backend, in order. U: a batch is uploaded; F: its results are waited
 * for. */
static char calls[1024];
static const dt_backend_ops *real_ops;

static void add_call(char what)
{
    const size_t length = strlen(calls);
    assert_true(length + 1 < sizeof calls);
    calls[length] = what;
    calls[length + 1] = '\0';
}

static const dt_device_batch *noted_upload(dt_backend *backend, const dt_batch *batch)
{
    add_call('U');
    return real_ops->batch_upload(backend, batch);
}

static void noted_finish(dt_backend *backend, int32_t slot)
{
    if (slot % 3 == 0) /* the other slots hold logits and vectors */
        add_call('F');
    real_ops->download_finish(backend, slot);
}

static void note_calls(device *d)
{
    static dt_backend_ops noted;
    real_ops = d->backend->ops;
    noted = *real_ops;
    noted.batch_upload = noted_upload;
    noted.download_finish = noted_finish;
    d->backend->ops = &noted;
    calls[0] = '\0';
}

/* ---- prediction -------------------------------------------------------------------------------
 */

static void write_truth(const char *path)
{
    static const char *const genus[] = {"Bacillus", "Listeria", "Novus"};
    static const char *const species[] = {"subtilis", "innocua", "cereus", "novus"};
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("sequence_id\tgenus\tspecies\n", file);
    for (int i = 0; i < SEQUENCES; ++i)
        fprintf(file, "s%03d\t%s\t%s\n", i, genus[i % 3], species[i % 4]);
    fclose(file);
}

static int set_up(void **state)
{
    if (enter_folder(state) != 0 || setenv("CUDA_ON_CPU_STREAMS", "late", 1) != 0)
        return -1;
    tokenizer = small_tokenizer();
    taxonomy = small_taxonomy();
    write_sequences("in.fasta");
    write_truth("in.tsv");
    ASSERT_OK(dt_truth_read(&truth, &taxonomy, "in.tsv"));
    return 0;
}

static int tear_down(void **state)
{
    dt_truth_free(&truth);
    dt_tokenizer_destroy(tokenizer);
    dt_taxonomy_free(&taxonomy);
    return leave_folder(state);
}

static void assert_same(const collected *a, const collected *b)
{
    assert_int_equal(a->count, b->count);
    for (int i = 0; i < a->count; ++i) {
        char id[32];
        snprintf(id, sizeof id, "s%03d", i);
        assert_string_equal(a->id[i], id);
        assert_int_equal(a->length[i], b->length[i]);
        for (int r = 0; r < TAX_RANKS; ++r) {
            const dt_prediction *p = &a->prediction[i][r];
            assert_int_equal(p->label, b->prediction[i][r].label);
            assert_int_equal(p->better, b->prediction[i][r].better);
            assert_near(p->confidence, b->prediction[i][r].confidence);
            assert_near(p->entropy, b->prediction[i][r].entropy);
            assert_near(p->loss, b->prediction[i][r].loss);
        }
        for (int c = 0; c < COLUMNS; ++c)
            assert_near(a->probability[i][c], b->probability[i][c]);
    }
}

static void predict_all(device *d, collected *c, int32_t batch_size)
{
    dt_predictor predictor = small_predictor(d->model, tokenizer, c, batch_size, 2);
    int64_t sequences;
    predictor.truth = &truth;
    ASSERT_OK(predict_file(&predictor, "in.fasta", &sequences));
    assert_int_equal(sequences, SEQUENCES);
    assert_true(c->has_probability);
}

static void results_equal_the_cpus_in_the_inputs_order(void **state)
{
    (void)state;
    static collected ours;
    static collected theirs;
    device cpu = open_device("cpu", VOCABULARY);
    device cuda = open_device("cuda_on_cpu", VOCABULARY);
    predict_all(&cpu, &theirs, MOST_BATCH);
    assert_int_equal(theirs.largest_batch, MOST_BATCH);
    const int32_t batches[] = {1, 2, 7};
    for (int b = 0; b < 3; ++b) {
        predict_all(&cuda, &ours, batches[b]);
        assert_same(&ours, &theirs);
        assert_int_equal(ours.largest_batch, 8 * batches[b]);
    }
    close_device(&cuda);
    close_device(&cpu);
}

/* Two models on separate backends, with consistent lineages: more sequences per micro-batch, and
 * all logits on the host. */
static void ensembles_and_lineages_equal_the_cpus(void **state)
{
    (void)state;
    static const int32_t lineages[] = {0, 1, 1, 0, 2, 4};
    static const double warm[TAX_RANKS] = {1.5, 0.75};
    static collected result[2];
    static const char *const name[2] = {"cpu", "cuda_on_cpu"};
    dt_lineage_tree tree;
    ASSERT_OK(dt_lineage_tree_build(&tree, lineages, 3, TAX_RANKS));
    for (int k = 0; k < 2; ++k) {
        device first = open_device(name[k], VOCABULARY);
        device second = open_device(name[k], VOCABULARY);
        dt_pool *pool;
        ASSERT_OK(dt_pool_create(&pool, 1));
        ASSERT_OK(dt_params_init(dt_model_params(second.model), second.backend, 43, pool));
        dt_pool_destroy(pool);
        const dt_ensemble_member other[] = {{.model = second.model, .temperature = warm}};
        dt_predictor predictor = small_predictor(first.model, tokenizer, &result[k], 7, 2);
        predictor.truth = &truth;
        predictor.others = 1;
        predictor.other = other;
        predictor.lineage = DT_LINEAGE_CONSISTENT;
        predictor.lineages = &tree;
        predictor.logits = true;
        ASSERT_OK(predict_file(&predictor, "in.fasta", NULL));
        close_device(&second);
        close_device(&first);
    }
    assert_same(&result[1], &result[0]);
    for (int i = 0; i < SEQUENCES; ++i) {
        assert_memory_equal(result[1].independent[i], result[0].independent[i],
                            sizeof result[0].independent[i]);
        for (int c = 0; c < COLUMNS; ++c)
            assert_near(result[1].logits[i][c], result[0].logits[i][c]);
    }
    dt_lineage_tree_free(&tree);
}

/* A second model with the parameters of the first changes no bit. */
static void an_ensemble_of_a_model_with_itself_predicts_its_bits(void **state)
{
    (void)state;
    static collected alone;
    static collected both;
    device first = open_device("cuda_on_cpu", VOCABULARY);
    device second = open_device("cuda_on_cpu", VOCABULARY);
    const dt_ensemble_member other[] = {{.model = second.model}};
    predict_all(&first, &alone, 7);
    dt_predictor predictor = small_predictor(first.model, tokenizer, &both, 7, 2);
    predictor.truth = &truth;
    predictor.others = 1;
    predictor.other = other;
    ASSERT_OK(predict_file(&predictor, "in.fasta", NULL));
    assert_memory_equal(both.prediction, alone.prediction, sizeof alone.prediction);
    assert_memory_equal(both.probability, alone.probability, sizeof alone.probability);
    close_device(&second);
    close_device(&first);
}

/* The sequences of a single job, which need several micro-batches, so that the order of calls is
 * determined. */
static void the_next_micro_batch_starts_before_results_are_waited_for(void **state)
{
    (void)state;
    static collected c;
    device cuda = open_device("cuda_on_cpu", VOCABULARY);
    FILE *file = fopen("long.fasta", "w");
    assert_non_null(file);
    for (int i = 0; i < 10; ++i)
        fprintf(file, ">s%d\nAAAAAAAAAAAAAAAAAAAA\n", i); /* max_length tokens */
    fclose(file);
    const dt_predictor predictor = small_predictor(cuda.model, tokenizer, &c, 3, 1);
    note_calls(&cuda);
    ASSERT_OK(predict_file(&predictor, "long.fasta", NULL));
    assert_int_equal(c.count, 10);
    assert_string_equal(calls, "UUFUFUFF"); /* 3 + 3 + 2 + 2 sequences */
    close_device(&cuda);
}

/* The 60th sequence has a token that is not in the model's vocabulary. */
static void an_error_of_the_device_ends_the_prediction(void **state)
{
    (void)state;
    static collected c;
    const char *const names[] = {"cpu", "cuda_on_cpu"};
    FILE *file = fopen("odd.fasta", "w");
    assert_non_null(file);
    for (int i = 0; i < SEQUENCES; ++i)
        fprintf(file, ">s%03d\n%s\n", i, i == 60 ? "ACGTACGT" : "AATTAATT");
    fclose(file);
    for (int n = 0; n < 2; ++n) {
        device d = open_device(names[n], VOCABULARY - 1);
        const dt_predictor predictor = small_predictor(d.model, tokenizer, &c, 3, 2);
        ASSERT_FAILS(DT_ERR_INTERNAL, "token id 11 is outside",
                     predict_file(&predictor, "odd.fasta", NULL));
        assert_true(c.count <= 60);
        close_device(&d);
    }
}

/* The model can be used again: no work of the first run is pending. */
static void an_error_of_the_sink_or_the_reader_ends_the_prediction(void **state)
{
    (void)state;
    static collected c;
    static collected theirs;
    device cpu = open_device("cpu", VOCABULARY);
    device cuda = open_device("cuda_on_cpu", VOCABULARY);
    predict_all(&cpu, &theirs, MOST_BATCH);
    dt_predictor predictor = small_predictor(cuda.model, tokenizer, &c, 2, 2);
    predictor.truth = &truth;
    c.fail_at = 40;
    ASSERT_FAILS(DT_ERR_IO, "the sink is full", predict_file(&predictor, "in.fasta", NULL));
    assert_true(c.count < SEQUENCES);
    write_text("bad.fasta", ">a\nACGT\n>b\nACGT\n>c\nACGT\n>d\nACGT\n>e\n>f\nACGT\n");
    predictor = small_predictor(cuda.model, tokenizer, &c, 1, 2);
    ASSERT_FAILS(DT_ERR_INPUT, "bad.fasta: line 9", predict_file(&predictor, "bad.fasta", NULL));
    predict_all(&cuda, &c, MOST_BATCH);
    assert_same(&c, &theirs);
    close_device(&cuda);
    close_device(&cpu);
}

/* ---- evaluation -------------------------------------------------------------------------------
 */

/* Evaluates sequences of 1 … MAX_LENGTH + 2 tokens, from a dataset on the stack. */
static void evaluate(dt_evaluation *out, device *d)
{
    enum { COUNT = 30 };
    static uint16_t tokens[COUNT * (MAX_LENGTH + 2)];
    static int64_t offsets[COUNT + 1];
    static int32_t labels[COUNT][TAX_RANKS];
    static int64_t indices[COUNT];
    for (int i = 0; i < COUNT; ++i) {
        const int64_t length = 1 + i * 5 % (MAX_LENGTH + 2);
        offsets[i + 1] = offsets[i] + length;
        for (int64_t t = offsets[i]; t < offsets[i + 1]; ++t)
            tokens[t] = (uint16_t)(5 + t * t % 7);
        labels[i][0] = i % 3;
        labels[i][1] = i % 5;
        indices[i] = COUNT - 1 - i;
    }
    const dt_dataset dataset = {.count = COUNT,
                                .tokens = tokens,
                                .offsets = offsets,
                                .labels = labels[0],
                                .taxonomy = taxonomy,
                                .suffix_count = 1};
    const dt_objective objective = {.classes = *dt_model_classes(d->model),
                                    .level_weight = {1.0, 2.0}};
    dt_batch_memory memory;
    dt_comm *comm;
    ASSERT_OK(dt_comm_single(&comm));
    ASSERT_OK(
        dt_batch_memory_create(&memory, MOST_BATCH, (int64_t)MOST_BATCH * MAX_LENGTH, TAX_RANKS));
    const dt_evaluation_job job = {.model = d->model,
                                   .comm = comm,
                                   .dataset = &dataset,
                                   .indices = indices,
                                   .count = COUNT,
                                   .objective = &objective,
                                   .memory = &memory};
    ASSERT_OK(dt_evaluate(out, &job));
    dt_batch_memory_free(&memory);
    comm->ops->destroy(comm);
}

static void evaluation_equals_the_cpus_and_is_one_micro_batch_ahead(void **state)
{
    (void)state;
    dt_evaluation ours;
    dt_evaluation theirs;
    device cpu = open_device("cpu", VOCABULARY);
    device cuda = open_device("cuda_on_cpu", VOCABULARY);
    evaluate(&theirs, &cpu);
    note_calls(&cuda);
    evaluate(&ours, &cuda);
    assert_string_equal(calls, "UUFUFUFUFF"); /* 4 · 7 + 2 sequences */
    assert_true(theirs.loss > 0.5);
    assert_true(fabs(ours.loss - theirs.loss) < 1e-5);
    for (int r = 0; r < TAX_RANKS; ++r) {
        assert_true(ours.tax_rank[r].accuracy == theirs.tax_rank[r].accuracy);
        assert_true(ours.tax_rank[r].f1 == theirs.tax_rank[r].f1);
    }
    close_device(&cuda);
    close_device(&cpu);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_equal_the_cpus_in_the_inputs_order),
        cmocka_unit_test(ensembles_and_lineages_equal_the_cpus),
        cmocka_unit_test(an_ensemble_of_a_model_with_itself_predicts_its_bits),
        cmocka_unit_test(the_next_micro_batch_starts_before_results_are_waited_for),
        cmocka_unit_test(an_error_of_the_device_ends_the_prediction),
        cmocka_unit_test(an_error_of_the_sink_or_the_reader_ends_the_prediction),
        cmocka_unit_test(evaluation_equals_the_cpus_and_is_one_micro_batch_ahead),
    };
    return cmocka_run_group_tests_name("predict", tests, set_up, tear_down);
}
