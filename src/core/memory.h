/* Memory allocation by element count, with error messages; growing arrays and texts. */
#ifndef DT_CORE_MEMORY_H
#define DT_CORE_MEMORY_H

#include <stddef.h>

#include "core/status.h"

/* Sets *out to `count` zeroed elements of `size` bytes, at least one byte, so that *out is never
 * NULL on success. The caller frees it with free(). DT_ERR_MEMORY names `what`. */
dt_status dt_calloc(void **out, size_t count, size_t size, const char *what);

/* Grows the array *items, which has a capacity of *capacity elements of `size` bytes, to hold at
 * least `needed`. Doubles the capacity, so that appending takes constant amortised time. Keeps the
 * elements. */
dt_status dt_grow(void **items, size_t *capacity, size_t needed, size_t size, const char *what);

/* DT_NEW(pointer, count) allocates an array of the type `pointer` points to. DT_GROW likewise. */
#define DT_NEW(pointer, count) dt_calloc((void **)&(pointer), (count), sizeof *(pointer), #pointer)
#define DT_GROW(pointer, capacity, needed)                                                         \
    dt_grow((void **)&(pointer), &(capacity), (needed), sizeof *(pointer), #pointer)

/* *out: a copy of the text, the caller's to free(). */
dt_status dt_copy_text(char **out, const char *text);

/* A text that grows: for messages, JSON and TSV. Zero-initialise; free with dt_text_free(). */
typedef struct {
    char *data;    /* '\0'-terminated; NULL until something is added */
    size_t length; /* bytes, without the '\0' */
    size_t capacity;
} dt_text;

dt_status dt_text_add(dt_text *text, const char *bytes, size_t length);
dt_status dt_text_addf(dt_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void dt_text_clear(dt_text *text); /* sets the length to 0; keeps the memory */
void dt_text_free(dt_text *text);

#endif
