/* Makes the id of a changed dataset.json right again, so that what follows the check of the id is tested:
 * the id is no secret. Written from the description in src/data/dataset_json.h, not with its code. */
#ifndef DT_TESTS_CHANGE_DATASET_H
#define DT_TESTS_CHANGE_DATASET_H

#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/hash.h"

/* A number, or true or false as one; a text; 0 or "" for anything else. */
static inline uint64_t hash_field(uint64_t hash, const json_t *value, bool text)
{
    char number[32];
    const json_int_t integer =
        json_is_boolean(value) ? (json_int_t)json_is_true(value) : json_integer_value(value);
    snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, integer);
    const char *found = json_string_value(value);
    return dt_hash_text(hash, text ? (found ? found : "") : number);
}

static inline uint64_t hash_rank(uint64_t hash, const json_t *rank)
{
    const json_t *labels = json_object_get(rank, "labels");
    char classes[32];
    snprintf(classes, sizeof classes, "%zu", json_array_size(labels));
    hash = hash_field(hash, json_object_get(rank, "name"), true);
    hash = dt_hash_text(hash, classes);
    for (size_t i = 0; i < json_array_size(labels); ++i)
        hash = hash_field(hash, json_array_get(labels, i), true);
    return hash;
}

/* Sets the key `id`. */
static inline void renew_dataset_id(json_t *root)
{
    static const struct {
        const char *key;
        bool text;
    } field[] = {{"format_version", false},      {"encoding", true},
                 {"sequences", false},           {"tokens", false},
                 {"sequences_per_shard", false}, {"shards", false},
                 {"data_checksum", true},        {"tokenizer_hash", true},
                 {"tokenizer_name", true},       {"suffix_count", false},
                 {"normalized", false},          {"fasta_file", true},
                 {"taxonomy_file", true}};
    const json_t *ranks = json_object_get(root, "ranks");
    const char *encoding = json_string_value(json_object_get(root, "encoding"));
    uint64_t hash = DT_HASH_START;
    char id[32];
    for (size_t i = 0; i < sizeof field / sizeof *field; ++i) {
        const json_t *value = json_object_get(root, field[i].key);
        if (strcmp(field[i].key, "encoding") == 0 &&
            (!encoding || strcmp(encoding, "dnabert") == 0))
            continue;
        hash = hash_field(hash, value, field[i].text);
    }
    for (size_t r = 0; r < json_array_size(ranks); ++r)
        hash = hash_rank(hash, json_array_get(ranks, r));
    snprintf(id, sizeof id, "%016" PRIx64, hash);
    json_object_set_new(root, "id", json_string(id));
}

#endif
