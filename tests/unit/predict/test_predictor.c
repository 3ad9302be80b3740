/* Streaming prediction with a tiny model on the CPU: order, values, and errors of every stage. */
#include "predictor_test.h"

#define MOST_BATCH 64

static dt_backend *backend;
static dt_model *model;
static dt_tokenizer *tokenizer;
static dt_taxonomy taxonomy;

static dt_predictor predictor_for(collected *c, int32_t batch_size, int threads)
{
    return small_predictor(model, tokenizer, c, batch_size, threads);
}

static int set_up(void **state)
{
    if (enter_folder(state) != 0)
        return -1;
    const dt_backend_options options = {.threads = 1, .precision = DT_PRECISION_FP32};
    ASSERT_OK(dt_backend_open("cpu", &options, &backend));
    tokenizer = small_tokenizer();
    taxonomy = small_taxonomy();
    model = small_model(backend, MOST_BATCH, (int64_t)MOST_BATCH * MAX_LENGTH, VOCABULARY);
    write_sequences("in.fasta");
    return 0;
}

static int tear_down(void **state)
{
    dt_model_destroy(model);
    backend->ops->destroy(backend);
    dt_tokenizer_destroy(tokenizer);
    dt_taxonomy_free(&taxonomy);
    return leave_folder(state);
}

static void results_do_not_depend_on_batch_size_or_threads(void **state)
{
    (void)state;
    static collected one;
    static collected other;
    int64_t sequences;
    dt_predictor predictor = predictor_for(&one, 1, 1);
    ASSERT_OK(predict_file(&predictor, "in.fasta", &sequences));
    assert_int_equal(sequences, SEQUENCES);
    const int32_t batches[] = {1, 7, 64};
    for (int b = 0; b < 3; ++b) {
        for (int threads = 1; threads <= 3; threads += 2) {
            predictor = predictor_for(&other, batches[b], threads);
            ASSERT_OK(predict_file(&predictor, "in.fasta", &sequences));
            assert_int_equal(sequences, SEQUENCES);
            assert_int_equal(other.count, SEQUENCES);
            assert_int_equal(other.largest_batch, batches[b]);
            for (int i = 0; i < SEQUENCES; ++i) {
                char id[32];
                snprintf(id, sizeof id, "s%03d", i);
                assert_string_equal(other.id[i], id);
                assert_int_equal(other.length[i], 1 + i * 37 % 60);
                for (int r = 0; r < TAX_RANKS; ++r) {
                    const dt_prediction *p = &other.prediction[i][r];
                    assert_int_equal(p->label, one.prediction[i][r].label);
                    assert_near(p->confidence, one.prediction[i][r].confidence);
                    assert_near(p->entropy, one.prediction[i][r].entropy);
                }
            }
        }
    }
}

/* The same without the pipeline: one sequence, its logits, and the softmax computed here. */
static void results_are_the_softmax_of_the_models_logits(void **state)
{
    (void)state;
    static collected c;
    const dt_predictor predictor = predictor_for(&c, 64, 2);
    ASSERT_OK(predict_file(&predictor, "in.fasta", NULL));
    dt_encoder *encoder;
    dt_fasta *input;
    dt_fasta_record record = {0};
    ASSERT_OK(dt_encoder_create(&encoder, tokenizer));
    ASSERT_OK(dt_fasta_open(&input, "in.fasta"));
    for (int i = 0; i < SEQUENCES; ++i) {
        bool found;
        const uint16_t *tokens;
        int32_t ids[MAX_LENGTH];
        int32_t cu[2] = {0, 0};
        float logits[8];
        ASSERT_OK(dt_fasta_next(input, &record, &found));
        if (i % 5 == 0) /* these need normalising; the others are compared unchanged */
            continue;
        ASSERT_OK(dt_encoder_encode(encoder, record.sequence.data, record.sequence.length,
                                    MAX_LENGTH, &tokens, &cu[1]));
        for (int t = 0; t < cu[1]; ++t)
            ids[t] = tokens[t];
        const dt_batch batch = {
            .sequences = 1, .tax_ranks = TAX_RANKS, .token_ids = ids, .cu_seqlens = cu};
        const dt_device_batch *device = backend->ops->batch_upload(backend, &batch);
        backend->ops->download(backend, logits, dt_model_forward(model, device, false),
                               sizeof logits);
        for (int r = 0; r < TAX_RANKS; ++r) {
            const float *z = logits + (r ? 3 : 0);
            const int classes = r ? 5 : 3;
            int best = 0;
            double sum = 0.0;
            double entropy = 0.0;
            for (int k = 0; k < classes; ++k) {
                sum += exp((double)z[k]);
                best = z[k] > z[best] ? k : best;
            }
            for (int k = 0; k < classes; ++k)
                entropy -= exp((double)z[k]) / sum * log(exp((double)z[k]) / sum);
            assert_int_equal(c.prediction[i][r].label, best);
            assert_near(c.prediction[i][r].confidence, (float)(exp((double)z[best]) / sum));
            assert_near(c.prediction[i][r].entropy, (float)entropy);
        }
    }
    dt_fasta_record_free(&record);
    dt_fasta_close(input);
    dt_encoder_destroy(encoder);
}

