/* DeepTaxa files as runs: what is read, and dictionaries with something wrong in them. */
#include <unistd.h>

#include "io/torch_file.h"
#include "pt_test.h"
#include "run/checkpoint.h"
#include "run/run_check.h"
#include "run/settings.h"
#include "run/torch_read.h"
#include "run/torch_tokenizer.h"

static dt_torch_file *open_fixture(const char *name)
{
    char path[256];
    dt_torch_file *file;
    snprintf(path, sizeof path, "tests/fixtures/deeptaxa/%s", name);
    ASSERT_OK(dt_torch_open(&file, path));
    return file;
}

/* The value at a path of keys "a/b/0" below `value`, for the test to change: of dicts by text or
 * int, of lists and tuples by number. */
static dt_pickle_value *at(const dt_pickle_value *value, const char *path)
{
    char key[256];
    while (*path) {
        const size_t length = strcspn(path, "/");
        snprintf(key, sizeof key, "%.*s", (int)length, path);
        path += length + (path[length] == '/');
        const long number = strtol(key, NULL, 10);
        if (value->kind != DT_PICKLE_DICT)
            value = &value->items->value[number];
        else if (dt_pickle_get(value, key))
            value = dt_pickle_get(value, key);
        else
            value = dt_pickle_get_int(value, number);
        assert_non_null(value);
    }
    return (dt_pickle_value *)value;
}

/* Opens a fixture, changes the value at `path` by the statement at the end, which may use `v`, and
 * reads it: it must be refused with a message of one line that contains `part`. */
#define REFUSED(part, fixture, path, ...)                                                          \
    do {                                                                                           \
        dt_torch_file *file_ = open_fixture(fixture);                                              \
        dt_pickle_value *v = at(dt_torch_root(file_), path);                                       \
        dt_run run_ = {0};                                                                         \
        __VA_ARGS__;                                                                               \
        ASSERT_FAILS(DT_ERR_INPUT, part, dt_torch_read_run(file_, &run_));                         \
        assert_null(strchr(dt_error_message(), '\n'));                                             \
        dt_run_free(&run_);                                                                        \
        dt_torch_close(file_);                                                                     \
    } while (0)

#define GONE                                                                                       \
    *v = (dt_pickle_value)                                                                         \
    {                                                                                              \
        .kind = DT_PICKLE_NONE                                                                     \
    }
#define EMPTY_TEXT (&(dt_pickle_value){.kind = DT_PICKLE_TEXT, .text = ""})
#define SHAPE(d) ((dt_torch_tensor *)v->object)->shape[d]

static void run_of_deeptaxa(void **state)
{
    (void)state;
    dt_run run;
    ASSERT_OK(dt_checkpoint_read("tests/fixtures/deeptaxa/resume.pt", &run));
    assert_true(run.of_deeptaxa && run.has_optimizer);
    assert_int_equal(run.config.type, DT_MODEL_HYBRID);
    assert_int_equal(run.config.vocabulary, 80);
    assert_int_equal(run.config.max_length, 96);
    assert_int_equal(run.config.heads, 2);
    assert_int_equal(run.config.kernels, 2);
    assert_int_equal(run.config.width[1], 5);
    assert_int_equal(run.config.classes[2], run.taxonomy.rank[2].classes);
    assert_string_equal(run.taxonomy.rank[0].name, "phylum");
    assert_true(run.config.dropout == 0.0 && !run.config.mask_padding);
    assert_int_equal(run.progress.epoch, 3);
    assert_int_equal(run.progress.micro_steps, 3);
    assert_int_equal(run.progress.update.steps, 3);
    assert_int_equal(run.settings.rule.schedule_start, 0);
    assert_int_equal(run.settings.rule.total_steps, 6);
    assert_true(run.settings.rule.learning_rate == 2e-2 && run.settings.rule.weight_decay == 0.01);
    assert_true(run.settings.val_split == 0.25);
    assert_int_equal(run.split.training_count, 24);
    assert_int_equal(run.split.validation_count, 8);
    assert_int_equal(run.temperatures, 0);
    dt_split again;
    ASSERT_OK(dt_split_create(&again, 32, 0.25, 42)); /* ours is the same */
    assert_memory_equal(run.split.training, again.training, 24 * sizeof *again.training);
    dt_split_free(&again);
    dt_run_free(&run);
    ASSERT_OK(dt_checkpoint_verify("tests/fixtures/deeptaxa/resume.pt"));
}

