/* The description of a checkpoint has the blocks, keys and numbers of the published tutorial. */
#include "unit/io/io_test.h"

#include <jansson.h>

#include "run/describe.h"
#include "published_sizes.h"

static dt_run published(void)
{
    static const int32_t classes[] = {2, 129, 349, 997, 2250, 7287, 16909};
    static const char *const rank[] = {"domain", "phylum", "class",  "order",
                                       "family", "genus",  "species"};
    dt_run c = {.config = published_sizes()};
    c.config.vocabulary = 4096;
    c.config.tax_ranks = 7;
    c.taxonomy.tax_ranks = 7;
    for (int r = 0; r < 7; ++r) {
        c.config.classes[r] = classes[r];
        c.taxonomy.rank[r].name = (char *)rank[r];
        c.taxonomy.rank[r].classes = classes[r];
    }
    c.settings = (dt_run_settings){
        .run_uuid = "2026_04_29T02_08_53_a9efd989_bf0d_4ea8_ae66_88a027005ab3",
        .seed = 42,
        .epochs = 10,
        .batch_size = 64,
        .accum_steps = 1,
        .learning_rate = 5e-4,
        .rule = {.learning_rate = 5e-4,
                 .beta1 = 0.9,
                 .beta2 = 0.999,
                 .eps = 1e-8,
                 .weight_decay = 0.01,
                 .total_steps = 34670},
        .total_sequences = 277336,
        .training_sequences = 221868,
        .validation_sequences = 55468,
        .fasta_file = "data/greengenes/gg_2024_09_training.fna.gz",
        .taxonomy_file = "data/greengenes/gg_2024_09_training.tsv.gz",
        .tokenizer_name = "zhihan1996/DNABERT-2-117M",
        .device = "NVIDIA A40",
        .precision = "bf16",
        .world_size = 1,
        .gpu = true,
    };
    c.progress = (dt_run_progress){.epoch = 10,
                                   .training_time = 842.550651,
                                   .evaluation_time = 52.981471,
                                   .training_loss = 0.25,
                                   .validation_loss = NAN};
    c.parameters = 76365205;
    c.has_optimizer = true;
    return c;
}

static void every_line_of_the_published_description_is_there(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "Checkpoint: run/model.h5",
        "Model Details:",
        "run-uuid: 2026_04_29T02_08_53_a9efd989_bf0d_4ea8_ae66_88a027005ab3",
        "model-type: hybridcnnbert",
        "tokenizer: zhihan1996/DNABERT-2-117M",
        "epoch: 10",
        "total-parameters: 76,365,205",
        "optimizer-state: yes",
        "max-length: 512",
        "embed-dim: 896",
        "num-filters: 256",
        "kernel-sizes: [3, 5, 7]",
        "num-conv-layers: 1",
        "hidden-size: 896",
        "num-hidden-layers: 4",
        "num-attention-heads: 7",
        "intermediate-size: 3,584",
        "hidden-dropout-prob: 0.2",
        "output-attentions: 0",
        "Training Hyperparameters:",
        "learning-rate: 0.0005",
        "batch-size: 64",
        "target-epochs: 10",
        "level-weights: [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]",
        "optimizer: {'lr': 0.0005, 'betas': [0.9, 0.999], 'eps': 1e-08, 'weight_decay': 0.01}",
        "scheduler-steps: 34,670",
        "Dataset Info:",
        "total-sequences: 277,336",
        "training: 221,868",
        "validation: 55,468",
        "fasta-file: data/greengenes/gg_2024_09_training.fna.gz",
        "taxonomy-file: data/greengenes/gg_2024_09_training.tsv.gz",
        "Taxonomic Levels:",
        "Level 0 - domain: 2 labels",
        "Level 6 - species: 16909 labels",
        "Timing:",
        "training-time: 842.550651 seconds",
        "evaluation-time: 52.981471 seconds",
        "System Info:",
        "cuda: Available",
        "gpu: NVIDIA A40",
    };
    const dt_run checkpoint = published();
    dt_text text = {0};
    ASSERT_OK(dt_describe_text(&text, &checkpoint, "run/model.h5", "0.1.0"));
    const char *from = text.data; /* in this order, each a line of its own */
    for (size_t i = 0; i < sizeof lines / sizeof *lines; ++i) {
        const char *at = strstr(from, lines[i]);
        if (!at || at[strlen(lines[i])] != '\n' || (at[-1] != '\n' && at[-1] != ' ')) {
            fail_msg("'%s' is not where it should be in\n%s", lines[i], text.data);
            break;
        }
        from = at;
    }
    dt_text_free(&text);
}

