#include "core/memory.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

dt_status dt_calloc(void **out, size_t count, size_t size, const char *what)
{
    *out = calloc(count ? count : 1, size ? size : 1);
    if (!*out)
        return dt_fail(DT_ERR_MEMORY, "out of memory for %s: %zu elements of %zu bytes", what,
                       count, size);
    return DT_OK;
}

dt_status dt_grow(void **items, size_t *capacity, size_t needed, size_t size, const char *what)
{
    if (needed <= *capacity)
        return DT_OK;
    size_t target = *capacity ? *capacity : 16;
    while (target < needed)
        target = target > SIZE_MAX / 2 ? needed : target * 2;
    void *grown = target > SIZE_MAX / size ? NULL : realloc(*items, target * size);
    if (!grown)
        return dt_fail(DT_ERR_MEMORY, "out of memory for %s: %zu elements of %zu bytes", what,
                       target, size);
    *items = grown;
    *capacity = target;
    return DT_OK;
}

dt_status dt_copy_text(char **out, const char *text)
{
    *out = strdup(text);
    return *out ? DT_OK
                : dt_fail(DT_ERR_MEMORY, "out of memory: a text of %zu bytes", strlen(text));
}

dt_status dt_text_add(dt_text *text, const char *bytes, size_t length)
{
    DT_TRY(dt_grow((void **)&text->data, &text->capacity, text->length + length + 1, 1, "text"));
    memcpy(text->data + text->length, bytes, length);
    text->length += length;
    text->data[text->length] = '\0';
    return DT_OK;
}

dt_status dt_text_addf(dt_text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    dt_status status = length < 0 ? dt_fail(DT_ERR_INTERNAL, "cannot format a text")
                                  : dt_grow((void **)&text->data, &text->capacity,
                                            text->length + (size_t)length + 1, 1, "text");
    if (status == DT_OK) {
        vsnprintf(text->data + text->length, (size_t)length + 1, format, again);
        text->length += (size_t)length;
    }
    va_end(again);
    return status;
}

void dt_text_clear(dt_text *text)
{
    text->length = 0;
    if (text->data)
        text->data[0] = '\0';
}

void dt_text_free(dt_text *text)
{
    free(text->data);
    *text = (dt_text){0};
}
