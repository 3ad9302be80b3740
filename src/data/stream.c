#include "data/stream.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

#define NOWHERE (-1)

/* Memory for one shard. */
typedef struct {
    uint16_t *tokens;
    int64_t shard; /* shard that is or is being loaded here; NOWHERE: none */
} slot;

struct dt_token_stream {
    dt_shard_source source;
    const int64_t *offsets;
    int64_t count;
    int64_t shards;
    int64_t max_shards;  /* number of slots; grows if a hold needs more */
    int64_t slot_tokens; /* capacity of each slot */
    slot *slot;          /* (max_shards) */
    int64_t *slot_of;    /* (shards) slot of a loaded shard; NOWHERE: not loaded */
    int64_t *wanted;     /* (shards) in the order of their first use */
    int64_t *first_use;  /* (shards) position in the order; -1: none */
    int64_t *last_use;   /* (shards) */
    int64_t *held_at;    /* (shards) number of the last hold that needed it */
    int64_t holds;
    int64_t *use_shard; /* (uses) the shard of each use */
    size_t use_capacity;
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

static int64_t first_sequence(const dt_token_stream *s, int64_t shard)
{
    const int64_t first = shard * s->source.sequences_per_shard;
    return first < s->count ? first : s->count;
}

static int64_t shard_tokens(const dt_token_stream *s, int64_t shard)
{
    return s->offsets[first_sequence(s, shard + 1)] - s->offsets[first_sequence(s, shard)];
}

/* ---- the thread that reads ahead ---------------------------------------------------------------
 */

/* Returns a slot for a shard: a free one, one whose shard is no longer needed, or that of the shard
 * needed last, if later than this one (kept from an earlier order). NULL: none is available yet. */
static slot *slot_for(dt_token_stream *s, int64_t shard)
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
static int64_t next_shard(dt_token_stream *s)
{
    for (; s->next < s->wanted_count; ++s->next) {
        const int64_t shard = s->wanted[s->next];
        if (s->slot_of[shard] == NOWHERE && s->last_use[shard] >= s->position)
            return shard;
    }
    return NOWHERE;
}

/* Loads a shard into a slot. Called with the mutex locked; unlocks it while loading. */
static void load(dt_token_stream *s, int64_t shard, slot *to)
{
    to->shard = shard;
    s->loading = true;
    pthread_mutex_unlock(&s->mutex);
    const dt_status status =
        s->source.load(s->source.context, shard, to->tokens, shard_tokens(s, shard));
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
    dt_token_stream *s = argument;
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

static dt_status take_memory(dt_token_stream *s)
{
    int64_t most = 0;
    for (int64_t shard = 0; shard < s->shards; ++shard) {
        const int64_t tokens = shard_tokens(s, shard);
        most = tokens > most ? tokens : most;
    }
    s->slot_tokens = most;
    DT_TRY(DT_NEW(s->slot, (size_t)s->max_shards));
    for (int64_t i = 0; i < s->max_shards; ++i) {
        s->slot[i].shard = NOWHERE;
        DT_TRY(DT_NEW(s->slot[i].tokens, (size_t)most));
    }
    DT_TRY(DT_NEW(s->slot_of, (size_t)s->shards));
    DT_TRY(DT_NEW(s->wanted, (size_t)s->shards));
    DT_TRY(DT_NEW(s->first_use, (size_t)s->shards));
    DT_TRY(DT_NEW(s->last_use, (size_t)s->shards));
    DT_TRY(DT_NEW(s->held_at, (size_t)s->shards));
    for (int64_t shard = 0; shard < s->shards; ++shard)
        s->slot_of[shard] = s->first_use[shard] = s->last_use[shard] = NOWHERE;
    return DT_OK;
}

dt_status dt_stream_create(dt_token_stream **out, const dt_shard_source *source,
                           const int64_t *offsets, int64_t count, int64_t max_shards)
{
    dt_token_stream *s;
    dt_status status = DT_NEW(s, 1);
    if (status != DT_OK) {
        if (source->release)
            source->release(source->context);
        return status;
    }
    s->source = *source;
    s->offsets = offsets;
    s->count = count;
    s->shards = (count + source->sequences_per_shard - 1) / source->sequences_per_shard;
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

void dt_stream_destroy(dt_token_stream *stream)
{
    if (!stream)
        return;
    pthread_mutex_lock(&stream->mutex);
    stream->ending = true;
    pthread_cond_broadcast(&stream->changed);
    pthread_mutex_unlock(&stream->mutex);
    if (stream->running)
        pthread_join(stream->thread, NULL);
    if (stream->source.release)
        stream->source.release(stream->source.context);
    for (int64_t i = 0; stream->slot && i < stream->max_shards; ++i)
        free(stream->slot[i].tokens);
    free(stream->slot);
    free(stream->slot_of);
    free(stream->wanted);
    free(stream->first_use);
    free(stream->last_use);
    free(stream->held_at);
    free(stream->use_shard);
    pthread_cond_destroy(&stream->changed);
    pthread_mutex_destroy(&stream->mutex);
    free(stream);
}

/* ---- uses --------------------------------------------------------------------------------------
 */

/* Returns the largest number of shards between their first and last use at the same time. */
static int64_t most_at_once(const dt_token_stream *s)
{
    int64_t now = 0;
    int64_t most = 0;
    for (int64_t use = 0; use < s->uses; ++use) {
        const int64_t shard = s->use_shard[use];
        now += s->first_use[shard] == use;
        most = now > most ? now : most;
        now -= s->last_use[shard] == use;
    }
    return most;
}

static dt_status note_uses(dt_token_stream *s, const int64_t *order, int64_t count)
{
    DT_TRY(DT_GROW(s->use_shard, s->use_capacity, (size_t)count));
    s->uses = count;
    s->wanted_count = 0;
    for (int64_t shard = 0; shard < s->shards; ++shard)
        s->first_use[shard] = s->last_use[shard] = NOWHERE;
    for (int64_t use = 0; use < count; ++use) {
        const int64_t shard = order[use] / s->source.sequences_per_shard;
        s->use_shard[use] = shard;
        s->last_use[shard] = use;
        if (s->first_use[shard] != NOWHERE)
            continue;
        s->first_use[shard] = use;
        s->wanted[s->wanted_count++] = shard;
    }
    const int64_t most = most_at_once(s);
    if (most > s->max_shards)
        return dt_fail(DT_ERR_INTERNAL,
                       "the order needs %lld shards in memory at once, the stream has %lld",
                       (long long)most, (long long)s->max_shards);
    return DT_OK;
}

dt_status dt_stream_begin(dt_token_stream *stream, const int64_t *order, int64_t count,
                          int64_t first)
{
    pthread_mutex_lock(&stream->mutex);
    while (stream->loading) /* a shard of the previous order */
        pthread_cond_wait(&stream->changed, &stream->mutex);
    const dt_status status = note_uses(stream, order, count);
    stream->next = 0;
    stream->position = first;
    pthread_cond_broadcast(&stream->changed);
    pthread_mutex_unlock(&stream->mutex);
    return status;
}

static bool all_there(const dt_token_stream *s, int64_t first, int64_t count)
{
    for (int64_t use = first; use < first + count; ++use)
        if (s->slot_of[s->use_shard[use]] == NOWHERE)
            return false;
    return true;
}

/* Grows the memory to `shards` shards. Called with the mutex locked; waits for a load to end, since
 * the thread uses the address of its slot. */
static dt_status add_slots(dt_token_stream *s, int64_t shards)
{
    size_t capacity = (size_t)s->max_shards;
    while (s->loading)
        pthread_cond_wait(&s->changed, &s->mutex);
    DT_TRY(DT_GROW(s->slot, capacity, (size_t)shards));
    for (; s->max_shards < shards; ++s->max_shards) {
        slot *added = &s->slot[s->max_shards];
        *added = (slot){.shard = NOWHERE};
        DT_TRY(DT_NEW(added->tokens, (size_t)s->slot_tokens));
    }
    return DT_OK;
}

/* Counts the different shards of these uses. */
static int64_t count_shards(dt_token_stream *s, int64_t first, int64_t count)
{
    int64_t shards = 0;
    s->holds++;
    for (int64_t use = first; use < first + count; ++use) {
        shards += s->held_at[s->use_shard[use]] != s->holds;
        s->held_at[s->use_shard[use]] = s->holds;
    }
    return shards;
}

dt_status dt_stream_hold(dt_token_stream *stream, int64_t first, int64_t count)
{
    if (first < 0 || count < 0 || first + count > stream->uses)
        return dt_fail(DT_ERR_INTERNAL, "uses of a stream that were not announced");
    const int64_t shards = count_shards(stream, first, count);
    pthread_mutex_lock(&stream->mutex);
    dt_status status = shards > stream->max_shards ? add_slots(stream, shards) : DT_OK;
    stream->position = first;
    pthread_cond_broadcast(&stream->changed);
    while (status == DT_OK && stream->status == DT_OK && !all_there(stream, first, count))
        pthread_cond_wait(&stream->changed, &stream->mutex);
    if (status == DT_OK && stream->status != DT_OK)
        status = dt_fail(stream->status, "%s", stream->message);
    pthread_mutex_unlock(&stream->mutex);
    return status;
}

const uint16_t *dt_stream_tokens(const dt_token_stream *stream, int64_t i)
{
    const int64_t shard = i / stream->source.sequences_per_shard;
    const slot *held = &stream->slot[stream->slot_of[shard]];
    return held->tokens + (stream->offsets[i] - stream->offsets[first_sequence(stream, shard)]);
}

int64_t dt_stream_bytes(const dt_token_stream *stream)
{
    return stream->max_shards * stream->slot_tokens * (int64_t)sizeof *stream->slot->tokens;
}