static void settings_it_lacks(void **state)
{
    (void)state;
    dt_run given = {.settings = {.seed = 7, .batch_size = 1, .eval_every = 3, .accum_steps = 2}};
    dt_run run;
    dt_text list = {0};
    ASSERT_OK(dt_checkpoint_read("tests/fixtures/deeptaxa/resume.pt", &run));
    ASSERT_OK(dt_settings_complete(&run, &given, &list));
    assert_int_equal(run.settings.seed, 7);
    assert_int_equal(run.settings.eval_every, 3);
    assert_int_equal(run.settings.accum_steps, 2);
    assert_int_equal(run.settings.batch_size, 24);
    assert_null(run.unknown);
    assert_non_null(strstr(list.data, "--accum-steps 2 --loss-type cross_entropy --class-weights"));
    dt_text_free(&list);
    dt_run_free(&run);
}

/* Labels have the places of their ids, in whatever order they are listed. */
static void labels_are_placed_by_id(void **state)
{
    (void)state;
    dt_torch_file *file = open_fixture("hybrid.pt");
    dt_pickle_items *ids = at(dt_torch_root(file), "level_label2id/1")->items;
    dt_run run = {0};
    const int64_t first = ids->value[1].integer;
    ids->value[1].integer = ids->value[5].integer;
    ids->value[5].integer = first;
    ASSERT_OK(dt_torch_read_run(file, &run));
    assert_string_equal(run.taxonomy.rank[1].label[2], ids->value[0].text);
    assert_string_equal(run.taxonomy.rank[1].label[0], ids->value[4].text);
    dt_run_free(&run);
    dt_torch_close(file);
}

static void temperatures_and_skipped_updates(void **state)
{
    (void)state;
    dt_torch_file *file = open_fixture("resume.pt");
    dt_run run = {0};
    /* where a calibration goes; here in place of a key that is not read */
    dt_pickle_items *root = dt_torch_root(file)->items;
    for (int64_t i = 0; i < root->count; i += 2)
        if (dt_pickle_is_text(&root->value[i], "session_start_time")) {
            root->value[i].text = "level_temperatures";
            root->value[i].length = 18;
            root->value[i + 1] = *at(dt_torch_root(file), "level_weights");
        }
    at(dt_torch_root(file), "level_weights/1")->number = 1.5;
    at(dt_torch_root(file), "scheduler_state_dict/last_epoch")->integer = 5;
    ASSERT_OK(dt_torch_read_run(file, &run));
    assert_int_equal(run.temperatures, 3);
    assert_true(run.temperature[1] == 1.5 && run.settings.level_weight[1] == 1.5);
    assert_int_equal(run.settings.rule.schedule_start, -2); /* the optimizer skipped two updates */
    ASSERT_OK(dt_run_check(&run, "resume.pt"));
    dt_run_free(&run);
    dt_torch_close(file);
    REFUSED("level_temperatures", "resume.pt", "", {
        for (int64_t i = 0; i < v->items->count; i += 2)
            if (dt_pickle_is_text(&v->items->value[i], "session_start_time")) {
                v->items->value[i].text = "level_temperatures";
                v->items->value[i].length = 18;
            }
    });
}

