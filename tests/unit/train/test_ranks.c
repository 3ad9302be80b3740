/* Training on many ranks: the same as on one, whatever stops it in between. */
#include <unistd.h>

#include "core/log.h"
#include "core/memory.h"
#include "core/pool.h"
#include "model/config.h"
#include "run/checkpoint.h"
#include "ranks/ranks.h"
#include "train/schedule.h"
#include "train/step.h"
#include "train/trainer.h"
#include "unit/io/io_test.h"
#include "unit/train/thread_comm.h"
#include "published_sizes.h"

enum { SEQUENCES = 29, TAX_RANKS = 2, LONGEST = 40, VOCABULARY = 12, MOST_UPDATES = 64 };

/* ---- what is trained on ------------------------------------------------------------------------
 */

static dt_dataset dataset;

/* Sequences of 5 … LONGEST tokens whose classes hang on their first token. */
static int make_dataset(void **state)
{
    static const char *const genus[] = {"a", "b", "c"};
    static const char *const species[] = {"p", "q", "r", "s", "t"};
    if (enter_folder(state) != 0)
        return -1;
    uint32_t random = 12345;
    dataset = (dt_dataset){.count = SEQUENCES, .suffix_count = 1, .normalized = true};
    ASSERT_OK(DT_NEW(dataset.tokens, (size_t)SEQUENCES * LONGEST));
    ASSERT_OK(DT_NEW(dataset.offsets, SEQUENCES + 1));
    ASSERT_OK(DT_NEW(dataset.labels, (size_t)SEQUENCES * TAX_RANKS));
    for (int i = 0; i < SEQUENCES; ++i) {
        random = random * 1664525U + 1013904223U;
        const int length = 5 + (int)((random >> 16) % (LONGEST - 4));
        for (int t = 0; t < length; ++t) {
            random = random * 1664525U + 1013904223U;
            dataset.tokens[dataset.offsets[i] + t] = (uint16_t)(1 + (random >> 20) % 11);
        }
        dataset.offsets[i + 1] = dataset.offsets[i] + length;
        int32_t *labels = &dataset.labels[(size_t)i * TAX_RANKS];
        labels[0] = dataset.tokens[dataset.offsets[i]] % 3;
        labels[1] = dataset.tokens[dataset.offsets[i]] % 5;
    }
    ASSERT_OK(dt_taxonomy_add_rank(&dataset.taxonomy, "genus", 3, genus));
    ASSERT_OK(dt_taxonomy_add_rank(&dataset.taxonomy, "species", 5, species));
    return 0;
}

static int free_dataset(void **state)
{
    dt_dataset_free(&dataset);
    return leave_folder(state);
}

static dt_model_config small_config(void)
{
    dt_model_config config = published_sizes();
    config.vocabulary = VOCABULARY;
    config.max_length = 32;
    config.embed_dim = config.filters = config.intermediate = 8;
    config.hidden = 8;
    config.heads = 2;
    config.layers = 1;
    config.tax_ranks = TAX_RANKS;
    config.classes[0] = 3;
    config.classes[1] = 5;
    return config;
}

/* 29 sequences, 6 of them to validate on: 23 in batches of 7, the last of 2; two batches an update.
 */
static void make_run(dt_run *run, int32_t world_size)
{
    *run = (dt_run){.config = small_config()};
    run->settings = (dt_run_settings){.seed = 42,
                                      .epochs = 3,
                                      .learning_rate = 0.01,
                                      .batch_size = 7,
                                      .accum_steps = 1,
                                      .warmup_ratio = 0.1,
                                      .val_split = 0.2,
                                      .rule = {.learning_rate = 0.01,
                                               .beta1 = 0.9,
                                               .beta2 = 0.999,
                                               .eps = 1e-8,
                                               .weight_decay = 0.01,
                                               .max_grad_norm = 0.5},
                                      .eval_every = 1,
                                      .world_size = world_size};
    for (int32_t r = 0; r < TAX_RANKS; ++r)
        ASSERT_OK(dt_taxonomy_add_rank(&run->taxonomy, dataset.taxonomy.rank[r].name,
                                       dataset.taxonomy.rank[r].classes,
                                       (const char *const *)dataset.taxonomy.rank[r].label));
    run->tokenizer_json = strdup("{}");
    ASSERT_OK(dt_training_schedule(run, &dataset));
}

