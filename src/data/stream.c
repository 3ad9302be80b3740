#include "data/stream.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

#define NOWHERE (-1)

/* Memory for one shard. */
typedef struct {
    dt_shard content;
    int64_t shard; /* shard that is or is being loaded here; NOWHERE: none */
} slot;

struct dt_shard_stream {
    dt_shard_source source;
    int64_t shards;
    int64_t max_shards;  /* number of slots; grows if a hold needs more */
    int64_t most_tokens; /* capacity of each slot, in tokens and sequences */
    int64_t most_sequences;
    slot *slot;           /* (max_shards) */
    int64_t *slot_of;     /* (shards) slot of a loaded shard; NOWHERE: not loaded */
    dt_shard_use *wanted; /* (shards) in the order of their first use */
    int64_t *first_use;   /* (shards) position in the order; -1: none */
    int64_t *last_use;    /* (shards) */
    int64_t uses;
    int64_t wanted_count;

    pthread_t thread;
    bool running;
    pthread_mutex_t mutex;  /* protects the following, slot and slot_of */
    pthread_cond_t changed; /* a shard was loaded or released, the order changed, or the end */
    int64_t next;           /* index in `wanted` of the next shard to load */
    int64_t position;       /* earlier uses are done */
    bool loading;
    bool ending;
    dt_status status; /* of the thread */
    char message[1024];
};

static int64_t shard_sequences(const dt_shard_stream *s, int64_t shard)
{
    const int64_t left = s->source.sequences - shard * s->source.sequences_per_shard;
    return left < s->source.sequences_per_shard ? left : s->source.sequences_per_shard;
}

/* ---- the thread that reads ahead ---------------------------------------------------------------
 */

/* Returns a slot for a shard: a free one, one whose shard is no longer needed, or that of the shard
 * needed last, if later than this one (kept from an earlier order). NULL: none is available yet. */
static slot *slot_for(dt_shard_stream *s, int64_t shard)
{
    slot *latest = NULL;
    for (int64_t i = 0; i < s->max_shards; ++i) {
        slot *candidate = &s->slot[i];
        if (candidate->shard == NOWHERE)
            return candidate;
        if (s->last_use[candidate->shard] < s->position) {
            s->slot_of[candidate->shard] = NOWHERE;
            return candidate;
        }
        if (!latest || s->first_use[candidate->shard] > s->first_use[latest->shard])
            latest = candidate;
    }
    if (!latest || s->first_use[latest->shard] <= s->first_use[shard])
        return NULL;
    s->slot_of[latest->shard] = NOWHERE;
    return latest;
}

/* Returns the next shard that is needed and not loaded; NOWHERE: none. */
static int64_t next_shard(dt_shard_stream *s)
{
    for (; s->next < s->wanted_count; ++s->next) {
        const int64_t shard = s->wanted[s->next].shard;
        if (s->slot_of[shard] == NOWHERE && s->last_use[shard] >= s->position)
            return shard;
    }
    return NOWHERE;
}

/* Loads a shard into a slot. Called with the mutex locked; unlocks it while loading. */
static void load(dt_shard_stream *s, int64_t shard, slot *to)
{
    to->shard = shard;
    to->content.count = shard_sequences(s, shard);
    to->content.token_count = s->source.tokens[shard];
    s->loading = true;
    pthread_mutex_unlock(&s->mutex);
    const dt_status status = s->source.load(s->source.context, shard, &to->content);
    pthread_mutex_lock(&s->mutex);
    s->loading = false;
    if (status == DT_OK) {
        s->slot_of[shard] = to - s->slot;
    } else {
        s->status = status;
        strncpy(s->message, dt_error_message(), sizeof s->message - 1);
        to->shard = NOWHERE;
    }
    pthread_cond_broadcast(&s->changed);
}

static void *read_ahead(void *argument)
{
    dt_shard_stream *s = argument;
    pthread_mutex_lock(&s->mutex);
    while (!s->ending && s->status == DT_OK) {
        const int64_t shard = next_shard(s);
        slot *to = shard == NOWHERE ? NULL : slot_for(s, shard);
        if (to)
            load(s, shard, to);
        else
            pthread_cond_wait(&s->changed, &s->mutex);
    }
    pthread_mutex_unlock(&s->mutex);
    return NULL;
}

/* ---- lifetime ----------------------------------------------------------------------------------
 */

static dt_status take_slot(const dt_shard_stream *s, slot *out)
{
    const size_t sequences = (size_t)s->most_sequences;
    *out = (slot){.shard = NOWHERE};
    DT_TRY(DT_NEW(out->content.tokens, (size_t)s->most_tokens));
    DT_TRY(DT_NEW(out->content.offsets, sequences + 1));
    return DT_NEW(out->content.labels, sequences * (size_t)s->source.tax_ranks);
}

