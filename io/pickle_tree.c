#include <string.h>

#include "io/pickle.h"

bool dt_pickle_is_text(const dt_pickle_value *value, const char *text)
{
    return value && value->kind == DT_PICKLE_TEXT && value->length == strlen(text) &&
           memcmp(value->text, text, value->length) == 0;
}

const dt_pickle_value *dt_pickle_get(const dt_pickle_value *dict, const char *key)
{
    if (!dict || dict->kind != DT_PICKLE_DICT)
        return NULL;
    for (int64_t i = dict->items->count - 2; i >= 0; i -= 2)
        if (dt_pickle_is_text(&dict->items->value[i], key))
            return &dict->items->value[i + 1];
    return NULL;
}

const dt_pickle_value *dt_pickle_get_int(const dt_pickle_value *dict, int64_t key)
{
    if (!dict || dict->kind != DT_PICKLE_DICT)
        return NULL;
    for (int64_t i = dict->items->count - 2; i >= 0; i -= 2)
        if (dict->items->value[i].kind == DT_PICKLE_INT && dict->items->value[i].integer == key)
            return &dict->items->value[i + 1];
    return NULL;
}