/* ---- the trainer on ranks ----------------------------------------------------------------------
 */

/* The CPU's backend with operations that choose algorithms (choices_time() in backend.h): a choice
 * is the text "<kind>\nby rank <rank>", valid for devices of its kind. */
typedef struct {
    dt_backend_ops ops; /* must be first: backend->ops points to it */
    const char *kind;   /* NULL: an ordinary backend */
    int32_t world_rank;
    bool timing;
    int32_t rehearsed; /* batches */
    char choices[64];
} chooser;

static chooser *chooser_of(dt_backend *backend)
{
    return (chooser *)backend->ops;
}

static void choices_time(dt_backend *backend, bool on)
{
    chooser *c = chooser_of(backend);
    assert_true(c->timing != on);
    c->timing = on;
    snprintf(c->choices, sizeof c->choices, "%s\nby rank %d", c->kind, c->world_rank);
}

static const char *choices_read(dt_backend *backend)
{
    chooser *c = chooser_of(backend);
    assert_false(c->timing);
    if (!c->choices[0])
        snprintf(c->choices, sizeof c->choices, "%s\n", c->kind);
    return c->choices;
}

static bool choices_write(dt_backend *backend, const char *text)
{
    chooser *c = chooser_of(backend);
    const bool valid =
        strncmp(text, c->kind, strlen(c->kind)) == 0 && text[strlen(c->kind)] == '\n';
    snprintf(c->choices, sizeof c->choices, "%s", valid ? text : "");
    return valid;
}

static int begin_step(dt_backend *backend, const dt_device_batch *batch, uint64_t key)
{
    (void)batch;
    (void)key;
    chooser *c = chooser_of(backend);
    c->rehearsed += c->timing;
    return c->timing ? DT_STEP_REPLAYED : DT_STEP_RUN;
}

static void make_chooser(chooser *c, dt_backend *backend, int32_t world_rank)
{
    c->ops = *backend->ops;
    c->ops.choices_time = choices_time;
    c->ops.choices_read = choices_read;
    c->ops.choices_write = choices_write;
    c->ops.step_begin = begin_step;
    c->world_rank = world_rank;
    backend->ops = &c->ops;
}

/* What a test asks for, and what each rank came to. */
typedef struct {
    const char *folder;
    const char *resume; /* NULL: a new run */
    int64_t save_every_steps;
    bool on_rank0;
    int32_t accum_steps;
    dt_loss_type loss_type;
    dt_class_weights class_weights;
    int32_t lost_rank; /* the one whose resume path names nothing; -1: none */
    bool mixed;        /* rank 1 computes with another backend */
    bool deterministic;
    chooser chooser[MOST_RANKS];
    atomic_int stop[MOST_RANKS];
    dt_status status[MOST_RANKS];
    dt_run_progress progress[MOST_RANKS];
    char message[MOST_RANKS][512];
} session;