static void free_slot(slot *taken)
{
    free(taken->content.tokens);
    free(taken->content.offsets);
    free(taken->content.labels);
}

static dt_status take_memory(dt_shard_stream *s)
{
    for (int64_t shard = 0; shard < s->shards; ++shard)
        if (s->source.tokens[shard] > s->most_tokens)
            s->most_tokens = s->source.tokens[shard];
    s->most_sequences = shard_sequences(s, 0);
    DT_TRY(DT_NEW(s->slot, (size_t)s->max_shards));
    for (int64_t i = 0; i < s->max_shards; ++i)
        DT_TRY(take_slot(s, &s->slot[i]));
    DT_TRY(DT_NEW(s->slot_of, (size_t)s->shards));
    DT_TRY(DT_NEW(s->wanted, (size_t)s->shards));
    DT_TRY(DT_NEW(s->first_use, (size_t)s->shards));
    DT_TRY(DT_NEW(s->last_use, (size_t)s->shards));
    for (int64_t shard = 0; shard < s->shards; ++shard)
        s->slot_of[shard] = s->first_use[shard] = s->last_use[shard] = NOWHERE;
    return DT_OK;
}

static void release_source(const dt_shard_source *source)
{
    if (source->release)
        source->release(source->context);
    free(source->tokens);
}

dt_status dt_stream_create(dt_shard_stream **out, const dt_shard_source *source, int64_t max_shards)
{
    dt_shard_stream *s;
    dt_status status = DT_NEW(s, 1);
    if (status != DT_OK) {
        release_source(source);
        return status;
    }
    s->source = *source;
    s->shards = (source->sequences + source->sequences_per_shard - 1) / source->sequences_per_shard;
    s->max_shards = max_shards < s->shards ? max_shards : s->shards;
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->changed, NULL);
    status = take_memory(s);
    if (status == DT_OK && pthread_create(&s->thread, NULL, read_ahead, s) != 0)
        status = dt_fail(DT_ERR_MEMORY, "cannot start the thread that reads shards ahead");
    if (status != DT_OK) {
        dt_stream_destroy(s);
        return status;
    }
    s->running = true;
    *out = s;
    return DT_OK;
}

void dt_stream_destroy(dt_shard_stream *stream)
{
    if (!stream)
        return;
    pthread_mutex_lock(&stream->mutex);
    stream->ending = true;
    pthread_cond_broadcast(&stream->changed);
    pthread_mutex_unlock(&stream->mutex);
    if (stream->running)
        pthread_join(stream->thread, NULL);
    release_source(&stream->source);
    for (int64_t i = 0; stream->slot && i < stream->max_shards; ++i)
        free_slot(&stream->slot[i]);
    free(stream->slot);
    free(stream->slot_of);
    free(stream->wanted);
    free(stream->first_use);
    free(stream->last_use);
    pthread_cond_destroy(&stream->changed);
    pthread_mutex_destroy(&stream->mutex);
    free(stream);
}

/* ---- uses --------------------------------------------------------------------------------------
 */

/* Returns whether there is a use at which more than max_shards are needed. */
static dt_status check_room(const dt_shard_stream *s)
{
    for (int64_t w = 0; w < s->wanted_count; ++w) {
        int64_t most = 1; /* at the first use of this one: it, and those before it */
        for (int64_t v = 0; v < w; ++v)
            most += s->wanted[v].last >= s->wanted[w].first;
        if (most > s->max_shards)
            return dt_fail(DT_ERR_INTERNAL,
                           "the order needs %lld shards in memory at once, the stream has %lld",
                           (long long)most, (long long)s->max_shards);
    }
    return DT_OK;
}

static void clear_uses(dt_shard_stream *s)
{
    s->wanted_count = 0;
    for (int64_t shard = 0; shard < s->shards; ++shard)
        s->first_use[shard] = s->last_use[shard] = NOWHERE;
}

static void add_use(dt_shard_stream *s, const dt_shard_use *use)
{
    s->first_use[use->shard] = use->first;
    s->last_use[use->shard] = use->last;
    s->wanted[s->wanted_count++] = *use;
}

static void note_order(dt_shard_stream *s, const int64_t *order, int64_t count)
{
    clear_uses(s);
    for (int64_t use = 0; use < count; ++use) {
        const int64_t shard = order[use] / s->source.sequences_per_shard;
        if (s->first_use[shard] == NOWHERE)
            add_use(s, &(dt_shard_use){shard, use, use});
        s->last_use[shard] = use;
    }
    for (int64_t w = 0; w < s->wanted_count; ++w)
        s->wanted[w].last = s->last_use[s->wanted[w].shard];
}

/* The thread pauses between these: the mutex is locked, and no shard of the previous order is being
 * loaded. */