static void wrong_labels(void **state)
{
    (void)state;
    REFUSED("have the same id", "hybrid.pt", "level_label2id/1",
            v->items->value[3].integer = v->items->value[1].integer);
    REFUSED("are not 0 to", "hybrid.pt", "level_label2id/1", v->items->value[1].integer = 1 << 20);
    REFUSED("are not 0 to", "hybrid.pt", "level_label2id/1", v->items->value[1].integer = -1);
    REFUSED("are not 0 to", "hybrid.pt", "level_label2id/1", v->items->value[0].length -= 1);
    REFUSED("are not 0 to", "hybrid.pt", "level_label2id/1",
            v->items->value[0].text = "Fusi\tbacteri");
    REFUSED("different labels", "hybrid.pt", "level_label2id/1",
            v->items->value[2] = v->items->value[0]);
    REFUSED("classifiers.1.weight has a shape", "hybrid.pt", "level_label2id/1",
            v->items->count -= 2);
    REFUSED("level_label2id", "hybrid.pt", "level_label2id/3", GONE);
    REFUSED("taxonomic_ranks", "hybrid.pt", "taxonomic_ranks", GONE);
    REFUSED("taxonomic_ranks", "hybrid.pt", "taxonomic_ranks", v->items->count = 0);
    REFUSED("taxonomic_ranks", "hybrid.pt", "taxonomic_ranks",
            v->items->value[4] = v->items->value[1]);
    REFUSED("taxonomic_ranks", "hybrid.pt", "taxonomic_ranks/4", v->text = "fam\nly");
    REFUSED("taxonomic_ranks", "hybrid.pt", "taxonomic_ranks/4", *v = *EMPTY_TEXT);
    REFUSED("classifiers.6", "hybrid.pt", "taxonomic_ranks", v->items->count = 6);
}

static void wrong_tensors(void **state)
{
    (void)state;
    REFUSED("no state_dict", "hybrid.pt", "", v->kind = DT_PICKLE_LIST);
    REFUSED("no state_dict", "hybrid.pt", "state_dict", GONE);
    REFUSED("w_cnn is missing", "hybrid.pt", "state_dict/w_cnn", GONE);
    REFUSED("cnn_proj.weight has a shape", "hybrid.pt", "state_dict/cnn_proj.weight", SHAPE(0) = 9);
    REFUSED("lacks: conv_stacks.1", "cnn.pt", "state_dict/conv_stacks.1.0.conv.0.weight", GONE);
    REFUSED("embedding.weight", "cnn.pt", "state_dict/embedding.weight", GONE);
    REFUSED("", "cnn.pt", "state_dict/embedding.weight", SHAPE(0) = INT64_MAX);
    REFUSED("--kernel-sizes", "cnn.pt", "state_dict/conv_stacks.0.0.conv.0.weight", GONE);
    REFUSED("--kernel-sizes 4", "cnn.pt", "state_dict/conv_stacks.0.0.conv.0.weight", SHAPE(2) = 4);
    REFUSED("shape", "onehot.pt", "state_dict/conv_stacks.0.0.conv.0.weight", SHAPE(1) = 5);
}

static void wrong_numbers(void **state)
{
    (void)state;
    REFUSED("model_type is 'lstm'", "hybrid.pt", "model_type", v->text = "lstm");
    REFUSED("model_type is '?[31m??x'", "hybrid.pt", "model_type", v->text = "\033[31m\n\177x");
    REFUSED("encoding", "hybrid.pt", "encoding", v->text = "kmer");
    REFUSED("num_attention_heads", "hybrid.pt", "model_config/bert/num_attention_heads", GONE);
    REFUSED("not divisible", "hybrid.pt", "model_config/bert/num_attention_heads", v->integer = 3);
    REFUSED("--num-attention-heads 0", "hybrid.pt", "model_config/bert/num_attention_heads",
            v->integer = 0);
    REFUSED("num_attention_heads", "bert.pt", "model_config", GONE);
    REFUSED("mask_padding", "cnn.pt", "model_config/mask_padding", v->kind = DT_PICKLE_TUPLE);
    REFUSED("max_length", "cnn.pt", "max_length", v->integer = INT64_MAX);
    REFUSED("max_length", "cnn.pt", "max_length", v->integer = -1);
    REFUSED("hidden_dropout_prob", "cnn.pt", "hidden_dropout_prob", v->number = (double)NAN);
    REFUSED("--hidden-dropout-prob", "cnn.pt", "hidden_dropout_prob", v->number = 1.5);
    REFUSED("epoch", "cnn.pt", "epoch", v->integer = INT64_MAX);
    REFUSED("batch_size", "cnn.pt", "batch_size", v->integer = 0);
    REFUSED("level_weights", "cnn.pt", "level_weights", v->items->count = 2);
    REFUSED("level_weights", "cnn.pt", "level_weights/1", v->number = -0.5);
    REFUSED("accuracy", "cnn.pt", "metrics/2/accuracy", GONE);
}

