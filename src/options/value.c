#include "options/value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/shell.h"

int32_t dt_value_count(const dt_value *value)
{
    if (value->kind == DT_VALUE_TEXT)
        return *(char *const *)value->at != NULL;
    if (!dt_value_is_list(value->kind))
        return 1;
    return value->count ? *value->count : value->most;
}

static dt_status add_choice(const dt_value *value, int32_t choice, dt_text *out)
{
    char name[64];
    dt_choice_name(value->choices, choice, name, sizeof name);
    return dt_text_add(out, name, strlen(name));
}

dt_status dt_value_add(const dt_value *value, int32_t i, dt_text *out)
{
    const void *at = value->at;
    switch (value->kind) {
    case DT_VALUE_FLAG:
        return dt_text_addf(out, "%s", *(const bool *)at ? "true" : "false");
    case DT_VALUE_INT:
        return dt_text_addf(out, "%lld", (long long)*(const int64_t *)at);
    case DT_VALUE_INT32:
    case DT_VALUE_INTS:
        return dt_text_addf(out, "%d", ((const int32_t *)at)[i]);
    case DT_VALUE_UINT32:
        return dt_text_addf(out, "%u", *(const uint32_t *)at);
    case DT_VALUE_DOUBLE:
    case DT_VALUE_DOUBLES:
        return dt_text_addf(out, "%.12g", ((const double *)at)[i]);
    case DT_VALUE_TEXT:
    case DT_VALUE_TEXTS: {
        const char *text = ((char *const *)at)[i];
        return dt_text_add(out, text, strlen(text));
    }
    case DT_VALUE_CHARS:
        return dt_text_add(out, at, strlen(at));
    case DT_VALUE_CHOICE:
    case DT_VALUE_CHOICES:
        return add_choice(value, ((const int32_t *)at)[i], out);
    }
    return dt_fail(DT_ERR_INTERNAL, "invalid value kind");
}

dt_status dt_value_add_all(const dt_value *value, bool quoted, dt_text *out)
{
    const int32_t count = dt_value_count(value);
    const bool words = value->kind == DT_VALUE_TEXT || value->kind == DT_VALUE_TEXTS;
    for (int32_t i = 0; i < count; ++i) {
        if (i > 0)
            DT_TRY(dt_text_add(out, " ", 1));
        DT_TRY(quoted && words ? dt_add_quoted(out, ((char *const *)value->at)[i])
                               : dt_value_add(value, i, out));
    }
    return DT_OK;
}

/* Returns the size of a list element, or of the member. */
static size_t size_of(const dt_value *value)
{
    switch (value->kind) {
    case DT_VALUE_FLAG:
        return sizeof(bool);
    case DT_VALUE_INT:
        return sizeof(int64_t);
    case DT_VALUE_INT32:
    case DT_VALUE_UINT32:
    case DT_VALUE_CHOICE:
    case DT_VALUE_INTS:
    case DT_VALUE_CHOICES:
        return sizeof(int32_t);
    case DT_VALUE_DOUBLE:
    case DT_VALUE_DOUBLES:
        return sizeof(double);
    case DT_VALUE_TEXT:
    case DT_VALUE_TEXTS:
        return sizeof(char *);
    case DT_VALUE_CHARS:
        return (size_t)value->most;
    }
    return 0;
}

static bool equal_texts(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool equal_element(const dt_value *a, const dt_value *b, int32_t i)
{
    const size_t size = size_of(a);
    switch (a->kind) {
    case DT_VALUE_DOUBLE:
    case DT_VALUE_DOUBLES:
        return ((const double *)a->at)[i] == ((const double *)b->at)[i];
    case DT_VALUE_TEXT:
    case DT_VALUE_TEXTS:
        return equal_texts(((char *const *)a->at)[i], ((char *const *)b->at)[i]);
    case DT_VALUE_CHARS:
        return equal_texts(a->at, b->at);
    default:
        return memcmp((const char *)a->at + i * size, (const char *)b->at + i * size, size) == 0;
    }
}

bool dt_value_equal(const dt_value *a, const dt_value *b)
{
    const int32_t count = dt_value_count(a);
    if (count != dt_value_count(b))
        return false;
    for (int32_t i = 0; i < count; ++i)
        if (!equal_element(a, b, i))
            return false;
    return true;
}

dt_status dt_value_copy(const dt_value *to, const dt_value *from)
{
    const int32_t count = dt_value_count(from);
    if (from->kind == DT_VALUE_TEXT) {
        const char *text = *(char *const *)from->at;
        char *own = NULL;
        if (text)
            DT_TRY(dt_copy_text(&own, text));
        free(*(char **)to->at);
        *(char **)to->at = own;
        return DT_OK;
    }
    memcpy(to->at, from->at, size_of(from) * (size_t)count);
    if (to->count)
        *to->count = count;
    return DT_OK;
}

/* ---- choices --------------------------------------------------------------------------------- */

/* Returns the start of the next choice; NULL after the last. */
static const char *next_choice(const char *at)
{
    at = strchr(at, '|');
    return at ? at + 1 : NULL;
}

int32_t dt_choice_count(const char *choices)
{
    int32_t count = 0;
    for (const char *at = choices; at; at = next_choice(at))
        ++count;
    return count;
}

void dt_choice_name(const char *choices, int32_t choice, char *out, size_t size)
{
    const char *at = choice < 0 ? NULL : choices;
    while (at && choice-- > 0)
        at = next_choice(at);
    snprintf(out, size, "%.*s", at ? (int)strcspn(at, "|") : 0, at ? at : "");
}

int32_t dt_choice_named(const char *choices, const char *name)
{
    const size_t length = strlen(name);
    int32_t place = 0;
    for (const char *at = choices; at; at = next_choice(at), ++place)
        if (strcspn(at, "|") == length && memcmp(at, name, length) == 0)
            return place;
    return -1;
}
