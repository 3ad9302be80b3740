#include "data/survey.h"

#include <stdlib.h>

#include "core/bits.h"
#include "core/memory.h"

/* Sequences of this length or more are listed, not counted: the memory is that of the sequences,
 * whatever a length that the file says. */
#define MOST_COUNTED (1 << 20)

typedef struct {
    dt_survey *survey;
    const dt_taxonomy *taxonomy;
    const uint8_t *marks;
    int32_t none[DT_MAX_TAX_RANKS];      /* class of `Unclassified`; -1: none */
    int64_t first[DT_MAX_TAX_RANKS + 1]; /* first class of each tax_rank in label_counts */
    dt_lineage_set *lineages;
    int64_t *with_bases; /* training sequences of each length in letters, below MOST_COUNTED */
    size_t longest;      /* its capacity */
    int32_t *longer;     /* (longer_count) the lengths of the others */
    size_t longer_count, longer_capacity;
    bool bases_known;
} surveyor;

static void add_labels(surveyor *s, const int32_t *labels, bool trains)
{
    for (int32_t r = 0; r < s->taxonomy->tax_ranks; ++r) {
        if (trains)
            s->survey->label_counts[s->first[r] + labels[r]]++;
        if (s->survey->example[r] < 0 && labels[r] != s->none[r])
            s->survey->example[r] = labels[r];
    }
}

static dt_status add_bases(surveyor *s, int32_t bases)
{
    if (bases < 0) {
        s->bases_known = false;
        return DT_OK;
    }
    if (bases >= MOST_COUNTED) {
        DT_TRY(DT_GROW(s->longer, s->longer_capacity, s->longer_count + 1));
        s->longer[s->longer_count++] = bases;
        return DT_OK;
    }
    const size_t before = s->longest;
    DT_TRY(DT_GROW(s->with_bases, s->longest, (size_t)bases + 1));
    for (size_t i = before; i < s->longest; ++i)
        s->with_bases[i] = 0;
    s->with_bases[bases]++;
    return DT_OK;
}

static dt_status add_shard(surveyor *s, int64_t first, const dt_shard *shard)
{
    dt_survey *survey = s->survey;
    for (int64_t i = 0; i < shard->count; ++i) {
        const int64_t tokens = shard->offsets[i + 1] - shard->offsets[i];
        const int64_t length = tokens < survey->max_length ? tokens : survey->max_length;
        const bool trains = !dt_bit(s->marks, first + i);
        survey->with_length[length]++;
        add_labels(s, shard->labels + i * s->taxonomy->tax_ranks, trains);
        if (!trains)
            continue;
        survey->training_tokens += length;
        DT_TRY(add_bases(s, shard->bases[i]));
    }
    return dt_lineage_set_add(s->lineages, shard->labels, shard->count);
}

static dt_status read_shards(surveyor *s, dt_shard_stream *stream)
{
    const int64_t per_shard = dt_stream_sequences_per_shard(stream);
    const size_t sequences = (size_t)dt_stream_most_sequences(stream);
    dt_shard shard = {0};
    dt_status status = DT_NEW(shard.offsets, sequences + 1);
    if (status == DT_OK)
        status = DT_NEW(shard.labels, sequences * (size_t)s->taxonomy->tax_ranks);
    if (status == DT_OK)
        status = DT_NEW(shard.bases, sequences);
    for (int64_t i = 0; i < dt_stream_shards(stream) && status == DT_OK; ++i) {
        status = dt_stream_describe(stream, i, &shard);
        if (status == DT_OK)
            status = add_shard(s, i * per_shard, &shard);
    }
    free(shard.offsets);
    free(shard.labels);
    free(shard.bases);
    return status;
}

static dt_status begin(surveyor *s, int32_t max_length)
{
    const int32_t tax_ranks = s->taxonomy->tax_ranks;
    for (int32_t r = 0; r < tax_ranks; ++r) {
        s->first[r + 1] = s->first[r] + s->taxonomy->rank[r].classes;
        s->none[r] = dt_taxonomy_class(s->taxonomy, r, DT_UNCLASSIFIED);
        s->survey->example[r] = -1;
    }
    s->survey->max_length = max_length;
    DT_TRY(DT_NEW(s->survey->label_counts, (size_t)s->first[tax_ranks]));
    DT_TRY(DT_NEW(s->survey->with_length, (size_t)max_length + 1));
    return dt_lineage_set_create(&s->lineages, tax_ranks);
}

static int by_length(const void *a, const void *b)
{
    const int32_t x = *(const int32_t *)a;
    const int32_t y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static dt_status take(surveyor *s, dt_shard_stream *stream, int32_t max_length)
{
    DT_TRY(begin(s, max_length));
    DT_TRY(read_shards(s, stream));
    if (s->longer)
        qsort(s->longer, s->longer_count, sizeof *s->longer, by_length);
    if (s->bases_known)
        dt_length_quantiles_of_counts(&s->survey->lengths, s->with_bases, (int64_t)s->longest,
                                      s->longer, (int64_t)s->longer_count);
    return dt_lineage_set_tree(s->lineages, &s->survey->lineages);
}

dt_status dt_survey_create(dt_survey **out, dt_shard_stream *stream, const dt_taxonomy *taxonomy,
                           const uint8_t *marks, int32_t max_length)
{
    surveyor s = {.taxonomy = taxonomy, .marks = marks, .bases_known = true};
    DT_TRY(DT_NEW(s.survey, 1));
    const dt_status status = take(&s, stream, max_length);
    dt_lineage_set_destroy(s.lineages);
    free(s.with_bases);
    free(s.longer);
    if (status == DT_OK)
        *out = s.survey;
    else
        dt_survey_free(s.survey);
    return status;
}

void dt_survey_free(dt_survey *survey)
{
    if (!survey)
        return;
    free(survey->label_counts);
    free(survey->with_length);
    dt_lineage_tree_free(&survey->lineages);
    free(survey);
}
