/* Shards: what is written is read, in memory or as a stream. */
#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/bits.h"
#include "data/batch.h"
#include "data/lengths.h"
#include "data/survey.h"
#include "io/container.h"
#include "shard_sets.h"

static void shards_hold_the_dataset_whatever_their_size(void **state)
{
    (void)state;
    dt_dataset set = make_dataset(200, 1);
    const int64_t sizes[] = {200, 3, 199, 50, 5000, 40};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i) {
        ASSERT_OK(dt_shards_write(folder, &set, sizes[i]));
        assert_reads(&set);
        /* those of the previous run are removed */
        assert_int_equal(
            run("test $(ls %s | wc -l) = %d", folder, (int)((200 + sizes[i] - 1) / sizes[i]) + 2),
            0);
    }
    dt_dataset_free(&set);
}

static void shards_without_lengths_are_read(void **state)
{
    (void)state;
    dt_dataset set = make_dataset(200, 1);
    free(set.bases);
    set.bases = NULL;
    ASSERT_OK(dt_shards_write(folder, &set, 40));
    assert_reads(&set);
    /* ... and invalid lengths are refused */
    set.bases = calloc(200, sizeof *set.bases);
    for (int i = 0; i < 200; ++i)
        set.bases[i] = i == 77 ? -1 : 600;
    ASSERT_OK(dt_shards_write(folder, &set, 40));
    assert_refused("shard_00001.h5: a sequence has a negative length");
    dt_dataset_free(&set);
}

static void bases_are_kept_as_bytes_without_a_tokenizer(void **state)
{
    (void)state;
    dt_dataset tokens = make_dataset(200, 1);
    dt_dataset bases = make_onehot(200, 1);
    ASSERT_OK(dt_shards_write(folder, &tokens, 50)); /* its tokenizer.json must be removed below */
    ASSERT_OK(dt_shards_write(folder, &bases, 30));
    assert_reads(&bases);
    assert_int_equal(run("test $(ls %s | wc -l) = %d", folder, 7 + 1), 0);
    assert_int_equal(run("grep -q '\"encoding\": \"onehot\"' %s/dataset.json", folder), 0);
    dt_container *file;
    dt_array_info info;
    ASSERT_OK(dt_container_open(&file, in_folder("shard_00000.h5"), "deeptaxa-shard", 2, NULL));
    ASSERT_OK(dt_container_info(file, "bases", &info));
    assert_int_equal(info.element, DT_ELEMENT_UINT8);
    assert_int_equal(info.shape[0], bases.offsets[30]);
    dt_container_close(file);
    bases.tokens[100] = DT_ONEHOT_IDS;
    ASSERT_OK(dt_shards_write(folder, &bases, 30));
    assert_refused("shard_00000.h5: contains an invalid base (5, of 5)");
    dt_dataset_free(&bases);
    dt_dataset_free(&tokens);
}

/* What is found shard by shard is what the whole set says: every third sequence validates. */
static void assert_survey(const dt_dataset *streamed, const dt_dataset *set)
{
    uint8_t marks[25] = {0};
    int64_t training[200];
    int64_t count = 0;
    int64_t tokens = 0;
    dt_survey *survey;
    dt_lineage_tree tree;
    dt_length_quantiles lengths;
    for (int64_t i = 0; i < 200; ++i) {
        dt_bit_set(marks, i, i % 3 == 2);
        if (i % 3 == 2)
            continue;
        training[count++] = i;
        tokens += dt_dataset_length(set, i, 20);
    }
    ASSERT_OK(dt_survey_create(&survey, streamed->stream, &set->taxonomy, marks, 20));
    assert_int_equal(survey->training_tokens, tokens);
    int64_t first = 0;
    for (int32_t r = 0; r < TAX_RANKS; first += set->taxonomy.rank[r++].classes)
        for (int32_t c = 0; c < set->taxonomy.rank[r].classes; ++c) {
            int64_t found = 0;
            for (int64_t k = 0; k < count; ++k)
                found += dt_dataset_labels(set, training[k])[r] == c;
            assert_int_equal(survey->label_counts[first + c], found);
        }
    ASSERT_OK(dt_lineage_tree_build(&tree, set->labels, 200, TAX_RANKS));
    assert_true(dt_lineage_tree_equal(&tree, &survey->lineages));
    ASSERT_OK(dt_length_quantiles_of(&lengths, set, training, count));
    assert_memory_equal(lengths.bases, survey->lengths.bases, sizeof lengths.bases);
    assert_true(survey->lengths.known);
    dt_dataset known = *streamed;
    known.survey = survey;
    for (int32_t micro_batch = 1; micro_batch <= 200; micro_batch += 33) {
        int64_t most;
        ASSERT_OK(dt_batch_max_tokens(set, 20, micro_batch, &tokens));
        ASSERT_OK(dt_batch_max_tokens(&known, 20, micro_batch, &most));
        assert_int_equal(most, tokens);
    }
    dt_lineage_tree_free(&tree);
    dt_survey_free(survey);
}

/* Memory for the address space of a few lengths and shards of a million, not for what they say. */
static int survey_under_limit(dt_dataset *set)
{
    const struct rlimit size = {(size_t)1 << 30, RLIM_INFINITY};
    dt_dataset streamed;
    int64_t per_shard;
    if (setrlimit(RLIMIT_AS, &size) != 0)
        return 77;
    ASSERT_OK(dt_shards_write(folder, set, 100000000));
    ASSERT_OK(dt_shards_stream(folder, 2, &streamed, &per_shard));
    assert_survey(&streamed, set);
    dt_dataset_free(&streamed);
    return 0;
}

