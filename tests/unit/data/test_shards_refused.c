/* Shards that are refused: incomplete, mixed, or changed by someone, with the right checksums. */
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include "change_dataset.h"
#include "core/file.h"
#include "io/container.h"
#include "shard_sets.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        SHARD_TEST(an_incomplete_folder_is_refused),
        SHARD_TEST(a_mixture_of_two_sets_is_refused),
        SHARD_TEST(a_changed_byte_of_dataset_json_is_refused_or_harmless),
        SHARD_TEST(a_later_version_is_refused),
        SHARD_TEST(an_id_that_is_not_utf8_is_refused),
        SHARD_TEST(the_id_of_an_unchanged_file_stays),
        SHARD_TEST(a_dataset_json_that_contradicts_itself_is_refused),
        SHARD_TEST(shards_of_other_shapes_are_refused),
        SHARD_TEST(values_of_shards_that_do_not_agree_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