/* Lineages none of which equals the independent labels of all sequences. */
static void consistent_lineages_are_those_of_the_tree_in_any_batch(void **state)
{
    (void)state;
    static const int32_t lineages[] = {0, 1, 1, 0, 2, 4};
    static collected alone;
    static collected c;
    dt_lineage_tree tree;
    int changed = 0;
    ASSERT_OK(dt_lineage_tree_build(&tree, lineages, 3, TAX_RANKS));
    dt_predictor predictor = predictor_for(&alone, 64, 1);
    ASSERT_OK(predict_file(&predictor, "in.fasta", NULL));
    assert_false(alone.has_independent || alone.has_logits);
    for (int32_t batch = 7; batch <= 64; batch += 57) {
        predictor = predictor_for(&c, batch, 3);
        predictor.lineage = DT_LINEAGE_CONSISTENT;
        predictor.lineages = &tree;
        predictor.logits = true;
        ASSERT_OK(predict_file(&predictor, "in.fasta", NULL));
        assert_int_equal(c.count, SEQUENCES);
        for (int i = 0; i < SEQUENCES; ++i) {
            const float *z = c.logits[i];
            int best = 0;
            for (int k = 1; k < 3; ++k)
                if (z[lineages[2 * k]] + z[3 + lineages[2 * k + 1]] >
                    z[lineages[2 * best]] + z[3 + lineages[2 * best + 1]])
                    best = k;
            for (int r = 0; r < TAX_RANKS; ++r) {
                assert_int_equal(c.independent[i][r], alone.prediction[i][r].label);
                assert_int_equal(c.prediction[i][r].label, lineages[2 * best + r]);
                changed += c.prediction[i][r].label != c.independent[i][r];
            }
        }
    }
    assert_true(changed > 0);
    dt_lineage_tree_free(&tree);
}