static void train_as(dt_comm *comm, void *context)
{
    session *s = context;
    const int32_t q = comm->world_rank;
    dt_run run;
    dt_backend *backend;
    dt_pool *pool;
    ASSERT_OK(dt_backend_open(s->mixed && q == 1 ? "cpu64" : "cpu",
                              &(dt_backend_options){.threads = 1}, &backend));
    ASSERT_OK(dt_pool_create(&pool, 1));
    if (s->chooser[q].kind)
        make_chooser(&s->chooser[q], backend, q);
    if (s->resume) {
        ASSERT_OK(dt_checkpoint_read(s->resume, &run));
        run.settings.world_size = comm->world_size;
        run.settings.micro_batch = 0;
    } else {
        make_run(&run, comm->world_size);
        run.settings.loss_type = s->loss_type;
        if (s->loss_type == DT_LOSS_LINEAGE)
            ASSERT_OK(
                dt_lineage_tree_build(&run.lineages, dataset.labels, dataset.count, TAX_RANKS));
        run.settings.focal_gamma = 2.0;
        run.settings.class_weights = s->class_weights;
        if (s->accum_steps > 1) {
            run.settings.accum_steps = s->accum_steps;
            dt_split_free(&run.split);
            ASSERT_OK(dt_training_schedule(&run, &dataset));
        }
    }
    dt_rank_info *ranks;
    ASSERT_OK(dt_ranks_gather(&ranks, comm, backend));
    const dt_training job = {.run = &run,
                             .resume_path = q == s->lost_rank ? "nothing.h5" : s->resume,
                             .dataset = &dataset,
                             .backend = backend,
                             .comm = comm,
                             .ranks = ranks,
                             .pool = pool,
                             .output_dir = s->folder,
                             .stop = &s->stop[q],
                             .save_every_steps = s->save_every_steps,
                             .validate_on_rank0 = s->on_rank0,
                             .deterministic = s->deterministic};
    s->status[q] = dt_ranks_check(ranks, comm->world_size);
    if (s->status[q] == DT_OK)
        s->status[q] = dt_train(&job);
    snprintf(s->message[q], sizeof s->message[q], "%s", dt_error_message());
    s->progress[q] = run.progress;
    free(ranks);
    dt_run_free(&run);
    dt_pool_destroy(pool);
    backend->ops->destroy(backend);
}

/* Trains on `size` ranks; rank `stopped` is asked to stop at the sum number stop_after (0: never).
 */
static void train(session *s, int32_t size, int64_t stop_after, int32_t stopped)
{
    thread_world world;
    thread_world_init(&world, size);
    for (int32_t q = 0; q < MOST_RANKS; ++q)
        atomic_store(&s->stop[q], 0);
    world.stop = &s->stop[stopped];
    world.stop_after = stop_after;
    run_ranks(&world, train_as, s);
}

/* <folder>/checkpoints/deeptaxa_<uuid>_<end>; "" where it is not there. */
static char *checkpoint_of(const char *folder, const char *end)
{
    static char path[8][512];
    static int next;
    char *out = path[next++ % 8];
    char *uuid;
    size_t length;
    char name[128];
    snprintf(name, sizeof name, "%s/deeptaxa_uuid.txt", folder);
    ASSERT_OK(dt_read_file(name, &uuid, &length));
    uuid[strcspn(uuid, "\n")] = '\0';
    snprintf(out, sizeof path[0], "%s/checkpoints/deeptaxa_%s_%s", folder, uuid, end);
    free(uuid);
    if (access(out, F_OK) != 0)
        out[0] = '\0';
    return out;
}

static void assert_close(double a, double b)
{
    if (!(fabs(a - b) <= 1e-5 * fabs(b)))
        fail_msg("%.9g is not %.9g", a, b);
}

/* All ranks ended well, with the same losses as `expected`. */
static void assert_trained(const session *s, int32_t size, const dt_run_progress *expected)
{
    for (int32_t q = 0; q < size; ++q) {
        if (s->status[q] != DT_OK)
            fail_msg("rank %d: %s", q, s->message[q]);
        assert_int_equal(s->progress[q].epoch, 3);
        assert_close(s->progress[q].training_loss, expected->training_loss);
        assert_close(s->progress[q].validation_loss, expected->validation_loss);
        assert_true(s->progress[q].validation_loss == s->progress[0].validation_loss);
    }
}

static dt_run_progress expected; /* of one rank, without accumulation */

static void one_rank_trains(void **state)
{
    (void)state;
    session s = {.folder = "one", .lost_rank = -1};
    train(&s, 1, 0, 0);
    expected = s.progress[0];
    assert_trained(&s, 1, &expected);
}

