#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/file.h"
#include "core/memory.h"
#include "io/container.h"
#include "core/bits.h"
#include "data/batch.h"
#include "data/lengths.h"
#include "data/shards.h"
#include "data/survey.h"
#include "change_dataset.h"
#include "small_tokenizer_json.h"
#include "test.h"

#define TAX_RANKS 2
static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/dt-shards-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int run(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int run(const char *format, ...)
{
    char command[512];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    return system(command);
}

static int remove_folder(void **state)
{
    (void)state;
    return run("rm -r %s", folder);
}

static char *in_folder(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* `count` sequences of 0 … 600 tokens; the seed changes the tokens and ids. */
static dt_dataset make_dataset(int64_t count, uint32_t seed)
{
    static const char *const domains[] = {"Archaea", "Bacteria"};
    static const char *const genera[] = {"Größe \"x\"", "Bacillus", "a; b"};
    dt_dataset set = {.count = count, .suffix_count = 1, .normalized = true};
    set.offsets = calloc((size_t)count + 1, sizeof *set.offsets);
    set.id_offsets = calloc((size_t)count + 1, sizeof *set.id_offsets);
    for (int64_t i = 0; i < count; ++i)
        set.offsets[i + 1] = set.offsets[i] + (i * 7919 + seed) % 601;
    set.tokens = calloc((size_t)set.offsets[count] + 1, sizeof *set.tokens);
    for (int64_t i = 0; i < set.offsets[count]; ++i)
        set.tokens[i] = (uint16_t)((i * 40503 + seed) % SMALL_VOCABULARY);
    set.bases = calloc((size_t)count + 1, sizeof *set.bases);
    for (int64_t i = 0; i < count; ++i)
        set.bases[i] = (int32_t)(set.offsets[i + 1] - set.offsets[i] + (i * 104729 + seed) % 901);
    set.labels = calloc((size_t)count * TAX_RANKS + 1, sizeof *set.labels);
    set.ids = calloc((size_t)count + 1, 40);
    for (int64_t i = 0; i < count; ++i) {
        set.labels[i * TAX_RANKS] = (int32_t)(i % 2);
        set.labels[i * TAX_RANKS + 1] = (int32_t)(i % 3);
        set.id_offsets[i + 1] =
            set.id_offsets[i] + 1 +
            sprintf(set.ids + set.id_offsets[i], "id-%ld-%u", (long)i, (unsigned)seed);
    }
    ASSERT_OK(dt_taxonomy_add_rank(&set.taxonomy, "domain", 2, domains));
    ASSERT_OK(dt_taxonomy_add_rank(&set.taxonomy, "genus", 3, genera));
    set.tokenizer_json = strdup(small_tokenizer_json);
    set.tokenizer_name = strdup("dnabert2-tokenizer.json");
    set.fasta_file = strdup("data/train set.fasta.gz");
    set.taxonomy_file = strdup("data/taxonomy.tsv");
    return set;
}

/* The same with a base in place of each token. */
static dt_dataset make_onehot(int64_t count, uint32_t seed)
{
    dt_dataset set = make_dataset(count, seed);
    set.encoding = DT_ENCODING_ONEHOT;
    set.suffix_count = 0;
    for (int64_t i = 0; i < set.offsets[count]; ++i)
        set.tokens[i] %= DT_ONEHOT_IDS;
    for (int64_t i = 0; i < count; ++i)
        set.bases[i] = (int32_t)(set.offsets[i + 1] - set.offsets[i]);
    free(set.tokenizer_json);
    set.tokenizer_json = NULL;
    return set;
}

static void assert_same(const dt_dataset *a, const dt_dataset *b)
{
    assert_int_equal(a->count, b->count);
    const size_t count = (size_t)a->count;
    assert_memory_equal(a->offsets, b->offsets, (count + 1) * sizeof *a->offsets);
    assert_memory_equal(a->id_offsets, b->id_offsets, (count + 1) * sizeof *a->id_offsets);
    if (count) {
        assert_memory_equal(a->tokens, b->tokens, (size_t)a->offsets[count] * sizeof *a->tokens);
        assert_int_equal(a->bases != NULL, b->bases != NULL);
        if (a->bases)
            assert_memory_equal(a->bases, b->bases, count * sizeof *a->bases);
        assert_memory_equal(a->labels, b->labels, count * TAX_RANKS * sizeof *a->labels);
        assert_memory_equal(a->ids, b->ids, (size_t)a->id_offsets[count]);
    }
    assert_true(dt_taxonomy_equal(&a->taxonomy, &b->taxonomy));
    assert_int_equal(a->encoding, b->encoding);
    assert_int_equal(a->tokenizer_json != NULL, b->tokenizer_json != NULL);
    if (a->tokenizer_json)
        assert_string_equal(a->tokenizer_json, b->tokenizer_json);
    assert_string_equal(a->tokenizer_name, b->tokenizer_name);
    assert_int_equal(a->suffix_count, b->suffix_count);
    assert_int_equal(a->normalized, b->normalized);
    assert_string_equal(a->fasta_file, b->fasta_file);
    assert_string_equal(a->taxonomy_file, b->taxonomy_file);
}

static void assert_reads(const dt_dataset *expected)
{
    dt_dataset read;
    ASSERT_OK(dt_shards_read(folder, &read));
    assert_same(expected, &read);
    dt_dataset_free(&read);
}

static void assert_refused(const char *part)
{
    dt_dataset read;
    assert_int_not_equal(dt_shards_read(folder, &read), DT_OK);
    if (!strstr(dt_error_message(), part) || strchr(dt_error_message(), '\n'))
        fail_msg("message '%s' lacks '%s'", dt_error_message(), part);
    assert_null(read.tokens);
    assert_int_equal(read.count, 0);
}

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

static void an_incomplete_folder_is_refused(void **state)
{
    (void)state;
    assert_refused("no shards");
    dt_dataset set = make_dataset(100, 1);
    ASSERT_OK(dt_shards_write(folder, &set, 30));
    unlink(in_folder("dataset.json"));
    assert_refused("the shards are incomplete; run `deeptaxa prepare` again");
    ASSERT_OK(dt_shards_write(folder, &set, 30));
    unlink(in_folder("shard_00002.h5"));
    assert_refused("shard_00002.h5: cannot open");
    run("rm -r %s", folder);
    assert_refused("No such file");
    dt_dataset_free(&set);
    mkdir(folder, 0777);
}

static void a_mixture_of_two_sets_is_refused(void **state)
{
    (void)state;
    dt_dataset set = make_dataset(100, 1);
    dt_dataset other = make_dataset(100, 2);
    ASSERT_OK(dt_shards_write(folder, &other, 30));
    assert_int_equal(
        run("cd %s && cp shard_00001.h5 kept.h5 && cp tokenizer.json kept.json", folder), 0);
    ASSERT_OK(dt_shards_write(folder, &set, 30));
    assert_int_equal(run("cd %s && mv kept.h5 shard_00001.h5", folder), 0);
    assert_refused("shard_00001.h5: a shard of a different set");

    ASSERT_OK(dt_shards_write(folder, &set, 30));
    assert_int_equal(run("cp %s/shard_00001.h5 %s/shard_00002.h5", folder, folder), 0);
    assert_refused("shard_00002.h5: its shard is 1, but dataset.json says 2");

    free(other.tokenizer_json);
    other.tokenizer_json = strdup(small_tokenizer_json);
    *strstr(other.tokenizer_json, "MASK") = 'm';
    ASSERT_OK(dt_shards_write(folder, &other, 30));
    assert_int_equal(run("cd %s && mv kept.json tokenizer.json", folder), 0);
    assert_refused("tokenizer.json: not the tokenizer that these shards were made with");
    dt_dataset_free(&set);
    dt_dataset_free(&other);
}

/* The id of dataset.json covers every byte: no wrong label is ever read. */
static void a_changed_byte_of_dataset_json_is_refused_or_harmless(void **state)
{
    (void)state;
    dt_dataset set = make_dataset(10, 1);
    char *bytes;
    size_t length;
    int refused = 0;
    ASSERT_OK(dt_shards_write(folder, &set, 10));
    ASSERT_OK(dt_read_file(in_folder("dataset.json"), &bytes, &length));
    const int fd = open(in_folder("dataset.json"), O_RDWR);
    for (size_t i = 0; i < length; ++i) {
        const char changed = (char)(bytes[i] ^ (1 << i % 8));
        assert_int_equal(pwrite(fd, &changed, 1, (off_t)i), 1);
        dt_dataset read;
        if (dt_shards_read(folder, &read) == DT_OK)
            assert_same(&set, &read);
        else
            ++refused;
        dt_dataset_free(&read);
        assert_int_equal(pwrite(fd, &bytes[i], 1, (off_t)i), 1);
    }
    assert_true(refused > (int)length / 2);
    close(fd);
    free(bytes);
    dt_dataset_free(&set);
}

static void a_later_version_is_refused(void **state)
{
    (void)state;
    dt_dataset set = make_dataset(20, 1);
    ASSERT_OK(dt_shards_write(folder, &set, 10));
    assert_int_equal(
        run("sed -i 's/\"format_version\": 1/\"format_version\": 3/' %s/dataset.json", folder), 0);
    assert_refused("format version 3; this program reads up to 2");
    dt_dataset_free(&set);
}

/* Older versions did not check ids. */
static void an_id_that_is_not_utf8_is_refused(void **state)
{
    (void)state;
    dt_dataset set = make_dataset(20, 1);
    set.ids[set.id_offsets[12]] = '\xe9';
    ASSERT_OK(dt_shards_write(folder, &set, 10));
    assert_refused("shard_00001.h5: an id is not UTF-8");
    dt_dataset_free(&set);
}

/* ---- files that someone has changed, with the right checksums ---------------------------------- */

static void assert_not_streamed(const char *part)
{
    dt_dataset read;
    int64_t per_shard;
    ASSERT_FAILS(DT_ERR_INPUT, part, dt_shards_stream(folder, 2, &read, &per_shard));
    assert_null(read.stream);
}

static json_t *load_json(void)
{
    json_t *root = json_load_file(in_folder("dataset.json"), 0, NULL);
    assert_non_null(root);
    return root;
}

/* Sets a key of dataset.json, or of its second rank, and makes the id right. */
static void change_json(const char *key, const char *value, bool of_rank)
{
    json_t *root = load_json();
    json_t *to = of_rank ? json_array_get(json_object_get(root, "ranks"), 1) : root;
    json_object_set_new(to, key, json_loads(value, JSON_DECODE_ANY, NULL));
    renew_dataset_id(root);
    assert_int_equal(json_dump_file(root, in_folder("dataset.json"), 0), 0);
    json_decref(root);
}

/* The helper computes the id that is written, otherwise the next test shows nothing. */
static void the_id_of_an_unchanged_file_stays(void **state)
{
    (void)state;
    for (int onehot = 0; onehot < 2; ++onehot) {
        dt_dataset set = onehot ? make_onehot(20, 1) : make_dataset(20, 1);
        ASSERT_OK(dt_shards_write(folder, &set, 10));
        change_json("sequences", "20", false);
        assert_reads(&set);
        dt_dataset_free(&set);
    }
}

static void a_dataset_json_that_contradicts_itself_is_refused(void **state)
{
    static const struct {
        const char *key, *value, *message;
        bool of_rank;
    } change[] = {
        {"sequences", "-1", "'sequences' is not a whole number from 0 to", false},
        {"sequences", "1e3", "'sequences' is not a whole number", false},
        {"sequences", "9223372036854775807", "'sequences' is not a whole number", false},
        {"sequences", "31", "31 sequences in shards of 10 are not 2 shards", false},
        {"sequences", "0", "0 sequences in shards of 10 are not 2 shards", false},
        {"sequences_per_shard", "0", "sequences_per_shard is 0", false},
        {"sequences_per_shard", "100000001", "not a whole number from 0 to 100000000", false},
        {"shards", "3", "20 sequences in shards of 10 are not 3 shards", false},
        {"shards", "4294967298", "'shards' is not a whole number", false},
        {"tokens", "4611686018427387904", "'tokens' is not a whole number", false},
        {"suffix_count", "2147483647", "'suffix_count' is not a whole number from 0 to 8", false},
        {"suffix_count", "2",
         "tokenizer.json: ends a sequence with 1 tokens, but dataset.json says 2", false},
        {"normalized", "1", "'normalized' is neither true nor false", false},
        {"normalized", "null", "'normalized' is neither true nor false", false},
        {"data_checksum", "\"crc32:\"", "data_checksum is 'crc32:'", false},
        {"data_checksum", "\"crc32:000000000000000G\"", "data_checksum is 'crc32:0", false},
        {"tokenizer_hash", "\"none\"", "tokenizer_hash is 'none' with encoding dnabert", false},
        {"tokenizer_hash", "\"fnv1a64:0123456789abcdef\"", "not the tokenizer that these", false},
        {"tokenizer_name", "\"\"", "it has no text 'tokenizer_name'", false},
        {"encoding", "\"two-hot\"", "the encoding 'two-hot' is unknown", false},
        {"encoding", "\"onehot\"", "format_version is 1 with encoding onehot", false},
        {"format_version", "0", "format_version is 0 with encoding dnabert", false},
        {"ranks", "[]", "it has no taxonomic ranks", false},
        {"ranks", "{}", "it has no 'ranks'", false},
        {"ranks", "[{\"name\": \"domain\"}]", "rank 0 has no name or no labels", false},
        {"name", "\"\"", "rank 1 has the name ''", true},
        {"name", "\"Domain\"", "two ranks are named 'Domain'", true},
        {"name", "\"ge\\nnus\"", "rank 1 has the name", true},
        {"labels", "[]", "rank 'genus' has no labels", true},
        {"labels", "[\"a\", \"b\", \"a\"]", "the label 'a' occurs twice", true},
        {"labels", "[\"a\", \"b\", \"\"]", "rank 'genus' has the label ''", true},
        {"labels", "[\"a\", \"b\", \"c\\nd\"]", "rank 'genus' has the label", true},
        {"labels", "[\"a\", \"b\", 3]", "label 2 of rank 'genus' is no text", true},
        /* what agrees with itself is not what the shards were made with */
        {"labels", "[\"a\", \"b\", \"c\"]", "shard_00000.h5: a shard of a different set", true},
        {"tokens", "7", "shard_00000.h5: a shard of a different set", false},
    };
    (void)state;
    dt_dataset set = make_dataset(20, 1);
    ASSERT_OK(dt_shards_write(folder, &set, 10));
    assert_int_equal(run("cp %s/dataset.json %s/kept", folder, folder), 0);
    for (size_t i = 0; i < sizeof change / sizeof *change; ++i) {
        assert_int_equal(run("cp %s/kept %s/dataset.json", folder, folder), 0);
        change_json(change[i].key, change[i].value, change[i].of_rank);
        assert_refused(change[i].message);
        assert_not_streamed(change[i].message);
    }
    dt_dataset_free(&set);
}

/* Shapes of the arrays of a shard whose attributes are those of dataset.json. */
typedef struct {
    int64_t sequences; /* by its attribute */
    int64_t offsets, labels, ids, lengths;
} shard_shapes;

/* Replaces a shard by one with these shapes. Its offsets are 0, and its ids empty. */
static void put_shard(int64_t shard, int64_t tokens, const shard_shapes *shape)
{
    static const uint16_t no_tokens[10000];
    static const int64_t no_offsets[64];
    static const int32_t no_labels[128];
    static const uint8_t no_ids[64];
    json_t *root = load_json();
    char name[32];
    dt_container *file;
    snprintf(name, sizeof name, "shard_%05d.h5", (int)shard);
    ASSERT_OK(dt_container_create(&file, in_folder(name), "deeptaxa-shard", 1));
    const char *const texts[][2] = {{"dataset_id", "id"}, {"tokenizer_hash", "tokenizer_hash"}};
    for (int i = 0; i < 2; ++i)
        ASSERT_OK(dt_container_put_attribute_text(
            file, "", texts[i][0], json_string_value(json_object_get(root, texts[i][1]))));
    ASSERT_OK(dt_container_put_attribute_int(file, "", "shard", shard));
    ASSERT_OK(dt_container_put_attribute_int(file, "", "first_sequence", shard * 10));
    ASSERT_OK(dt_container_put_attribute_int(file, "", "sequences", shape->sequences));
    const int64_t labels[2] = {shape->labels, TAX_RANKS};
    ASSERT_OK(dt_container_put_array(file, "tokens", DT_ELEMENT_UINT16, 1, &tokens, no_tokens));
    ASSERT_OK(
        dt_container_put_array(file, "offsets", DT_ELEMENT_INT64, 1, &shape->offsets, no_offsets));
    ASSERT_OK(dt_container_put_array(file, "labels", DT_ELEMENT_INT32, 2, labels, no_labels));
    ASSERT_OK(dt_container_put_array(file, "ids", DT_ELEMENT_UINT8, 1, &shape->ids, no_ids));
    ASSERT_OK(
        dt_container_put_array(file, "lengths", DT_ELEMENT_INT32, 1, &shape->lengths, no_labels));
    ASSERT_OK(dt_container_commit(file));
    json_decref(root);
}

/* Their numbers of sequences and tokens add up to those of dataset.json. */
static void shards_of_other_shapes_are_refused(void **state)
{
    static const struct {
        shard_shapes shape;
        const char *message;
    } change[] = {
        {{10, 22, 21, 21, 21}, "the shape of 'offsets' is not that of 11 sequences"},
        {{10, 12, 11, 11, 11}, "the shape of 'offsets' is not that of 11 sequences"},
        {{10, 0, 10, 10, 10}, "the shape of 'offsets'"},
        {{10, 11, 9, 10, 10}, "the shape of 'labels' is not that of 10 sequences"},
        {{10, 11, 10, 10, 30}, "the shape of 'lengths' is not that of 10 sequences"},
        {{11, 12, 11, 11, 11}, "its sequences is 11, but dataset.json says 10"},
    };
    (void)state;
    dt_dataset set = make_dataset(20, 1);
    ASSERT_OK(dt_shards_write(folder, &set, 10));
    const int64_t tokens[] = {set.offsets[10], set.offsets[20] - set.offsets[10]};
    put_shard(1, tokens[1], &(shard_shapes){10, 0, 0, 0, 0});
    for (size_t i = 0; i < sizeof change / sizeof *change; ++i) {
        put_shard(0, tokens[0], &change[i].shape);
        assert_refused(change[i].message);
        assert_not_streamed(change[i].message);
    }
    dt_dataset_free(&set);
}

/* Reads as a stream what is in the shards, and all ids. */
static dt_status use_stream(void)
{
    static const int64_t order[] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,
                                    10, 11, 12, 13, 14, 15, 16, 17, 18, 19};
    static const uint8_t marks[3];
    dt_dataset set;
    dt_survey *survey;
    int64_t per_shard;
    const char **ids = NULL;
    ASSERT_OK(dt_shards_stream(folder, 2, &set, &per_shard));
    dt_status status = dt_survey_create(&survey, set.stream, &set.taxonomy, marks, 20);
    if (status == DT_OK)
        dt_survey_free(survey);
    if (status == DT_OK)
        status = dt_dataset_begin(&set, order, 20, 0);
    if (status == DT_OK)
        status = dt_dataset_hold(&set, 0, 20);
    if (status == DT_OK)
        status = dt_dataset_ids(&set, order, 20, &ids);
    free(ids);
    dt_dataset_free(&set);
    return status;
}

static void assert_refused_while_used(const dt_dataset *set, const char *part)
{
    ASSERT_OK(dt_shards_write(folder, set, 10));
    assert_refused(part);
    ASSERT_FAILS(DT_ERR_INPUT, part, use_stream());
}

static void values_of_shards_that_do_not_agree_are_refused(void **state)
{
    (void)state;
    dt_dataset set = make_dataset(20, 1);
    ASSERT_OK(dt_shards_write(folder, &set, 10));
    ASSERT_OK(use_stream());
    set.tokens[set.offsets[11]] = SMALL_VOCABULARY;
    assert_refused_while_used(&set, "shard_00001.h5: contains an invalid token (12, of 12)");
    set.tokens[set.offsets[11]] = 0;
    set.bases[12] = (int32_t)(set.offsets[13] - set.offsets[12]) - 3; /* without [CLS] and [SEP] */
    assert_refused_while_used(&set, "shard_00001.h5: the length of a sequence does not agree");
    set.bases[12] += 1;
    set.ids[set.id_offsets[13]] = ' ';
    assert_refused_while_used(&set, "shard_00001.h5: an id contains a blank or the end of a line");
    set.ids[set.id_offsets[13]] = 'i';
    set.labels[19] = 3;
    assert_refused_while_used(&set, "shard_00000.h5: a label is not in dataset.json");
    dt_dataset_free(&set);
    set = make_onehot(20, 1);
    set.bases[12] += 1;
    assert_refused_while_used(&set, "shard_00001.h5: the length of a sequence does not agree");
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
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        TEST(shards_hold_the_dataset_whatever_their_size),
        TEST(shards_without_lengths_are_read),
        TEST(bases_are_kept_as_bytes_without_a_tokenizer),
        TEST(a_stream_equals_memory),
        TEST(a_survey_takes_memory_for_the_sequences_that_there_are),
        TEST(an_empty_set_is_written_and_read),
        TEST(an_incomplete_folder_is_refused),
        TEST(a_mixture_of_two_sets_is_refused),
        TEST(a_changed_byte_of_dataset_json_is_refused_or_harmless),
        TEST(a_later_version_is_refused),
        TEST(an_id_that_is_not_utf8_is_refused),
        TEST(the_id_of_an_unchanged_file_stays),
        TEST(a_dataset_json_that_contradicts_itself_is_refused),
        TEST(shards_of_other_shapes_are_refused),
        TEST(values_of_shards_that_do_not_agree_are_refused),
        TEST(a_full_disk_leaves_the_older_shards),
        TEST(the_message_names_a_label_that_is_not_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
