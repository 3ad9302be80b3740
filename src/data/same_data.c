#include "data/same_data.h"

#include <stdio.h>

#include "core/hash.h"
#include "core/memory.h"

#define MOST_BLOCKS 1024

static uint64_t hash_taxonomy(const dt_taxonomy *taxonomy)
{
    uint64_t hash = DT_HASH_START;
    for (int32_t r = 0; r < taxonomy->tax_ranks; ++r) {
        const dt_tax_rank *rank = &taxonomy->rank[r];
        hash = dt_hash_add(dt_hash_text(hash, rank->name), (uint64_t)rank->classes);
        for (int32_t c = 0; c < rank->classes; ++c)
            hash = dt_hash_text(hash, rank->label[c]);
    }
    return hash;
}

static dt_status add_set(dt_text *out, const dt_dataset *dataset)
{
    const char *tokenizer = dataset->tokenizer_json ? dataset->tokenizer_json : "";
    DT_TRY(dt_text_addf(out, "%lld sequences\n", (long long)dataset->count));
    if (dataset->stream)
        DT_TRY(dt_text_addf(out, "shards of %lld sequences with checksum %s\n",
                            (long long)dt_stream_sequences_per_shard(dataset->stream),
                            dataset->checksum));
    DT_TRY(dt_text_addf(out, "a tokenizer of hash %016llx\n",
                        (unsigned long long)dt_hash_text(DT_HASH_START, tokenizer)));
    return dt_text_addf(out, "names of labels of hash %016llx\n",
                        (unsigned long long)hash_taxonomy(&dataset->taxonomy));
}

/* Adds the hashes of the sequences first … end-1. */
static dt_status add_block(dt_text *out, const dt_dataset *dataset, const dt_fingerprints *f,
                           const uint32_t *content, int64_t first, int64_t end)
{
    char where[192];
    const char *id = dt_dataset_id(dataset, first);
    uint64_t labels = DT_HASH_START;
    uint64_t bases = DT_HASH_START;
    for (int64_t i = first; i < end; ++i) {
        labels = dt_hash_add(dt_hash_add(labels, f->ids[i]), f->labels[i]);
        bases = dt_hash_add(bases, content ? content[i] : 0);
    }
    if (end == first + 1)
        snprintf(where, sizeof where, "sequence %lld (%.100s)", (long long)end, id);
    else
        snprintf(where, sizeof where, "sequences %lld to %lld (the first is %.100s)",
                 (long long)first + 1, (long long)end, id);
    DT_TRY(dt_text_addf(out, "ids and labels of hash %016llx in %s\n", (unsigned long long)labels,
                        where));
    return dt_text_addf(out, "bases of hash %016llx in %s\n", (unsigned long long)bases, where);
}

dt_status dt_same_data(dt_comm *comm, const dt_dataset *dataset, const dt_fingerprints *sequences,
                       const uint32_t *content, bool *agreed)
{
    const int64_t count = dataset->stream ? 0 : dataset->count;
    const int64_t size = (count + MOST_BLOCKS - 1) / MOST_BLOCKS;
    dt_text text = {0};
    dt_status status = add_set(&text, dataset);
    for (int64_t i = 0; status == DT_OK && i < count; i += size)
        status =
            add_block(&text, dataset, sequences, content, i, i + size < count ? i + size : count);
    if (status == DT_OK)
        status = dt_agree_on(comm, text.data, "give all ranks the same files", agreed);
    dt_text_free(&text);
    return status;
}