static void ranks_train_what_one_trains(void **state)
{
    (void)state;
    for (int32_t size = 2; size <= 4; ++size) {
        char folder[16];
        snprintf(folder, sizeof folder, "many%d", size);
        session s = {.folder = folder, .lost_rank = -1};
        train(&s, size, 0, 0);
        assert_trained(&s, size, &expected);
    }
}

static void accumulated_batches_on_ranks_too(void **state)
{
    (void)state;
    session one = {.folder = "accum1", .lost_rank = -1, .accum_steps = 2};
    session many = {.folder = "accum3", .lost_rank = -1, .accum_steps = 2};
    train(&one, 1, 0, 0);
    train(&many, 3, 0, 0);
    assert_trained(&many, 3, &one.progress[0]);
}

/* What a batch's loss is divided by are the weights of all its sequences, whoever computes them. */
static void weighted_losses_on_ranks_too(void **state)
{
    (void)state;
    for (dt_loss_type loss = 0; loss <= DT_LOSS_LINEAGE; ++loss) {
        char one_folder[32];
        char many_folder[32];
        snprintf(one_folder, sizeof one_folder, "%s1", dt_loss_type_name(loss));
        snprintf(many_folder, sizeof many_folder, "%s3", dt_loss_type_name(loss));
        session one = {.folder = one_folder,
                       .lost_rank = -1,
                       .accum_steps = 2,
                       .loss_type = loss,
                       .class_weights = DT_CLASS_WEIGHTS_INVERSE};
        session many = one;
        many.folder = many_folder;
        train(&one, 1, 0, 0);
        train(&many, 3, 0, 0);
        assert_trained(&many, 3, &one.progress[0]);
        assert_true(fabs(one.progress[0].training_loss - expected.training_loss) > 1e-3);
    }
}

static void validation_on_rank_0_gives_the_same(void **state)
{
    (void)state;
    session s = {.folder = "rank0", .lost_rank = -1, .on_rank0 = true};
    train(&s, 3, 0, 0);
    assert_trained(&s, 3, &expected);
}

/* Parameters of a checkpoint. */
static float *tensors(const char *path, int64_t *count)
{
    dt_backend *backend;
    dt_model *model;
    dt_run content;
    float *copy;
    ASSERT_OK(dt_checkpoint_read(path, &content));
    ASSERT_OK(dt_backend_open("cpu", &(dt_backend_options){.threads = 1}, &backend));
    ASSERT_OK(dt_model_create(&model, &content.config, backend, true));
    ASSERT_OK(dt_model_reserve(model, 1, 64));
    ASSERT_OK(dt_checkpoint_read_tensors(path, model, true));
    *count = dt_checkpoint_copy_elements(dt_model_params(model));
    ASSERT_OK(DT_NEW(copy, (size_t)*count));
    ASSERT_OK(dt_checkpoint_copy(
        copy, &(dt_tensor_source){.table = dt_model_params(model), .backend = backend}));
    dt_model_destroy(model);
    backend->ops->destroy(backend);
    dt_run_free(&content);
    return copy;
}

static void assert_same_bits(const char *path_a, const char *path_b)
{
    int64_t count;
    int64_t other;
    float *a = tensors(path_a, &count);
    float *b = tensors(path_b, &other);
    assert_int_equal(count, other);
    assert_memory_equal(a, b, (size_t)count * sizeof *a);
    free(a);
    free(b);
}

/* The checkpoints of an epoch tell the same losses, to the last digit. */
static void assert_same_losses(const char *folder_a, const char *folder_b, int32_t epoch)
{
    dt_run a;
    dt_run b;
    char end[64];
    snprintf(end, sizeof end, "epoch%d.h5", epoch);
    ASSERT_OK(dt_checkpoint_read(checkpoint_of(folder_a, end), &a));
    ASSERT_OK(dt_checkpoint_read(checkpoint_of(folder_b, end), &b));
    assert_true(a.progress.training_loss == b.progress.training_loss);
    assert_true(a.progress.validation_loss == b.progress.validation_loss);
    dt_run_free(&a);
    dt_run_free(&b);
}