static void a_survey_takes_memory_for_the_sequences_that_there_are(void **state)
{
    (void)state;
#ifdef __SANITIZE_ADDRESS__
    skip(); /* it has an address space of its own */
#endif
    dt_dataset set = make_dataset(200, 1);
    set.bases[0] = set.bases[100] = INT32_MAX;
    set.bases[1] = set.bases[199] = 1 << 20;
    set.bases[3] = (1 << 20) - 1;
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0)
        _exit(survey_under_limit(&set));
    int result;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_true(WIFEXITED(result) && WEXITSTATUS(result) == 0);
    dt_dataset_free(&set);
}

/* Streamed sequences are truncated like those in memory; a shard damaged meanwhile is refused. */
static void assert_streams(dt_dataset set)
{
    dt_dataset streamed;
    int64_t per_shard;
    int64_t order[200];
    int32_t expected[128];
    int32_t out[128];
    ASSERT_OK(dt_shards_write(folder, &set, 30));
    ASSERT_OK(dt_shards_stream(folder, 2, &streamed, &per_shard));
    assert_int_equal(per_shard, 30);
    assert_null(streamed.tokens);
    for (int64_t i = 0; i < 200; ++i)
        order[i] = 199 - i;
    ASSERT_OK(dt_dataset_begin(&streamed, order, 200, 0));
    for (int64_t use = 0; use < 200; ++use) {
        ASSERT_OK(dt_dataset_hold(&streamed, use, 1));
        const int32_t length = dt_dataset_tokens(&set, order[use], 128, expected);
        assert_int_equal(dt_dataset_tokens(&streamed, order[use], 128, out), length);
        assert_memory_equal(out, expected, (size_t)length * sizeof *out);
        assert_memory_equal(dt_dataset_labels(&streamed, order[use]),
                            dt_dataset_labels(&set, order[use]), TAX_RANKS * sizeof(int32_t));
    }
    const int64_t some[] = {0, 29, 30, 31, 150, 199};
    const char **ids;
    ASSERT_OK(dt_dataset_ids(&streamed, some, 6, &ids));
    for (int k = 0; k < 6; ++k)
        assert_string_equal(ids[k], dt_dataset_id(&set, some[k]));
    free(ids);
    assert_survey(&streamed, &set);
    assert_int_equal(run("truncate -s -100 %s/shard_00006.h5", folder), 0);
    ASSERT_OK(dt_dataset_begin(&streamed, order, 200, 0));
    const dt_status status = dt_dataset_hold(&streamed, 0, 1);
    assert_int_equal(status, DT_ERR_INPUT);
    assert_non_null(strstr(dt_error_message(), "shard_00006.h5"));
    dt_dataset_free(&streamed);
    dt_dataset_free(&set);
}

static void a_stream_equals_memory(void **state)
{
    (void)state;
    assert_streams(make_dataset(200, 1));
    assert_streams(make_onehot(200, 1));
}

static void an_empty_set_is_written_and_read(void **state)
{
    (void)state;
    dt_dataset set = make_dataset(0, 1);
    ASSERT_OK(dt_shards_write(folder, &set, 10));
    assert_reads(&set);
    dt_dataset_free(&set);
}

/* In a process of its own: no file may grow beyond `limit` bytes. */
static int write_under_limit(const dt_dataset *set, size_t limit)
{
    const struct rlimit size = {limit, RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &size) != 0)
        return 2;
    return dt_shards_write(folder, set, 400) == DT_ERR_IO &&
                   strstr(dt_error_message(), "File too large")
               ? 0
               : 1;
}

static void a_full_disk_leaves_the_older_shards(void **state)
{
    (void)state;
    dt_dataset older = make_dataset(500, 1);
    dt_dataset newer = make_dataset(1000, 2);
    ASSERT_OK(dt_shards_write(folder, &older, 100));
    const size_t limits[] = {0, 10000, 50000, 200000};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; ++i) {
        fflush(NULL);
        const pid_t child = fork();
        if (child == 0)
            exit(write_under_limit(&newer, limits[i]));
        int result;
        assert_int_equal(waitpid(child, &result, 0), child);
        assert_true(WIFEXITED(result) && WEXITSTATUS(result) == 0);
        assert_reads(&older);
        assert_int_equal(run("test $(ls %s | wc -l) = 7", folder), 0);
    }
    ASSERT_OK(dt_shards_write(folder, &newer, 400));
    assert_reads(&newer);
    dt_dataset_free(&older);
    dt_dataset_free(&newer);
}

static void the_message_names_a_label_that_is_not_utf8(void **state)
{
    (void)state;
    dt_dataset set = make_dataset(10, 1);
    static const char *const latin1[] = {"Gr\xf6\xdf"};
    ASSERT_OK(dt_taxonomy_add_rank(&set.taxonomy, "species", 1, latin1));
    free(set.labels);
    set.labels = calloc(30, sizeof *set.labels);
    ASSERT_FAILS(DT_ERR_INPUT, "of rank species is not UTF-8", dt_shards_write(folder, &set, 10));
    assert_int_equal(run("test -z \"$(ls %s)\"", folder), 0);
    dt_dataset_free(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SHARD_TEST(shards_hold_the_dataset_whatever_their_size),
        SHARD_TEST(shards_without_lengths_are_read),
        SHARD_TEST(bases_are_kept_as_bytes_without_a_tokenizer),
        SHARD_TEST(a_stream_equals_memory),
        SHARD_TEST(a_survey_takes_memory_for_the_sequences_that_there_are),
        SHARD_TEST(an_empty_set_is_written_and_read),
        SHARD_TEST(a_full_disk_leaves_the_older_shards),
        SHARD_TEST(the_message_names_a_label_that_is_not_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