static void begin_change(dt_shard_stream *s)
{
    pthread_mutex_lock(&s->mutex);
    while (s->loading)
        pthread_cond_wait(&s->changed, &s->mutex);
}

static dt_status end_change(dt_shard_stream *s, int64_t count, int64_t first)
{
    const dt_status status = check_room(s);
    s->uses = count;
    s->next = 0;
    s->position = first;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->mutex);
    return status;
}

dt_status dt_stream_begin(dt_shard_stream *stream, const int64_t *order, int64_t count,
                          int64_t first)
{
    begin_change(stream);
    note_order(stream, order, count);
    return end_change(stream, count, first);
}

dt_status dt_stream_begin_shards(dt_shard_stream *stream, const dt_shard_use *use, int64_t shards,
                                 int64_t count, int64_t first)
{
    begin_change(stream);
    clear_uses(stream);
    for (int64_t s = 0; s < shards; ++s)
        add_use(stream, &use[s]);
    return end_change(stream, count, first);
}

/* Counts the shards of these uses; `there`: only those in memory. */
static int64_t count_shards(const dt_shard_stream *s, int64_t first, int64_t count, bool there)
{
    int64_t shards = 0;
    for (int64_t w = 0; w < s->wanted_count && s->wanted[w].first < first + count; ++w)
        shards +=
            s->wanted[w].last >= first && (!there || s->slot_of[s->wanted[w].shard] != NOWHERE);
    return shards;
}

/* Grows the memory to `shards` shards. Called with the mutex locked; waits for a load to end, since
 * the thread uses the address of its slot. */
static dt_status add_slots(dt_shard_stream *s, int64_t shards)
{
    size_t capacity = (size_t)s->max_shards;
    while (s->loading)
        pthread_cond_wait(&s->changed, &s->mutex);
    DT_TRY(DT_GROW(s->slot, capacity, (size_t)shards));
    for (; s->max_shards < shards; ++s->max_shards) {
        slot added;
        const dt_status status = take_slot(s, &added);
        if (status != DT_OK) {
            free_slot(&added);
            return status;
        }
        s->slot[s->max_shards] = added;
    }
    return DT_OK;
}

dt_status dt_stream_hold(dt_shard_stream *stream, int64_t first, int64_t count)
{
    if (first < 0 || count < 0 || first + count > stream->uses)
        return dt_fail(DT_ERR_INTERNAL, "uses of a stream that were not announced");
    const int64_t shards = count_shards(stream, first, count, false);
    pthread_mutex_lock(&stream->mutex);
    dt_status status = shards > stream->max_shards ? add_slots(stream, shards) : DT_OK;
    stream->position = first;
    pthread_cond_broadcast(&stream->changed);
    while (status == DT_OK && stream->status == DT_OK &&
           count_shards(stream, first, count, true) < shards)
        pthread_cond_wait(&stream->changed, &stream->mutex);
    if (status == DT_OK && stream->status != DT_OK)
        status = dt_fail(stream->status, "%s", stream->message);
    pthread_mutex_unlock(&stream->mutex);
    return status;
}

const dt_shard *dt_stream_shard(const dt_shard_stream *stream, int64_t i, int64_t *place)
{
    const int64_t shard = i / stream->source.sequences_per_shard;
    *place = i % stream->source.sequences_per_shard;
    return &stream->slot[stream->slot_of[shard]].content;
}

dt_status dt_stream_describe(dt_shard_stream *stream, int64_t shard, dt_shard *to)
{
    to->count = shard_sequences(stream, shard);
    to->token_count = stream->source.tokens[shard];
    return stream->source.load(stream->source.context, shard, to);
}

dt_status dt_stream_ids(dt_shard_stream *stream, int64_t shard, char **ids)
{
    return stream->source.load_ids(stream->source.context, shard, ids);
}

int64_t dt_stream_shards(const dt_shard_stream *stream)
{
    return stream->shards;
}

int64_t dt_stream_sequences_per_shard(const dt_shard_stream *stream)
{
    return stream->source.sequences_per_shard;
}

int64_t dt_stream_most_sequences(const dt_shard_stream *stream)
{
    return stream->most_sequences;
}

int64_t dt_stream_tokens(const dt_shard_stream *stream)
{
    int64_t tokens = 0;
    for (int64_t shard = 0; shard < stream->shards; ++shard)
        tokens += stream->source.tokens[shard];
    return tokens;
}

int64_t dt_stream_bytes(const dt_shard_stream *stream)
{
    const int64_t sequence =
        (int64_t)sizeof(int64_t) + stream->source.tax_ranks * (int64_t)sizeof(int32_t);
    return stream->max_shards *
           (stream->most_tokens * (int64_t)sizeof(uint16_t) + stream->most_sequences * sequence);
}
