/* A folder of shards for each test, and data sets to write there. */
#ifndef DT_TESTS_SHARD_SETS_H
#define DT_TESTS_SHARD_SETS_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/shards.h"
#include "small_tokenizer_json.h"
#include "test.h"

#define TAX_RANKS 2
static char folder[64];

static inline int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/dt-shards-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static inline int run(const char *format, ...) __attribute__((format(printf, 1, 2)));
static inline int run(const char *format, ...)
{
    char command[512];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    return system(command);
}

static inline int remove_folder(void **state)
{
    (void)state;
    return run("rm -r %s", folder);
}

static inline char *in_folder(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* `count` sequences of 0 … 600 tokens; the seed changes the tokens and ids. */
static inline dt_dataset make_dataset(int64_t count, uint32_t seed)
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
static inline dt_dataset make_onehot(int64_t count, uint32_t seed)
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

static inline void assert_same(const dt_dataset *a, const dt_dataset *b)
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

static inline void assert_reads(const dt_dataset *expected)
{
    dt_dataset read;
    ASSERT_OK(dt_shards_read(folder, &read));
    assert_same(expected, &read);
    dt_dataset_free(&read);
}

static inline void assert_refused(const char *part)
{
    dt_dataset read;
    assert_int_not_equal(dt_shards_read(folder, &read), DT_OK);
    if (!strstr(dt_error_message(), part) || strchr(dt_error_message(), '\n'))
        fail_msg("message '%s' lacks '%s'", dt_error_message(), part);
    assert_null(read.tokens);
    assert_int_equal(read.count, 0);
}

#define SHARD_TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

#endif