static json_t *export_of(const dt_run *checkpoint)
{
    dt_output out;
    ASSERT_OK(dt_output_begin(&out, "metrics.json"));
    ASSERT_OK(dt_describe_json(&out, checkpoint, "run/model.h5", "0.1.0"));
    ASSERT_OK(dt_output_commit(&out));
    json_t *root = json_load_file("metrics.json", JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(root);
    return root;
}

static void the_export_says_the_same(void **state)
{
    (void)state;
    const dt_run checkpoint = published();
    json_t *root = export_of(&checkpoint);
    const json_t *details = json_object_get(root, "model_details");
    assert_int_equal(json_integer_value(json_object_get(details, "total_parameters")), 76365205);
    assert_int_equal(json_integer_value(json_object_get(details, "current_epoch")), 10);
    assert_true(json_is_true(json_object_get(details, "optimizer_state")));
    const json_t *performance = json_object_get(root, "performance_metrics");
    assert_true(json_real_value(json_object_get(performance, "training_loss")) == 0.25);
    assert_true(json_is_null(json_object_get(performance, "validation_loss")));
    assert_true(json_is_null(json_object_get(performance, "validation_metrics")));
    json_decref(root);
}

static double real_at(const json_t *object, const char *key)
{
    return json_real_value(json_object_get(object, key));
}

/* Under the names of the metrics and under those of DeepTaxa's own export. */
static void both_names_of_a_value_are_exported(void **state)
{
    (void)state;
    const dt_run checkpoint = published();
    json_t *root = export_of(&checkpoint);
    const json_t *details = json_object_get(root, "model_details");
    assert_string_equal(json_string_value(json_object_get(details, "tokenizer")),
                        "zhihan1996/DNABERT-2-117M");
    assert_string_equal(json_string_value(json_object_get(details, "run_uuid")),
                        checkpoint.settings.run_uuid);
    assert_int_equal(json_integer_value(json_object_get(details, "epoch")), 10);
    assert_true(real_at(details, "hidden_dropout_prob") == 0.2);
    assert_true(json_is_false(json_object_get(details, "output_attentions")));
    const json_t *training = json_object_get(root, "training_hyperparameters");
    assert_true(json_equal(json_object_get(training, "optimizer"),
                           json_object_get(training, "optimizer_summary")));
    assert_true(real_at(json_object_get(training, "optimizer"), "eps") == 1e-8);
    const json_t *timing = json_object_get(root, "timing");
    assert_true(real_at(timing, "training_time") == 842.550651);
    assert_true(real_at(timing, "evaluation_time") == 52.981471);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(root, "system_info"), "cuda")),
        "Available");
    json_decref(root);
}

