/* A run written as a checkpoint of DeepTaxa: its tensors and its state, and what is refused. */
#include "unit/io/io_test.h"

#include <sys/stat.h>

#include "io/torch_file.h"
#include "small_run.h"
#include "run/checkpoint.h"
#include "run/torch_tokenizer.h"

#define TOKENIZER(vocabulary)                                                                      \
    "{\"model\": {\"type\": \"BPE\", \"unk_token\": \"[UNK]\", \"merges\": [], \"vocab\": {"       \
    "\"[UNK]\": 0, " vocabulary "}}}"

static dt_run run;
static dt_param_table table;
static float *copy;

/* Number i of the flat vectors is i. */
static int make_run(void **state)
{
    if (enter_folder(state) != 0)
        return -1;
    /* matrices of several blocks, the last one incomplete */
    ASSERT_OK(make_small_run(&run, 8, 70000, 2, TOKENIZER("\"[PAD]\": 1, \"A\": 2")));
    run.settings.rule.learning_rate = 1.0;
    run.settings.rule.warmup_steps = 0;
    run.settings.rule.total_steps = 20;
    run.progress.update.steps = 15;
    ASSERT_OK(dt_model_layout(&run.config, &table));
    const int64_t count = dt_checkpoint_copy_elements(&table);
    copy = malloc((size_t)count * sizeof *copy);
    assert_non_null(copy);
    for (int64_t i = 0; i < count; ++i)
        copy[i] = (float)i;
    return 0;
}

static int free_run(void **state)
{
    free(copy);
    dt_params_free(&table);
    dt_run_free(&run);
    return leave_folder(state);
}

static dt_status write_run(const char *path)
{
    return dt_checkpoint_write_from(path, &run, &(dt_tensor_source){.table = &table, .copy = copy});
}

static dt_torch_file *written(void)
{
    dt_torch_file *file;
    ASSERT_OK(write_run("a.pt"));
    ASSERT_OK(dt_torch_open(&file, "a.pt"));
    return file;
}

/* The value at a path of keys, which ends with NULL. */
#define VALUE(file, ...) value_at(file, (const char *const[]){__VA_ARGS__, NULL})
static const dt_pickle_value *value_at(const dt_torch_file *file, const char *const *key)
{
    const dt_pickle_value *value = dt_torch_root(file);
    for (; *key; ++key) {
        value = dt_pickle_get(value, *key);
        if (!value)
            fail_msg("no %s", *key);
    }
    return value;
}

static void assert_tensor(dt_torch_file *file, const dt_pickle_value *value,
                          const dt_param_spec *spec, int group)
{
    const dt_torch_tensor *tensor = dt_torch_tensor_of(value);
    float *values = malloc((size_t)spec->count * sizeof *values);
    assert_non_null(values);
    assert_non_null(tensor);
    assert_int_equal(tensor->dimensions, spec->dims);
    assert_memory_equal(tensor->shape, spec->shape, (size_t)spec->dims * sizeof *spec->shape);
    ASSERT_OK(dt_torch_read(file, tensor, 0, spec->count, values));
    assert_memory_equal(values, copy + group * table.elements + spec->offset,
                        (size_t)spec->count * sizeof *values);
    free(values);
}

static void tensors_are_the_same_bits(void **state)
{
    (void)state;
    int64_t trained = 0;
    dt_torch_file *file = written();
    const dt_pickle_items *items = VALUE(file, "state_dict")->items;
    const dt_pickle_value *optimizer = VALUE(file, "optimizer_state_dict", "state");
    assert_int_equal(items->count, 2 * table.count);
    for (int64_t i = 0; i < table.count; ++i) {
        float step;
        const dt_param_spec *spec = dt_params_find(&table, items->value[2 * i].text);
        const dt_pickle_value *moments = dt_pickle_get_int(optimizer, i);
        assert_non_null(spec);
        assert_tensor(file, &items->value[2 * i + 1], spec, 0);
        assert_int_equal(moments != NULL, spec->offset < table.trained);
        if (!moments)
            continue;
        trained++;
        assert_tensor(file, dt_pickle_get(moments, "exp_avg"), spec, 1);
        assert_tensor(file, dt_pickle_get(moments, "exp_avg_sq"), spec, 2);
        ASSERT_OK(
            dt_torch_read(file, dt_torch_tensor_of(dt_pickle_get(moments, "step")), 0, 1, &step));
        assert_true(step == 15.0f);
    }
    assert_int_equal(trained, table.count - 2); /* but for the pooler */
    assert_int_equal(optimizer->items->count, 2 * trained);
    dt_torch_close(file);
}

static void the_state_of_the_training_is_kept(void **state)
{
    (void)state;
    dt_torch_file *file = written();
    assert_int_equal(VALUE(file, "scheduler_state_dict", "last_epoch")->integer, 15);
    assert_true(VALUE(file, "scheduler_state_dict", "_last_lr")->items->value[0].number == 0.25);
    assert_int_equal(VALUE(file, "scaler_state_dict")->kind, DT_PICKLE_NONE);
    dt_torch_close(file);

    run.settings.rule.dynamic_scale = true; /* and --reset-lr-on-resume after 5 updates */
    run.settings.rule.schedule_start = 5;
    run.progress.update.loss_scale = 2048.0;
    run.progress.update.scale_good_steps = 7;
    file = written();
    assert_int_equal(VALUE(file, "scheduler_state_dict", "last_epoch")->integer, 10);
    assert_true(VALUE(file, "scaler_state_dict", "scale")->number == 2048.0);
    assert_int_equal(VALUE(file, "scaler_state_dict", "_growth_tracker")->integer, 7);
    dt_torch_close(file);
    run.settings.rule.dynamic_scale = false;
    run.settings.rule.schedule_start = 0;

    run.progress.update.steps = 0;
    file = written();
    assert_int_equal(VALUE(file, "optimizer_state_dict", "state")->items->count, 0);
    dt_torch_close(file);
    run.progress.update.steps = 15;
}

