#include "data/fingerprints.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/hash.h"
#include "core/memory.h"

uint32_t dt_token_hash(const uint16_t *tokens, int64_t count)
{
    uint64_t hash = DT_HASH_START;
    for (int64_t t = 0; t < count; ++t)
        hash = dt_hash_add(hash, tokens[t]);
    return dt_hash_fold(hash);
}

/* ---- computation -------------------------------------------------------------------------------
 */

static void hash_ids(dt_fingerprints *out, const dt_dataset *dataset)
{
    for (int64_t i = 0; i < dataset->count; ++i)
        out->ids[i] = dt_hash_text(DT_HASH_START, dt_dataset_id(dataset, i));
}

/* Hashes the names of the labels, since their numbers depend on the labels of other sequences. */
static dt_status hash_labels(dt_fingerprints *out, const dt_dataset *dataset)
{
    const int32_t tax_ranks = dataset->taxonomy.tax_ranks;
    uint64_t *label[DT_MAX_TAX_RANKS] = {0}; /* (tax_ranks, classes) */
    dt_status status = DT_OK;
    for (int32_t r = 0; r < tax_ranks && status == DT_OK; ++r) {
        const dt_tax_rank *rank = &dataset->taxonomy.rank[r];
        status = DT_NEW(label[r], (size_t)rank->classes);
        for (int32_t c = 0; c < rank->classes && status == DT_OK; ++c)
            label[r][c] = dt_hash_text(DT_HASH_START, rank->label[c]);
    }
    for (int64_t i = 0; i < dataset->count && status == DT_OK; ++i) {
        const int32_t *classes = dataset->labels + i * tax_ranks;
        uint64_t hash = DT_HASH_START;
        for (int32_t r = 0; r < tax_ranks; ++r)
            hash = dt_hash_add(hash, label[r][classes[r]]);
        out->labels[i] = dt_hash_fold(hash);
    }
    for (int32_t r = 0; r < tax_ranks; ++r)
        free(label[r]);
    return status;
}

/* Tokens of a stream are not in memory; their hashes are stored in the shards. */
static dt_status hash_tokens(dt_fingerprints *out, const dt_dataset *dataset)
{
    if (!dataset->tokens && !dataset->token_hashes)
        return DT_OK;
    DT_TRY(DT_NEW(out->tokens, (size_t)dataset->count));
    for (int64_t i = 0; i < dataset->count; ++i) {
        const int64_t begin = dataset->offsets[i];
        out->tokens[i] = dataset->tokens ? dt_token_hash(dataset->tokens + begin,
                                                         dataset->offsets[i + 1] - begin)
                                         : dataset->token_hashes[i];
    }
    return DT_OK;
}

dt_status dt_fingerprints_of(dt_fingerprints *out, const dt_dataset *dataset)
{
    dt_status status;
    *out = (dt_fingerprints){.count = dataset->count};
    DT_TRY_OR(fail, DT_NEW(out->ids, (size_t)dataset->count));
    DT_TRY_OR(fail, DT_NEW(out->labels, (size_t)dataset->count));
    hash_ids(out, dataset);
    DT_TRY_OR(fail, hash_labels(out, dataset));
    DT_TRY_OR(fail, hash_tokens(out, dataset));
    return DT_OK;
fail:
    dt_fingerprints_free(out);
    return status;
}

void dt_fingerprints_free(dt_fingerprints *fingerprints)
{
    free(fingerprints->ids);
    free(fingerprints->labels);
    free(fingerprints->tokens);
    *fingerprints = (dt_fingerprints){0};
}

/* ---- comparison ---------------------------------------------------------------------------------
 */

/* A sequence with its sort key: the hash of its id, then, for equal hashes, the other hashes. */
typedef struct {
    uint64_t id;
    uint64_t content;
    int64_t place;
} sorted_sequence;

static int by_id(const void *a, const void *b)
{
    const sorted_sequence *x = a;
    const sorted_sequence *y = b;
    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    if (x->content != y->content)
        return x->content < y->content ? -1 : 1;
    return (x->place > y->place) - (x->place < y->place);
}

static dt_status sort(const dt_fingerprints *of, bool with_tokens, sorted_sequence **out)
{
    sorted_sequence *sequence;
    DT_TRY(DT_NEW(sequence, (size_t)of->count));
    for (int64_t i = 0; i < of->count; ++i) {
        const uint64_t tokens = with_tokens ? of->tokens[i] : 0;
        sequence[i] = (sorted_sequence){of->ids[i], tokens << 32 | of->labels[i], i};
    }
    qsort(sequence, (size_t)of->count, sizeof *sequence, by_id);
    *out = sequence;
    return DT_OK;
}

static void note(dt_found_sequences *found, int64_t place)
{
    if (found->count == 0 || place < found->first)
        found->first = place;
    found->count++;
}

static void compare(dt_fingerprint_match *match, const sorted_sequence *then,
                    const sorted_sequence *now)
{
    if ((uint32_t)then->content != (uint32_t)now->content)
        note(&match->relabelled, now->place);
    if (then->content >> 32 != now->content >> 32)
        note(&match->changed, now->place);
    match->place[then->place] = now->place;
}

static void merge(dt_fingerprint_match *match, const sorted_sequence *then, int64_t then_count,
                  const sorted_sequence *now, int64_t now_count)
{
    int64_t a = 0;
    int64_t b = 0;
    while (a < then_count || b < now_count) {
        const bool missing = b == now_count || (a < then_count && then[a].id < now[b].id);
        const bool added = !missing && (a == then_count || now[b].id < then[a].id);
        if (missing)
            note(&match->missing, then[a++].place);
        else if (added)
            note(&match->added, now[b++].place);
        else
            compare(match, &then[a++], &now[b++]);
    }
}

/* Nothing has to be sorted in the usual case: nothing has changed. */
static bool all_alike(const dt_fingerprints *then, const dt_fingerprints *now, bool with_tokens)
{
    const size_t count = (size_t)then->count;
    return then->count == now->count &&
           memcmp(then->ids, now->ids, count * sizeof *now->ids) == 0 &&
           memcmp(then->labels, now->labels, count * sizeof *now->labels) == 0 &&
           (!with_tokens || memcmp(then->tokens, now->tokens, count * sizeof *now->tokens) == 0);
}

static bool stands_still(const int64_t *place, int64_t count)
{
    int64_t i = 0;
    while (i < count && place[i] == i)
        ++i;
    return i == count;
}

dt_status dt_fingerprints_match(dt_fingerprint_match *match, const dt_fingerprints *then,
                                const dt_fingerprints *now)
{
    const bool with_tokens = then->tokens && now->tokens;
    sorted_sequence *before = NULL;
    sorted_sequence *after = NULL;
    dt_status status = DT_OK;
    *match = (dt_fingerprint_match){0};
    if (all_alike(then, now, with_tokens))
        return DT_OK;
    DT_TRY_OR(done, sort(then, with_tokens, &before));
    DT_TRY_OR(done, sort(now, with_tokens, &after));
    DT_TRY_OR(done, DT_NEW(match->place, (size_t)then->count));
    merge(match, before, then->count, after, now->count);
    if (match->missing.count > 0 || stands_still(match->place, then->count))
        dt_fingerprint_match_free(match);
done:
    free(before);
    free(after);
    return status;
}

void dt_fingerprint_match_free(dt_fingerprint_match *match)
{
    free(match->place);
    match->place = NULL;
}