static void the_last_evaluation_is_told(void **state)
{
    (void)state;
    dt_run checkpoint = published();
    checkpoint.progress.validation_loss = 0.5;
    checkpoint.progress.evaluated_epoch = 8;
    checkpoint.progress.metrics[6] =
        (dt_metrics){.accuracy = 0.75, .precision = 0.5, .recall = 0.25, .f1 = 0.125};
    json_t *root = export_of(&checkpoint);
    const json_t *performance = json_object_get(root, "performance_metrics");
    assert_int_equal(json_integer_value(json_object_get(performance, "evaluated_epoch")), 8);
    const json_t *measures = json_object_get(performance, "validation_metrics");
    assert_int_equal(json_object_size(measures), 7);
    const json_t *species = json_object_get(measures, "6");
    assert_true(real_at(species, "accuracy") == 0.75);
    assert_true(real_at(species, "precision") == 0.5);
    assert_true(real_at(species, "recall") == 0.25);
    assert_true(real_at(species, "f1_score") == 0.125);
    json_decref(root);
    dt_text text = {0};
    ASSERT_OK(dt_describe_text(&text, &checkpoint, "run/model.h5", "0.1.0"));
    assert_non_null(strstr(text.data, "  evaluated-epoch: 8\n"));
    assert_non_null(strstr(text.data, "  validation-loss: 0.5\n"));
    assert_non_null(strstr(text.data, "  Level 6 - species: accuracy 0.7500, precision 0.5000, "
                                      "recall 0.2500, F1 0.1250\n"));
    dt_text_free(&text);
}

static void parts_that_a_model_lacks_have_no_sizes(void **state)
{
    (void)state;
    dt_run checkpoint = published();
    checkpoint.config.type = DT_MODEL_BERT;
    json_t *root = export_of(&checkpoint);
    const json_t *details = json_object_get(root, "model_details");
    assert_true(json_is_null(json_object_get(details, "kernel_sizes")));
    assert_true(json_is_null(json_object_get(details, "num_filters")));
    assert_int_equal(json_integer_value(json_object_get(details, "hidden_size")), 896);
    json_decref(root);
    dt_text text = {0};
    ASSERT_OK(dt_describe_text(&text, &checkpoint, "run/model.h5", "0.1.0"));
    assert_null(strstr(text.data, "kernel-sizes"));
    assert_non_null(strstr(text.data, "hidden-size: 896"));
    dt_text_free(&text);
}

static void the_system_has_a_gpu_or_none(void **state)
{
    (void)state;
    dt_run checkpoint = published();
    for (int gpu = 0; gpu < 2; ++gpu) {
        checkpoint.settings.gpu = gpu;
        json_t *root = export_of(&checkpoint);
        const json_t *system = json_object_get(root, "system_info");
        assert_int_equal(json_object_size(system), 6);
        assert_int_equal(json_is_true(json_object_get(system, "cuda_available")), gpu);
        if (gpu)
            assert_string_equal(json_string_value(json_object_get(system, "gpu")), "NVIDIA A40");
        else
            assert_true(json_is_null(json_object_get(system, "gpu")));
        assert_string_equal(json_string_value(json_object_get(system, "device")), "NVIDIA A40");
        assert_string_equal(json_string_value(json_object_get(system, "precision")), "bf16");
        assert_int_equal(json_integer_value(json_object_get(system, "world_size")), 1);
        json_decref(root);
    }
}

static void the_tensors_have_all_parameters(void **state)
{
    (void)state;
    dt_run checkpoint = published();
    dt_text text = {0};
    int64_t parameters = 0;
    ASSERT_OK(dt_describe_tensors(&text, &checkpoint));
    assert_non_null(strstr(text.data, "\n  embedding.weight: [4096, 896]\n"));
    assert_non_null(strstr(text.data, "\n  conv_stacks.0.0.0.weight: [256, 896, 3]\n"));
    for (const char *at = text.data; (at = strchr(at, '[')); ++at) {
        int64_t count = 1;
        for (char *end = (char *)at; *end != ']';)
            count *= strtoll(end + 1, &end, 10);
        parameters += count;
    }
    assert_int_equal(parameters, 76365205);
    dt_text_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tensors_have_all_parameters),
        cmocka_unit_test(every_line_of_the_published_description_is_there),
        cmocka_unit_test(the_export_says_the_same),
        cmocka_unit_test(both_names_of_a_value_are_exported),
        cmocka_unit_test(the_last_evaluation_is_told),
        cmocka_unit_test(parts_that_a_model_lacks_have_no_sizes),
        cmocka_unit_test(the_system_has_a_gpu_or_none),
    };
    return cmocka_run_group_tests_name("describe", tests, enter_folder, leave_folder);
}