/* Asks one of three ranks to stop at every moment in turn, then goes on with three: the same bits
 * and the same losses to the last digit. */
static void a_stop_of_one_rank_at_any_moment_loses_nothing(void **state)
{
    (void)state;
    session whole = {.folder = "whole", .lost_rank = -1};
    train(&whole, 3, 0, 0);
    assert_trained(&whole, 3, &expected);
    int within_epoch = 0;
    int evaluation_due = 0;
    for (int64_t moment = 4; moment < 23; ++moment) {
        char folder[32];
        snprintf(folder, sizeof folder, "stopped%d", (int)moment);
        session s = {.folder = folder, .lost_rank = -1, .save_every_steps = 2};
        train(&s, 3, moment, (int32_t)(moment % 3));
        for (int32_t q = 0; q < 3; ++q)
            assert_int_equal(s.status[q], DT_STOPPED);
        char *path = strstr(s.message[0], "or --resume ");
        if (!path) {
            assert_non_null(strstr(s.message[0], "before the first step"));
            continue;
        }
        s.resume = path = strdup(path + 12);
        dt_run stopped;
        ASSERT_OK(dt_checkpoint_read(path, &stopped));
        within_epoch += stopped.loss_sums.world_size == 3;
        evaluation_due += stopped.progress.evaluation_due;
        const int32_t completed = stopped.progress.epoch;
        dt_run_free(&stopped);
        train(&s, 3, 0, 0);
        assert_trained(&s, 3, &expected);
        for (int32_t epoch = completed > 0 ? completed : 1; epoch <= 3; ++epoch)
            assert_same_losses("whole", folder, epoch);
        assert_same_bits(checkpoint_of("whole", "epoch3.h5"), checkpoint_of(folder, "epoch3.h5"));
        free(path);
    }
    assert_true(within_epoch > 0 && evaluation_due > 0); /* both kinds of moment were met */
}

static void a_checkpoint_of_three_ranks_resumes_on_others(void **state)
{
    (void)state;
    session s = {.folder = "elastic", .lost_rank = -1, .save_every_steps = 1};
    train(&s, 3, 13, 1);
    assert_int_equal(s.status[0], DT_STOPPED);
    char *path = strdup(strstr(s.message[0], "or --resume ") + 12);
    assert_non_null(strstr(path, "_step"));
    for (int32_t size = 1; size <= 4; ++size) {
        char folder[32];
        snprintf(folder, sizeof folder, "elastic_on%d", size);
        session other = {.folder = folder, .lost_rank = -1, .resume = path};
        train(&other, size, 0, 0);
        assert_trained(&other, size, &expected);
    }
    free(path);
}

static void the_step_checkpoint_goes_when_the_epoch_is_saved(void **state)
{
    (void)state;
    session s = {.folder = "steps", .lost_rank = -1, .save_every_steps = 1};
    train(&s, 2, 0, 0);
    assert_trained(&s, 2, &expected);
    for (int epoch = 1; epoch <= 3; ++epoch) {
        char end[64];
        snprintf(end, sizeof end, "epoch%d.h5", epoch);
        assert_string_not_equal(checkpoint_of("steps", end), "");
        for (int step = 1; step <= 4; ++step) {
            snprintf(end, sizeof end, "epoch%d_step%d.h5", epoch, step);
            assert_string_equal(checkpoint_of("steps", end), "");
        }
    }
}

static void a_rank_that_cannot_begin_is_named_by_rank_0(void **state)
{
    (void)state;
    session s = {.folder = "lost", .lost_rank = 2, .resume = checkpoint_of("one", "epoch1.h5")};
    train(&s, 3, 0, 0);
    for (int32_t q = 0; q < 3; ++q)
        assert_int_equal(s.status[q], DT_ERR_IO);
    assert_non_null(strstr(s.message[0], "rank 2 on here: nothing.h5"));
}