/* A second model with other parameters, on a backend of its own. */
static void an_ensemble_of_two_models_averages_their_probabilities(void **state)
{
    (void)state;
    static collected one;
    static collected two;
    static collected both;
    const dt_backend_options options = {.threads = 1, .precision = DT_PRECISION_FP32};
    dt_backend *second;
    dt_pool *pool;
    dt_truth truth;
    ASSERT_OK(dt_backend_open("cpu", &options, &second));
    dt_model *another =
        small_model(second, MOST_BATCH, (int64_t)MOST_BATCH * MAX_LENGTH, VOCABULARY);
    ASSERT_OK(dt_pool_create(&pool, 1));
    ASSERT_OK(dt_params_init(dt_model_params(another), second, 43, pool));
    dt_pool_destroy(pool);
    write_text("ensemble.tsv", "sequence_id\tgenus\tspecies\ns001\tVibrio\tcholerae\n");
    ASSERT_OK(dt_truth_read(&truth, &taxonomy, "ensemble.tsv"));
    dt_predictor predictor = predictor_for(&one, 64, 1);
    predictor.truth = &truth; /* makes the predictor return probabilities, here of all classes */
    ASSERT_OK(predict_file(&predictor, "in.fasta", NULL));
    predictor.model = another;
    predictor.context = &two;
    ASSERT_OK(predict_file(&predictor, "in.fasta", NULL));
    const dt_ensemble_member other[] = {{.model = another}};
    predictor = predictor_for(&both, 7, 3);
    predictor.truth = &truth;
    predictor.others = 1;
    predictor.other = other;
    ASSERT_OK(predict_file(&predictor, "in.fasta", NULL));
    assert_int_equal(both.count, SEQUENCES);
    int differ = 0;
    for (int i = 0; i < SEQUENCES; ++i) {
        for (int k = 0; k < COLUMNS; ++k)
            assert_near(both.probability[i][k],
                        (one.probability[i][k] + two.probability[i][k]) / 2);
        for (int r = 0; r < TAX_RANKS; ++r) {
            const dt_prediction *p = &both.prediction[i][r];
            const float *mean = both.probability[i] + (r ? 3 : 0);
            for (int k = 0; k < (r ? 5 : 3); ++k)
                assert_true(mean[k] <= p->confidence);
            assert_true(mean[p->label] == p->confidence);
            differ += fabsf(p->confidence - one.prediction[i][r].confidence) > 1e-3f;
        }
    }
    assert_true(differ > 0);
    dt_truth_free(&truth);
    dt_model_destroy(another);
    second->ops->destroy(second);
}

static void a_higher_temperature_lowers_confidence_and_keeps_labels(void **state)
{
    (void)state;
    static collected plain;
    static collected warm;
    const double temperature[TAX_RANKS] = {1.0, 3.0};
    dt_predictor predictor = predictor_for(&plain, 64, 1);
    ASSERT_OK(predict_file(&predictor, "in.fasta", NULL));
    predictor = predictor_for(&warm, 64, 1);
    predictor.temperature = temperature;
    ASSERT_OK(predict_file(&predictor, "in.fasta", NULL));
    for (int i = 0; i < SEQUENCES; ++i) {
        assert_near(warm.prediction[i][0].confidence, plain.prediction[i][0].confidence);
        assert_int_equal(warm.prediction[i][1].label, plain.prediction[i][1].label);
        assert_true(warm.prediction[i][1].confidence < plain.prediction[i][1].confidence);
    }
}

static void sequences_are_normalised_only_on_request(void **state)
{
    (void)state;
    static collected c;
    write_text("lower.fasta", ">a\nac-gu.ACGT\n>b\nACGTACGT\n");
    dt_predictor predictor = predictor_for(&c, 8, 1);
    ASSERT_OK(predict_file(&predictor, "lower.fasta", NULL));
    assert_int_equal(c.length[0], 8);
    assert_near(c.prediction[0][0].confidence, c.prediction[1][0].confidence);
    predictor = predictor_for(&c, 8, 1);
    predictor.normalize = false;
    ASSERT_OK(predict_file(&predictor, "lower.fasta", NULL));
    assert_int_equal(c.length[0], 10);
    assert_true(fabsf(c.prediction[0][0].confidence - c.prediction[1][0].confidence) > 1e-5f);
}

