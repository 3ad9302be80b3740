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
static dt_status get_bases(dt_container *file, const char *path, int64_t count, uint16_t *tokens)
{
    uint8_t *bases = (uint8_t *)tokens + count;
    uint8_t largest = 0;
    DT_TRY(dt_container_get_array(file, "bases", DT_ELEMENT_UINT8, 1, &count, bases));
    for (int64_t i = 0; i < count; ++i) {
        const uint8_t base = bases[i];
        largest = base > largest ? base : largest;
        tokens[i] = base;
    }
    if (largest >= DT_ONEHOT_IDS)
        return dt_fail(DT_ERR_INPUT,
                       "%s: contains an invalid base (%d); run `deeptaxa prepare` again", path,
                       largest);
    return DT_OK;
}

dt_status dt_shard_get_tokens(dt_container *file, const char *path, dt_encoding encoding,
                              int64_t count, uint16_t *tokens)
{
    if (encoding == DT_ENCODING_ONEHOT)
        return get_bases(file, path, count, tokens);
    return dt_container_get_array(file, "tokens", DT_ELEMENT_UINT16, 1, &count, tokens);
}
