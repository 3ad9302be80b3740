/* Runs whose parts do not agree are refused, with the value that is wrong. */
#include <math.h>

#include "run/run_check.h"
#include "small_run.h"
#include "test.h"

#define TRAINING 7
#define VALIDATION 3

/* A run within its second epoch: 7 training sequences in batches of 2, an update every 2 batches. */
static void make_run(dt_run *run)
{
    *run = (dt_run){0};
    ASSERT_OK(make_small_run(run, 8, 8, 1, "{}"));
    dt_run_settings *s = &run->settings;
    snprintf(s->run_uuid, sizeof s->run_uuid, "2026_04_29T02_08_53_a9efd989");
    s->rule.beta1 = 0.9;
    s->rule.beta2 = 0.999;
    s->batch_size = 2;
    s->accum_steps = 2;
    s->val_split = 0.3;
    s->total_sequences = TRAINING + VALIDATION;
    s->training_sequences = TRAINING;
    s->validation_sequences = VALIDATION;
    run->has_optimizer = true;
    run->progress.epoch = 1;
    run->progress.micro_steps = 4 + 2;
    run->progress.update.steps = 3;
    ASSERT_OK(dt_split_create(&run->split, TRAINING + VALIDATION, s->val_split, 42));
}

/* refused(STATEMENT, WHAT): after the statement the run is refused with a message that begins with
 * the file and has WHAT. */
#define refused(statement, what)                                                                   \
    do {                                                                                           \
        dt_run run;                                                                                \
        make_run(&run);                                                                            \
        ASSERT_OK(dt_run_check(&run, "file"));                                                     \
        statement;                                                                                 \
        assert_int_equal(dt_run_check(&run, "file"), DT_ERR_INPUT);                                \
        assert_ptr_equal(strstr(dt_error_message(), "file: damaged: "), dt_error_message());       \
        assert_non_null(strstr(dt_error_message(), (what)));                                       \
        dt_run_free(&run);                                                                         \
    } while (0)

static void settings_are_in_their_ranges(void **state)
{
    (void)state;
    refused(run.settings.batch_size = 0, "batch-size is 0");
    refused(run.settings.accum_steps = 0, "accum-steps is 0");
    refused(run.settings.warmup_ratio = HUGE_VAL, "scheduler-warmup-ratio is inf");
    refused(run.settings.learning_rate = (double)NAN, "learning-rate is nan");
    refused(run.settings.rule.eps = -1.0, "optimizer-eps is -1");
    refused(run.settings.rule.beta1 = HUGE_VAL, "beta1 is inf");
    refused(run.settings.rule.beta2 = 1.0, "beta2 is 1");
    refused(run.config.width[1] = 1000, "kernel-sizes is 1000");
    refused(run.settings.level_weight_count = 7, "level_weight_count is 7");
}

static void names_of_files_are_plain(void **state)
{
    (void)state;
    refused(strcpy(run.settings.run_uuid, "../../etc"), "run_uuid '../../etc'");
    refused(strcpy(run.settings.run_uuid, "a\x1b[2J"), "run_uuid 'a?[2J'");
}

static void ranks_and_labels_are_cells_of_a_table(void **state)
{
    (void)state;
    refused(run.taxonomy.rank[0].name[0] = '\n', "rank 0 has the name '?enus'");
    refused(run.taxonomy.rank[0].name[0] = '\0', "rank 0 has the name ''");
    refused(ASSERT_OK(dt_taxonomy_add_rank(&run.taxonomy, "genus", 1, (const char *[]){"x"})),
            "two ranks are named 'genus'");
    refused(run.taxonomy.rank[0].label[1][0] = '\t', "the label '?");
}

static void counters_agree(void **state)
{
    (void)state;
    refused(run.progress.epoch = 2, "micro_steps 6 do not agree with 2 epochs of 4 batches");
    refused(run.progress.epoch = -1, "epoch is -1");
    refused(run.progress.micro_steps = 3, "micro_steps 3");
    refused(run.progress.micro_steps = 9, "micro_steps 9");
    refused(run.progress.update.steps = -1, "optimizer_steps is -1");
    refused(run.progress.update.loss_scale = 0.0, "loss_scale is 0");
    refused(run.progress.best_epoch = 2, "best_epoch is 2");
    refused(run.settings.micro_batch = 3, "micro_batch is 3");
    refused(run.settings.rule.warmup_steps = 1, "warmup_steps is 1");
    refused(run.settings.rule.schedule_start = 4, "schedule_start is 4");
    refused(run.settings.total_sequences = INT64_MAX, "total_sequences is");
    refused(run.settings.training_sequences = 8, "its split has 7 and 3 sequences");
    refused(run.loss_sums.world_size = -1, "loss_sums_of is -1");
}

static void a_split_has_each_sequence_once(void **state)
{
    (void)state;
    refused(run.split.training[0] = -1, "sequence number -1 of the split is out of range");
    refused(run.split.validation[2] = 10, "sequence number 10 of the split is out of range");
    refused(run.split.validation[0] = run.split.training[0], "is there twice");
    refused(run.split.training_count = 6, "its split has 6 and 3 sequences");
}

static void streams_are_whole(void **state)
{
    (void)state;
    refused(run.settings.shards_at_a_time = 1, "sequences_per_shard 0");
    refused(run.settings.sequences_per_shard = 8, "shards_at_a_time 0");
    refused(strcpy(run.settings.data_checksum, "1"), "shards_at_a_time 0");
    refused(run.settings.shards_at_a_time = 4;
            run.settings.sequences_per_shard = 1, "sequences_per_shard 1 and batch_size 2");
}

/* A model without the state of its optimizer needs no split, and is not resumed. */
static void a_model_alone_is_accepted(void **state)
{
    (void)state;
    dt_run run;
    make_run(&run);
    run.has_optimizer = false;
    dt_split_free(&run.split);
    ASSERT_OK(dt_run_check(&run, "file"));
    dt_run_free(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_are_in_their_ranges),
        cmocka_unit_test(names_of_files_are_plain),
        cmocka_unit_test(ranks_and_labels_are_cells_of_a_table),
        cmocka_unit_test(counters_agree),
        cmocka_unit_test(a_split_has_each_sequence_once),
        cmocka_unit_test(streams_are_whole),
        cmocka_unit_test(a_model_alone_is_accepted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
