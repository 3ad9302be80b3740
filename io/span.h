/* Spans: parts of a line of text, not '\0'-terminated. */
#ifndef DT_IO_SPAN_H
#define DT_IO_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

typedef struct {
    const char *data;
    size_t length;
} dt_span;

static inline dt_span dt_span_of(const char *text)
{
    return (dt_span){text, strlen(text)};
}

/* Removes blanks and tabs at both ends. */
static inline dt_span dt_trim(dt_span text)
{
    while (text.length > 0 && (text.data[0] == ' ' || text.data[0] == '\t'))
        text = (dt_span){text.data + 1, text.length - 1};
    while (text.length > 0 &&
           (text.data[text.length - 1] == ' ' || text.data[text.length - 1] == '\t'))
        text.length--;
    return text;
}

static inline bool dt_span_has(dt_span text, char c)
{
    return text.length > 0 && memchr(text.data, c, text.length);
}

/* Splits off the part of *rest up to the next `separator`; returns false if *rest is used up. */
static inline bool dt_next_part(dt_span *rest, char separator, dt_span *part)
{
    if (!rest->data)
        return false;
    const char *end = rest->length ? memchr(rest->data, separator, rest->length) : NULL;
    if (end) {
        *part = (dt_span){rest->data, (size_t)(end - rest->data)};
        *rest = (dt_span){end + 1, rest->length - part->length - 1};
    } else {
        *part = *rest;
        *rest = (dt_span){0};
    }
    return true;
}

#endif