static void what_deeptaxa_cannot_resume_is_refused(void **state)
{
    (void)state;
    run.settings.optimizer = DT_OPTIMIZER_LAMB;
    ASSERT_FAILS(DT_ERR_INPUT, "b.pt: DeepTaxa would resume this run, whose optimizer is LAMB",
                 write_run("b.pt"));
    run.settings.optimizer = DT_OPTIMIZER_ADAMW;
    run.loss_sums.world_size = 1;
    ASSERT_FAILS(DT_ERR_INPUT, "b.pt: DeepTaxa resumes after whole epochs only", write_run("b.pt"));
    assert_int_not_equal(access("b.pt", F_OK), 0);
    assert_int_not_equal(access("b_tokenizer", F_OK), 0);
    run.loss_sums.world_size = 0;
    const int64_t steps = run.progress.update.steps;
    run.progress.update.steps = (int64_t)1 << 31;
    ASSERT_FAILS(DT_ERR_INPUT, "b.pt: the schedule counts more updates", write_run("b.pt"));
    run.progress.update.steps = steps;
}

/* Writes b.pt with another tokenizer. */
static dt_status with_tokenizer(const char *json)
{
    char *own = run.tokenizer_json;
    run.tokenizer_json = (char *)json;
    const dt_status status = write_run("b.pt");
    run.tokenizer_json = own;
    return status;
}

static void a_tokenizer_of_no_use_to_deeptaxa_is_refused(void **state)
{
    (void)state;
    ASSERT_FAILS(DT_ERR_INPUT, "has no padding token",
                 with_tokenizer(TOKENIZER("\"A\": 1, \"C\": 2")));
    ASSERT_FAILS(DT_ERR_INPUT, "has none for id 2",
                 with_tokenizer(TOKENIZER("\"[PAD]\": 1, \"A\": 3")));
    assert_int_not_equal(access("b.pt", F_OK), 0);
    assert_int_not_equal(access("b_tokenizer", F_OK), 0);
}

static void a_failure_leaves_no_folder(void **state)
{
    (void)state;
    assert_int_equal(mkdir("c.pt", 0777), 0); /* where the file cannot be */
    ASSERT_FAILS(DT_ERR_IO, "c.pt", write_run("c.pt"));
    assert_int_not_equal(access("c_tokenizer", F_OK), 0);
    assert_int_equal(mkdir("c_tokenizer", 0777), 0);
    ASSERT_FAILS(DT_ERR_IO, "c.pt", write_run("c.pt"));
    assert_int_equal(access("c_tokenizer", F_OK), 0);
    assert_int_not_equal(access("c_tokenizer/tokenizer.json", F_OK), 0);
    ASSERT_FAILS(DT_ERR_IO, "none: no such directory", write_run("none/a.pt"));
}

/* DNABERT-2's tokenizer is known by its content, however it is laid out. */
static void the_published_tokenizer_keeps_its_name(void **state)
{
    (void)state;
    char path[8192];
    char *json;
    size_t length;
    size_t used = 0;
    dt_torch_tokenizer chosen;
    dt_run content = run;
    if (access(shared_path(path, sizeof path, "data/dnabert2-tokenizer.json"), R_OK) != 0) {
        fprintf(stderr, "SKIPPED in part: no %s, DNABERT-2's tokenizer is not recognised\n", path);
        return;
    }
    ASSERT_OK(dt_read_file(path, &json, &length));
    content.tokenizer_json = json;
    ASSERT_OK(dt_torch_tokenizer_choose(&chosen, &content, "d.pt"));
    assert_string_equal(chosen.name, "zhihan1996/DNABERT-2-117M");
    assert_false(chosen.is_folder);
    for (size_t i = 0; i < length; ++i)
        if (!strchr(" \n", json[i]))
            json[used++] = json[i];
    json[used] = '\0';
    ASSERT_OK(dt_torch_tokenizer_choose(&chosen, &content, "d.pt"));
    assert_string_equal(chosen.name, "zhihan1996/DNABERT-2-117M");
    *strstr(json, "TTG") = 'C'; /* another token or merge */
    if (dt_torch_tokenizer_choose(&chosen, &content, "d.pt") == DT_OK)
        assert_true(chosen.is_folder);
    free(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_are_the_same_bits),
        cmocka_unit_test(the_state_of_the_training_is_kept),
        cmocka_unit_test(what_deeptaxa_cannot_resume_is_refused),
        cmocka_unit_test(a_tokenizer_of_no_use_to_deeptaxa_is_refused),
        cmocka_unit_test(a_failure_leaves_no_folder),
        cmocka_unit_test(the_published_tokenizer_keeps_its_name),
    };
    return cmocka_run_group_tests(tests, make_run, free_run);
}
