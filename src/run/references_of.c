#include "run/references_of.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "sequence/decode.h"
#include "sequence/tokenizer_json.h"

/* Sequences whose ids are read at a time; of a stream those of a shard. */
#define BLOCK 4096

typedef struct {
    const dt_dataset *dataset;
    const dt_lineage_tree *tree;
    dt_tokenizer *tokenizer;
    dt_decoder *decoder;
    dt_reference_collector *collector;
    dt_text letters;
    int64_t left_out;
} collection;

static dt_status add_sequence(collection *c, int64_t i, const char *id)
{
    const uint16_t *tokens;
    const int64_t count = dt_dataset_all_tokens(c->dataset, i, &tokens);
    const int32_t leaf = dt_lineage_tree_leaf(c->tree, dt_dataset_labels(c->dataset, i));
    if (leaf < 0) {
        c->left_out++;
        return DT_OK;
    }
    DT_TRY(dt_decoder_decode(c->decoder, tokens, count, &c->letters));
    return dt_reference_collector_add(c->collector, id, c->letters.data ? c->letters.data : "",
                                      c->letters.length, leaf);
}

/* Adds the sequences items[0 … count-1], the uses from `first` on. */
static dt_status add_block(collection *c, const int64_t *items, int64_t first, int64_t count)
{
    const char **ids;
    DT_TRY(dt_dataset_ids(c->dataset, items, count, &ids));
    dt_status status = DT_OK;
    for (int64_t k = 0; k < count && status == DT_OK; ++k) {
        status = dt_dataset_hold(c->dataset, first + k, 1);
        if (status == DT_OK)
            status = add_sequence(c, items[k], ids[k]);
    }
    free(ids);
    return status;
}

static dt_status add_all(collection *c)
{
    const int64_t total = c->dataset->count;
    const int64_t most =
        c->dataset->stream ? dt_stream_sequences_per_shard(c->dataset->stream) : BLOCK;
    int64_t *items;
    DT_TRY(DT_NEW(items, (size_t)total));
    for (int64_t i = 0; i < total; ++i)
        items[i] = i;
    dt_status status = dt_dataset_begin(c->dataset, items, total, 0);
    for (int64_t first = 0; first < total && status == DT_OK; first += most)
        status = add_block(c, items + first, first, total - first < most ? total - first : most);
    free(items);
    return status;
}

static dt_status create_tokenizer(collection *c)
{
    const dt_dataset *dataset = c->dataset;
    if (dataset->encoding == DT_ENCODING_ONEHOT)
        return dt_tokenizer_create_onehot(&c->tokenizer);
    return dt_tokenizer_from_json(dataset->tokenizer_json, strlen(dataset->tokenizer_json),
                                  dataset->tokenizer_name, &c->tokenizer);
}

static dt_status collect(collection *c, dt_reference_set *out)
{
    DT_TRY(create_tokenizer(c));
    DT_TRY(dt_decoder_create(&c->decoder, c->tokenizer));
    DT_TRY(dt_reference_collector_create(&c->collector));
    DT_TRY(add_all(c));
    if (c->left_out == c->dataset->count)
        return dt_fail(DT_ERR_INPUT, "%s: none of its sequences has a lineage that the model knows",
                       c->dataset->fasta_file);
    return dt_reference_collector_finish(c->collector, out);
}

dt_status dt_references_of(dt_reference_set *out, const dt_dataset *dataset,
                           const dt_lineage_tree *tree, int64_t *left_out)
{
    collection c = {.dataset = dataset, .tree = tree};
    *out = (dt_reference_set){0};
    const dt_status status = collect(&c, out);
    *left_out = c.left_out;
    dt_reference_collector_destroy(c.collector);
    dt_decoder_destroy(c.decoder);
    dt_tokenizer_destroy(c.tokenizer);
    dt_text_free(&c.letters);
    return status;
}