/* Backends of different kinds meet in their sums at different times. */
static void ranks_that_compute_differently_are_refused(void **state)
{
    (void)state;
    session s = {.folder = "mixed", .lost_rank = -1, .mixed = true};
    train(&s, 3, 0, 0);
    for (int32_t q = 0; q < 3; ++q)
        assert_int_equal(s.status[q], DT_ERR_USAGE);
    assert_string_equal(s.message[0],
                        "rank 0 on here computes with cpu in fp32, but rank 1 on here with cpu64 "
                        "in fp32: use the same --device and --precision on all ranks");
    assert_int_not_equal(access("mixed", F_OK), 0); /* nothing was written */
}

/* A rank that fails where the others do not know of it ends them all. */
static void a_rank_that_fails_alone_aborts_the_others(void **state)
{
    (void)state;
    session s = {.folder = "alone", .lost_rank = -1};
    thread_world world;
    thread_world_init(&world, 3);
    world.fail_after = 7;
    run_ranks(&world, train_as, &s);
    assert_int_equal(world.aborted_by, 1);
    assert_int_equal(s.status[1], DT_ERR_DEVICE);
    assert_int_equal(s.status[0], DT_ERR_COMM);
    assert_int_equal(s.status[2], DT_ERR_COMM);
}

static void a_rank_that_cannot_attach_aborts_the_others(void **state)
{
    (void)state;
    session s = {.folder = "unattached", .lost_rank = -1};
    thread_world world;
    thread_world_init(&world, 3);
    world.attach_fails = true;
    run_ranks(&world, train_as, &s);
    assert_int_equal(world.aborted_by, 1);
    assert_int_equal(s.status[1], DT_ERR_DEVICE);
    assert_string_equal(s.message[1], "rank 1 cannot attach");
}

/* ---- agreeing ----------------------------------------------------------------------------------
 */

static void agree_or_fail_alone(dt_comm *comm, void *context)
{
    session *s = context;
    bool agreed = false;
    const int32_t q = comm->world_rank;
    ASSERT_OK(dt_agree(comm, DT_OK, &agreed));
    assert_false(agreed);
    s->status[q] = dt_agree(comm, q > 0 ? dt_fail(DT_ERR_USAGE, "flag %d", q) : DT_OK, &agreed);
    assert_true(agreed);
    snprintf(s->message[q], sizeof s->message[q], "%s", dt_error_message());
}

static void ranks_leave_with_the_lowest_ranks_failure(void **state)
{
    (void)state;
    session s = {0};
    thread_world world;
    thread_world_init(&world, 3);
    run_ranks(&world, agree_or_fail_alone, &s);
    for (int32_t q = 0; q < 3; ++q) {
        assert_int_equal(s.status[q], DT_ERR_USAGE);
        assert_string_equal(s.message[q], "rank 1 on here: flag 1");
    }
}

/* ---- algorithms of matrix products ------------------------------------------------------------
 */

/* Trains on three devices of these kinds, and stores what the checkpoint says. */
static session choose(const char *folder, const char *const kind[3], const char *resume,
                      bool deterministic, char stored[64])
{
    session s = {
        .folder = folder, .lost_rank = -1, .resume = resume, .deterministic = deterministic};
    dt_run run;
    for (int q = 0; q < 3; ++q)
        s.chooser[q].kind = kind[q];
    train(&s, 3, 0, 0);
    assert_trained(&s, 3, &expected);
    ASSERT_OK(dt_checkpoint_read(checkpoint_of(folder, "epoch3.h5"), &run));
    snprintf(stored, 64, "%s", run.choices);
    dt_run_free(&run);
    return s;
}

static const char *const alike[3] = {"A", "A", "A"};
static const char *const newer[3] = {"B", "B", "B"};
static const char *const mixed[3] = {"A", "B", "A"};