/* A training in fp16 goes on after a batch whose loss overflows, but its mean loss is infinite. */
static void measures_that_overflowed(void **state)
{
    (void)state;
    dt_torch_file *file = open_fixture("resume.pt");
    dt_run run = {0};
    at(dt_torch_root(file), "current_train_loss")->number = (double)INFINITY;
    at(dt_torch_root(file), "val_loss")->number = (double)NAN;
    ASSERT_OK(dt_torch_read_run(file, &run));
    assert_true(isinf(run.progress.training_loss) && isnan(run.progress.validation_loss));
    dt_run_free(&run);
    dt_torch_close(file);
    REFUSED("val_loss", "resume.pt", "val_loss", v->kind = DT_PICKLE_TUPLE);
}

/* A .pt file for DeepTaxa must name the tokenizer. */
static void tokenizer_without_a_name(void **state)
{
    (void)state;
    dt_torch_file *file = open_fixture("hybrid.pt");
    dt_run run = {0};
    dt_torch_tokenizer tokenizer;
    at(dt_torch_root(file), "tokenizer_name")->kind = DT_PICKLE_NONE;
    ASSERT_OK(dt_torch_read_run(file, &run));
    ASSERT_FAILS(DT_ERR_INPUT, "x.pt: the model does not name its tokenizer",
                 dt_torch_tokenizer_choose(&tokenizer, &run, "x.pt"));
    dt_run_free(&run);
    dt_torch_close(file);
}

static void wrong_training_state(void **state)
{
    (void)state;
    REFUSED("optimizer's state of", "resume.pt", "optimizer_state_dict/state/2/exp_avg_sq", GONE);
    REFUSED("optimizer's state of", "resume.pt", "optimizer_state_dict/state/2/exp_avg",
            SHAPE(0) = 7);
    REFUSED("step", "resume.pt", "optimizer_state_dict/state/2/step", GONE);
    REFUSED("step", "resume.pt", "optimizer_state_dict/state/2/step",
            *v = ((dt_pickle_value){.kind = DT_PICKLE_INT, .integer = 2}));
    REFUSED("each sequence once", "resume.pt", "dataset_split/train_idx/3",
            v->integer = v[1].integer);
    REFUSED("each sequence once", "resume.pt", "dataset_split/val_idx/3", v->integer = INT64_MAX);
    REFUSED("train_idx", "resume.pt", "dataset_split/train_idx", GONE);
    REFUSED("last_epoch", "resume.pt", "scheduler_state_dict/last_epoch", GONE);
    REFUSED("last_epoch", "resume.pt", "scheduler_state_dict/last_epoch", v->integer = INT64_MAX);
    REFUSED("num_warmup_steps", "resume.pt", "scheduler/num_warmup_steps", v->integer = 7);
    static const double scales[] = {0.0, -1.0, 1e300};
    for (int i = 0; i < 3; ++i)
        REFUSED("scale is missing or not a positive", "resume.pt", "", {
            dt_pickle_value *scaler = at(v, "scaler_state_dict");
            *scaler = *at(v, "optimizer_config");
            scaler->items->value[0].text = "scale";
            scaler->items->value[0].length = 5;
            scaler->items->value[1].number = scales[i];
        });
    static const char *const rule[] = {"initial_lr", "eps", "weight_decay", "betas/0", "betas/1"};
    for (int i = 0; i < 5; ++i) {
        char path[64];
        snprintf(path, sizeof path, "optimizer_state_dict/param_groups/0/%s", rule[i]);
        REFUSED("the optimizer's settings", "resume.pt", path, v->number = -1.0);
    }
    REFUSED("the optimizer's settings", "resume.pt", "optimizer_state_dict/param_groups/0/betas/1",
            v->number = 1.0);
    REFUSED("param_groups", "resume.pt", "optimizer_state_dict/param_groups", v->items->count = 0);
    static const char *const variants[] = {"amsgrad", "maximize"};
    for (int i = 0; i < 2; ++i) {
        char path[64];
        snprintf(path, sizeof path, "optimizer_state_dict/param_groups/0/%s", variants[i]);
        REFUSED(variants[i], "resume.pt", path, v->integer = 1);
    }
    /* without one of them, the model can be used but not resumed */
    static const char *const needed[] = {"optimizer_state_dict", "scheduler_state_dict",
                                         "dataset_split"};
    for (int i = 0; i < 3; ++i) {
        dt_torch_file *file = open_fixture("resume.pt");
        dt_run run = {0};
        at(dt_torch_root(file), needed[i])->kind = DT_PICKLE_NONE;
        ASSERT_OK(dt_torch_read_run(file, &run));
        assert_false(run.has_optimizer);
        dt_run_free(&run);
        dt_torch_close(file);
    }
}

