#include "small_set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "data/shards.h"
#include "fuzz.h"
#include "small_tokenizer_json.h"

#define SEQUENCES 6

uint8_t *small_set_shard, *small_set_description;
size_t small_set_shard_size, small_set_description_size;

static void write_set(void)
{
    static const char *const labels[] = {"Archaea", "Bacteria"};
    static char ids[] = "a\0bb\0c\0dddd\0e\0f";
    static int64_t id_offsets[SEQUENCES + 1] = {0, 2, 5, 7, 12, 14, 16};
    static int64_t offsets[SEQUENCES + 1] = {0, 5, 5, 9, 20, 21, 30};
    static uint16_t tokens[30];
    static int32_t bases[SEQUENCES] = {20, 0, 16, 44, 4, 36};
    static int32_t classes[2 * SEQUENCES] = {0, 0, 0, 1, 1, 0, 1, 1, 0, 1, 1, 0};
    dt_dataset set = {.count = SEQUENCES,
                      .tokens = tokens,
                      .offsets = offsets,
                      .bases = bases,
                      .labels = classes,
                      .ids = ids,
                      .id_offsets = id_offsets,
                      .suffix_count = 1,
                      .normalized = true,
                      .tokenizer_json = strdup(small_tokenizer_json),
                      .tokenizer_name = strdup("tokenizer.json"),
                      .fasta_file = strdup("train.fasta"),
                      .taxonomy_file = strdup("train.tsv")};
    for (size_t i = 0; i < 30; ++i)
        tokens[i] = (uint16_t)(i * 7919 % SMALL_VOCABULARY);
    FUZZ_CHECK(dt_taxonomy_add_rank(&set.taxonomy, "domain", 2, labels) == DT_OK &&
               dt_taxonomy_add_rank(&set.taxonomy, "genus", 2, labels) == DT_OK);
    FUZZ_CHECK(fuzz_succeeded(dt_shards_write(fuzz_folder(), &set, SEQUENCES)));
    dt_taxonomy_free(&set.taxonomy);
    free(set.tokenizer_json);
    free(set.tokenizer_name);
    free(set.fasta_file);
    free(set.taxonomy_file);
}

/* Takes the bytes of a file of the set, which becomes a link to fuzz_file(number). */
static void take(int number, const char *name, uint8_t **bytes, size_t *size)
{
    char path[128];
    char *read;
    snprintf(path, sizeof path, "%s/%s", fuzz_folder(), name);
    FUZZ_CHECK(fuzz_succeeded(dt_read_file(path, &read, size)));
    *bytes = (uint8_t *)read;
    FUZZ_CHECK(unlink(path) == 0 && symlink(fuzz_file(number, read, *size), path) == 0);
}

void small_set_make(void)
{
    if (small_set_shard)
        return;
    fuzz_file(0, "", 0); /* no messages */
    write_set();
    take(SMALL_SET_SHARD, "shard_00000.h5", &small_set_shard, &small_set_shard_size);
    take(SMALL_SET_DESCRIPTION, "dataset.json", &small_set_description,
         &small_set_description_size);
}

static void use(const dt_dataset *set)
{
    int32_t tokens[8];
    for (int64_t i = 0; i < set->count; ++i) {
        const int32_t *labels = dt_dataset_labels(set, i);
        for (int32_t r = 0; r < set->taxonomy.tax_ranks; ++r)
            FUZZ_CHECK(labels[r] >= 0 && labels[r] < set->taxonomy.rank[r].classes);
        const int32_t count = dt_dataset_tokens(set, i, 8, tokens);
        FUZZ_CHECK(count >= 0 && count <= 8 && count == dt_dataset_length(set, i, 8));
        FUZZ_CHECK(dt_dataset_bases(set, i) >= -1);
        if (!set->stream)
            FUZZ_CHECK(set->id_offsets[i] + (int64_t)strlen(dt_dataset_id(set, i)) + 1 ==
                       set->id_offsets[i + 1]);
    }
}

static void use_stream(void)
{
    static const int64_t order[SEQUENCES] = {5, 0, 1, 2, 4, 3};
    dt_dataset set;
    int64_t per_shard;
    if (!fuzz_succeeded(dt_shards_stream(fuzz_folder(), 1, &set, &per_shard)))
        return;
    FUZZ_CHECK(set.count == SEQUENCES && per_shard >= SEQUENCES);
    if (fuzz_succeeded(dt_dataset_begin(&set, order, SEQUENCES, 0)) &&
        fuzz_succeeded(dt_dataset_hold(&set, 0, SEQUENCES)))
        use(&set);
    dt_dataset_free(&set);
}

void small_set_use(void)
{
    dt_dataset set;
    if (fuzz_succeeded(dt_shards_read(fuzz_folder(), &set))) {
        use(&set);
        dt_dataset_free(&set);
    }
    if (fuzz_succeeded(dt_shards_read_index(fuzz_folder(), &set)))
        dt_dataset_free(&set);
    use_stream();
}