/* All ranks have these choices, and only rank 0 made some, or none did. */
static void assert_agreed(const session *s, const char *choices, bool made)
{
    for (int q = 0; q < 3; ++q) {
        assert_string_equal(s->chooser[q].choices, choices);
        assert_int_equal(s->chooser[q].rehearsed > 0, made && q == 0);
    }
}

static void all_ranks_take_the_choices_of_rank_0(void **state)
{
    (void)state;
    char stored[64];
    const session s = choose("choices", alike, NULL, false, stored);
    assert_agreed(&s, "A\nby rank 0", true);
    assert_string_equal(stored, "A\nby rank 0");
    assert_int_equal(s.chooser[0].rehearsed, 4); /* its shares of an epoch's batches */
}

static void a_rank_with_another_device_chooses_by_itself(void **state)
{
    (void)state;
    char stored[64];
    const session s = choose("choices_mixed", mixed, NULL, false, stored);
    assert_string_equal(s.chooser[0].choices, "A\nby rank 0");
    assert_string_equal(s.chooser[1].choices, "B\nby rank 1");
    assert_string_equal(s.chooser[2].choices, "A\nby rank 0");
    assert_int_equal(s.chooser[2].rehearsed, 0);
    assert_string_equal(stored, "A\nby rank 0");
}

static void a_resumed_run_keeps_its_choices(void **state)
{
    (void)state;
    char stored[64];
    const session s =
        choose("choices_kept", alike, checkpoint_of("choices", "epoch1.h5"), false, stored);
    assert_agreed(&s, "A\nby rank 0", false);
    assert_string_equal(stored, "A\nby rank 0");
    const session other =
        choose("choices_newer", newer, checkpoint_of("choices", "epoch1.h5"), false, stored);
    assert_agreed(&other, "B\nby rank 0", true);
    assert_string_equal(stored, "B\nby rank 0");
}

/* A run without timing stores that, so that a resumed run does the same. */
static void deterministic_runs_do_not_time(void **state)
{
    (void)state;
    char stored[64];
    const session s = choose("untimed", alike, NULL, true, stored);
    assert_agreed(&s, "A\n", false);
    assert_string_equal(stored, "A\n");
    const session kept =
        choose("untimed_kept", alike, checkpoint_of("untimed", "epoch1.h5"), false, stored);
    assert_agreed(&kept, "A\n", false);
    const session turned =
        choose("untimed_later", alike, checkpoint_of("choices", "epoch1.h5"), true, stored);
    assert_agreed(&turned, "A\n", false);
    assert_string_equal(stored, "A\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranks_leave_with_the_lowest_ranks_failure),
        cmocka_unit_test(one_rank_trains),
        cmocka_unit_test(ranks_train_what_one_trains),
        cmocka_unit_test(accumulated_batches_on_ranks_too),
        cmocka_unit_test(weighted_losses_on_ranks_too),
        cmocka_unit_test(validation_on_rank_0_gives_the_same),
        cmocka_unit_test(a_stop_of_one_rank_at_any_moment_loses_nothing),
        cmocka_unit_test(a_checkpoint_of_three_ranks_resumes_on_others),
        cmocka_unit_test(the_step_checkpoint_goes_when_the_epoch_is_saved),
        cmocka_unit_test(a_rank_that_cannot_begin_is_named_by_rank_0),
        cmocka_unit_test(ranks_that_compute_differently_are_refused),
        cmocka_unit_test(a_rank_that_cannot_attach_aborts_the_others),
        cmocka_unit_test(a_rank_that_fails_alone_aborts_the_others),
        cmocka_unit_test(all_ranks_take_the_choices_of_rank_0),
        cmocka_unit_test(a_rank_with_another_device_chooses_by_itself),
        cmocka_unit_test(a_resumed_run_keeps_its_choices),
        cmocka_unit_test(deterministic_runs_do_not_time),
    };
    return cmocka_run_group_tests(tests, make_dataset, free_dataset);
}