/* Every byte of what describes a file, one after the other, with some bits flipped: no crash, no
 * leak, no other error. A third and more are refused; most others are texts of labels. */
static void flipped_bytes(void **state)
{
    (void)state;
    pt_bytes *file = pt_fixture("onehot.pt", ".");
    const size_t directory = pt_place(file, 0, "PK\1\2", 4);
    const size_t pickle = 64; /* the local header of data.pkl is shorter */
    const size_t pickle_end = pt_place(file, pickle, "PK\3\4", 4);
    const unsigned char flips[] = {0x01, 0x80, 0xff};
    char path[] = "/tmp/deeptaxa-flipped-XXXXXX";
    dt_run run;
    size_t refused = 0;
    size_t tried = 0;
    const int fd = mkstemp(path);
    assert_int_equal(write(fd, file->bytes, file->length), file->length);
    for (size_t at = pickle; at < file->length; ++at, ++tried) {
        at = at == pickle_end ? directory : at;
        file->bytes[at] ^= flips[at % 3];
        if (at < directory)
            pt_correct(file); /* so that the pickle is interpreted */
        assert_int_equal(pwrite(fd, file->bytes + directory, 64, (off_t)directory), 64);
        assert_int_equal(pwrite(fd, file->bytes + at, 1, (off_t)at), 1);
        const dt_status status =
            at < directory ? dt_checkpoint_read(path, &run) : dt_checkpoint_verify(path);
        if (at < directory)
            dt_run_free(&run);
        assert_true(status == DT_OK || status == DT_ERR_INPUT);
        refused += status == DT_ERR_INPUT;
        file->bytes[at] ^= flips[at % 3];
        assert_int_equal(pwrite(fd, file->bytes + at, 1, (off_t)at), 1);
    }
    close(fd);
    unlink(path);
    pt_correct(file);
    assert_true(tried > 5000 && refused > tried / 3);
    free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(run_of_deeptaxa),
        cmocka_unit_test(settings_it_lacks),
        cmocka_unit_test(labels_are_placed_by_id),
        cmocka_unit_test(temperatures_and_skipped_updates),
        cmocka_unit_test(wrong_labels),
        cmocka_unit_test(wrong_tensors),
        cmocka_unit_test(wrong_numbers),
        cmocka_unit_test(measures_that_overflowed),
        cmocka_unit_test(tokenizer_without_a_name),
        cmocka_unit_test(wrong_training_state),
        cmocka_unit_test(flipped_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
