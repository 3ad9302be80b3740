/* A value of a named setting: a view of the member of a struct that holds it, so that tables of
 * settings can be read, printed, compared and copied by code that knows none of them.
 */
#ifndef DT_OPTIONS_VALUE_H
#define DT_OPTIONS_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/memory.h"
#include "core/status.h"

/* What a value is, and the type of its member. */
typedef enum {
    DT_VALUE_FLAG,    /* bool */
    DT_VALUE_INT,     /* int64_t */
    DT_VALUE_INT32,   /* int32_t */
    DT_VALUE_UINT32,  /* uint32_t */
    DT_VALUE_DOUBLE,  /* double, finite where it comes from a user */
    DT_VALUE_TEXT,    /* char *, NULL: none */
    DT_VALUE_CHARS,   /* char[], a text within the struct */
    DT_VALUE_CHOICE,  /* int32_t or an enum: the place in `choices`, from 0 */
    DT_VALUE_INTS,    /* int32_t[] */
    DT_VALUE_DOUBLES, /* double[] */
    DT_VALUE_TEXTS,   /* const char *[] */
    DT_VALUE_CHOICES, /* int32_t[], places in `choices` */
} dt_value_kind;

typedef struct {
    dt_value_kind kind;
    const char *choices; /* "auto|cpu": of CHOICE and CHOICES */
    void *at;            /* the member; of a list its first element */
    int32_t most;        /* elements of a list, bytes of CHARS */
    int32_t *count;      /* elements of a list that count; NULL: `most` of them */
} dt_value;

/* True for a kind whose value is an array. */
static inline bool dt_value_is_list(dt_value_kind kind)
{
    return kind >= DT_VALUE_INTS;
}

/* Elements of a list; 1 for another value, 0 where a text is NULL. */
int32_t dt_value_count(const dt_value *value);

/* Adds element i (0: the value itself) as it would be typed, without quotes. */
dt_status dt_value_add(const dt_value *value, int32_t i, dt_text *out);

/* Whether two values of one kind are the same. */
bool dt_value_equal(const dt_value *a, const dt_value *b);

/* Copies a value of the same kind; a text becomes one of its own, which the owner of `to` frees. */
dt_status dt_value_copy(const dt_value *to, const dt_value *from);

/* The number of choices, and the text of choice number `choice`; `size` bytes at out, which is
 * empty for a number that is none. */
int32_t dt_choice_count(const char *choices);
void dt_choice_name(const char *choices, int32_t choice, char *out, size_t size);

/* The place of `name` among the choices; -1 where it is none. */
int32_t dt_choice_named(const char *choices, const char *name);

#endif