static void true_labels_reach_the_classifier(void **state)
{
    (void)state;
    static collected c;
    dt_truth truth;
    write_text("pair.fasta", ">a\nACGTACGT\n>b\nACGTACGT\n>c\nACGTACGT\n");
    write_text("pair.tsv", "sequence_id\tgenus\tspecies\n"
                           "a\tBacillus\tsubtilis\nb\tNovus\tsubtilis\nc\tListeria\tinnocua\n");
    ASSERT_OK(dt_truth_read(&truth, &taxonomy, "pair.tsv"));
    dt_predictor predictor = predictor_for(&c, 8, 1);
    predictor.truth = &truth;
    ASSERT_OK(predict_file(&predictor, "pair.fasta", NULL));
    const int best = c.prediction[0][0].label;
    assert_int_equal(c.prediction[0][0].better == 0, best == 0);
    assert_int_equal(c.prediction[1][0].better, -1); /* the model does not know Novus */
    assert_int_equal(c.prediction[2][0].better == 0, best == 1);
    assert_true(c.prediction[0][1].better >= 0 && c.prediction[0][1].better < 5);

    /* the probabilities of all classes are returned for the metrics */
    assert_true(c.has_probability);
    for (int i = 0; i < 3; ++i) {
        float sum[TAX_RANKS] = {0};
        for (int k = 0; k < COLUMNS; ++k)
            sum[k >= 3] += c.probability[i][k];
        for (int r = 0; r < TAX_RANKS; ++r) {
            const dt_prediction *p = &c.prediction[i][r];
            assert_near(sum[r], 1.0f);
            assert_near(c.probability[i][(r ? 3 : 0) + p->label], p->confidence);
        }
    }
    dt_truth_free(&truth);
}

#define DIFFERENT 20 /* sequences of write_repeats() */

/* Sequences of write_sequences() in an order in which they repeat, soon or late; the first eight are a
 * batch of copies. Identical sequences have two species and a genus that the model does not know. */
static void write_repeats(void)
{
    static const char *const species[] = {"Vibrio\tcholerae", "Bacillus\tsubtilis",
                                          "Novus\tsubtilis"};
    FILE *fasta = fopen("repeats.fasta", "w");
    FILE *table = fopen("repeats.tsv", "w");
    uint32_t bits = 5;
    assert_true(fasta && table);
    fputs("sequence_id\tgenus\tspecies\n", table);
    for (int i = 0; i < SEQUENCES - 1; ++i) {
        bits = bits * 1664525u + 1013904223u;
        const int which = i < 8 ? 3 : (int)((bits >> 16) % DIFFERENT);
        uint32_t base = (uint32_t)which;
        fprintf(fasta, ">s%03d\n", i);
        for (int k = 0; k < 20 + which; ++k) {
            base = base * 1664525u + 1013904223u;
            fputc((i % 2 ? "ACGT" : "acgu")[base >> 30], fasta);
        }
        fputc('\n', fasta);
        fprintf(table, "s%03d\t%s\n", i, species[i % 3]);
    }
    fclose(fasta);
    fclose(table);
}

static void assert_same_bits(const collected *a, const collected *b)
{
    assert_int_equal(a->count, b->count);
    for (int i = 0; i < a->count; ++i)
        assert_string_equal(a->id[i], b->id[i]);
    assert_memory_equal(a->prediction, b->prediction, sizeof a->prediction);
    assert_memory_equal(a->probability, b->probability, sizeof a->probability);
    assert_memory_equal(a->independent, b->independent, sizeof a->independent);
    assert_memory_equal(a->embedding, b->embedding, sizeof a->embedding);
}

/* With a table for all, and with one of eight slots, in which sequences replace each other. */
static void identical_sequences_are_computed_once_and_get_equal_bits(void **state)
{
    (void)state;
    static const int32_t lineages[] = {0, 1, 1, 0, 2, 4};
    static collected without;
    static collected with;
    dt_lineage_tree tree;
    dt_truth truth;
    write_repeats();
    ASSERT_OK(dt_truth_read(&truth, &taxonomy, "repeats.tsv"));
    ASSERT_OK(dt_lineage_tree_build(&tree, lineages, 3, TAX_RANKS));
    for (int labelled = 0; labelled < 2; ++labelled)
        for (int batch = 0; batch < 3; ++batch)
            for (int memory = 0; memory < 3; ++memory) {
                dt_predictor predictor =
                    predictor_for(memory ? &with : &without, (int32_t[]){1, 8, 64}[batch], 3);
                dt_predictor_counts counts;
                dt_fasta *input;
                predictor.truth = labelled ? &truth : NULL;
                predictor.lineage = labelled ? DT_LINEAGE_CONSISTENT : DT_LINEAGE_INDEPENDENT;
                predictor.lineages = labelled ? &tree : NULL;
                predictor.embeddings = true;
                predictor.repeats_memory = (int64_t[]){0, 1, 1 << 20}[memory];
                ASSERT_OK(dt_fasta_open(&input, "repeats.fasta"));
                ASSERT_OK(dt_predictor_run(&predictor, input, &counts));
                dt_fasta_close(input);
                const int once = SEQUENCES - 1 - (labelled ? 3 : 1) * DIFFERENT;
                assert_int_equal(counts.predicted, SEQUENCES - 1);
                if (memory == 1)
                    assert_in_range(counts.repeated, 5, once - 1);
                else
                    assert_in_range(counts.repeated, memory ? once : 0, memory ? once + 10 : 0);
                if (memory)
                    assert_same_bits(&with, &without);
                assert_true(without.has_embedding && without.has_independent == labelled);
            }
    dt_truth_free(&truth);
    dt_lineage_tree_free(&tree);
}

