#include "data/shard_tokens.h"

#include <stdlib.h>

#include "core/memory.h"

const char *dt_shard_tokens_name(dt_encoding encoding)
{
    return encoding == DT_ENCODING_ONEHOT ? "bases" : "tokens";
}

static dt_status put_bases(dt_container *file, int64_t count, const uint16_t *tokens)
{
    uint8_t *bases;
    DT_TRY(DT_NEW(bases, (size_t)count));
    for (int64_t i = 0; i < count; ++i)
        bases[i] = (uint8_t)tokens[i];
    const dt_status status =
        dt_container_put_array(file, "bases", DT_ELEMENT_UINT8, 1, &count, bases);
    free(bases);
    return status;
}

dt_status dt_shard_put_tokens(dt_container *file, dt_encoding encoding, int64_t count,
                              const uint16_t *tokens)
{
    if (encoding == DT_ENCODING_ONEHOT)
        return put_bases(file, count, tokens);
    return dt_container_put_array(file, "tokens", DT_ELEMENT_UINT16, 1, &count, tokens);
}

/* Reads the bytes into the second half of `tokens` and widens them from there; each is read before
 * it is overwritten. */
static dt_status get_bases(dt_container *file, int64_t count, uint16_t *tokens)
{
    uint8_t *bases = (uint8_t *)tokens + count;
    DT_TRY(dt_container_get_array(file, "bases", DT_ELEMENT_UINT8, 1, &count, bases));
    for (int64_t i = 0; i < count; ++i) {
        const uint8_t base = bases[i];
        tokens[i] = base;
    }
    return DT_OK;
}

dt_status dt_shard_get_tokens(dt_container *file, const char *path, dt_encoding encoding,
                              int32_t vocabulary, int64_t count, uint16_t *tokens)
{
    const bool onehot = encoding == DT_ENCODING_ONEHOT;
    uint16_t largest = 0;
    DT_TRY(onehot ? get_bases(file, count, tokens)
                  : dt_container_get_array(file, "tokens", DT_ELEMENT_UINT16, 1, &count, tokens));
    for (int64_t i = 0; i < count; ++i)
        largest = tokens[i] > largest ? tokens[i] : largest;
    if (count == 0 || largest < vocabulary)
        return DT_OK;
    return dt_fail(DT_ERR_INPUT,
                   "%s: contains an invalid %s (%d, of %d); run `deeptaxa prepare` again", path,
                   onehot ? "base" : "token", (int)largest, (int)vocabulary);
}