/* The CPU computes at most as many tokens at a time as are faster, or one longer sequence; a GPU
 * computes as many as the batch may have. */
static void a_micro_batch_on_the_cpu_is_limited(void **state)
{
    (void)state;
    const dt_backend host = {.host_memory = true};
    const dt_backend gpu = {.host_memory = false};
    const dt_model_config usual = {.max_length = 512};
    const dt_model_config longest = {.max_length = 65536};
    const dt_model_config bag = {.type = DT_MODEL_KMER, .max_length = 512};
    assert_int_equal(dt_predictor_max_tokens(&host, &usual, 8), 8 * 512);
    assert_int_equal(dt_predictor_max_tokens(&host, &usual, 64), 8192);
    assert_int_equal(dt_predictor_max_tokens(&host, &longest, 1048576), 65536);
    assert_int_equal(dt_predictor_max_tokens(&host, &bag, 64), 64 * 512);
    assert_int_equal(dt_predictor_max_tokens(&gpu, &usual, 64), 64 * 512);
}

static void errors_of_every_stage_end_the_prediction(void **state)
{
    (void)state;
    static collected c;
    dt_predictor predictor = predictor_for(&c, 3, 2);
    write_text("bad.fasta", ">a\nACGT\n>b\nACGT\n>c\nACGT\n>d\nACGT\n>e\n>f\nACGT\n");
    ASSERT_FAILS(DT_ERR_INPUT, "bad.fasta: line 9", predict_file(&predictor, "bad.fasta", NULL));

    predictor = predictor_for(&c, 3, 2);
    write_text("gaps.fasta", ">a\nACGT\n>b\n-.-\n");
    ASSERT_FAILS(DT_ERR_INPUT, "the sequence of 'b' consists of gap characters only",
                 predict_file(&predictor, "gaps.fasta", NULL));

    predictor = predictor_for(&c, 3, 2);
    c.fail_at = 10;
    ASSERT_FAILS(DT_ERR_IO, "the sink is full", predict_file(&predictor, "in.fasta", NULL));
    assert_true(c.count < SEQUENCES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_do_not_depend_on_batch_size_or_threads),
        cmocka_unit_test(results_are_the_softmax_of_the_models_logits),
        cmocka_unit_test(consistent_lineages_are_those_of_the_tree_in_any_batch),
        cmocka_unit_test(an_ensemble_of_two_models_averages_their_probabilities),
        cmocka_unit_test(a_higher_temperature_lowers_confidence_and_keeps_labels),
        cmocka_unit_test(sequences_are_normalised_only_on_request),
        cmocka_unit_test(true_labels_reach_the_classifier),
        cmocka_unit_test(identical_sequences_are_computed_once_and_get_equal_bits),
        cmocka_unit_test(a_micro_batch_on_the_cpu_is_limited),
        cmocka_unit_test(errors_of_every_stage_end_the_prediction),
    };
    return cmocka_run_group_tests_name("predictor", tests, set_up, tear_down);
}
