/* A typed reference to the struct member that holds a value, so that generic code can parse, print,
 * compare and copy settings.
 */
#ifndef DT_OPTIONS_VALUE_H
#define DT_OPTIONS_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/memory.h"
#include "core/status.h"

/* Kind of a value, and the type of its member. */
typedef enum {
    DT_VALUE_FLAG,    /* bool */
    DT_VALUE_INT,     /* int64_t */
    DT_VALUE_INT32,   /* int32_t */
    DT_VALUE_UINT32,  /* uint32_t */
    DT_VALUE_DOUBLE,  /* double; finite if given by a user */
    DT_VALUE_TEXT,    /* char *, NULL: no value */
    DT_VALUE_CHARS,   /* char[], text stored in the struct */
    DT_VALUE_CHOICE,  /* int32_t or an enum: index in `choices` */
    DT_VALUE_INTS,    /* int32_t[] */
    DT_VALUE_DOUBLES, /* double[] */
    DT_VALUE_TEXTS,   /* const char *[] */
    DT_VALUE_CHOICES, /* int32_t[], indices in `choices` */
} dt_value_kind;

typedef struct {
    dt_value_kind kind;
    const char *choices; /* "auto|cpu": of CHOICE and CHOICES */
    void *at;            /* the member, or a list's first element */
    int32_t most;        /* capacity of a list in elements, of CHARS in bytes */
    int32_t *count;      /* length of a list; NULL: `most` */
} dt_value;

/* Returns true if a value of this kind is an array. */
static inline bool dt_value_is_list(dt_value_kind kind)
{
    return kind >= DT_VALUE_INTS;
}

/* Returns the length of a list; 1 for other values, 0 for a NULL text. */
int32_t dt_value_count(const dt_value *value);

/* Appends element i (0 for a single value) as a user would type it, without quotes. */
dt_status dt_value_add(const dt_value *value, int32_t i, dt_text *out);

/* Appends all elements, separated by blanks; with `quoted`, texts are quoted for a shell. Appends
 * nothing if there are none. */
dt_status dt_value_add_all(const dt_value *value, bool quoted, dt_text *out);

/* Returns true if two values of the same kind are equal. */
bool dt_value_equal(const dt_value *a, const dt_value *b);

/* Copies a value of the same kind. Texts are duplicated; the owner of `to` frees them. */
dt_status dt_value_copy(const dt_value *to, const dt_value *from);

/* Return the number of choices, and write the name of choice number `choice` to `out` (`size`
 * bytes), which is empty if the number is invalid. */
int32_t dt_choice_count(const char *choices);
void dt_choice_name(const char *choices, int32_t choice, char *out, size_t size);

/* Returns the index of `name` among the choices; -1 if it is not one. */
int32_t dt_choice_named(const char *choices, const char *name);

#endif
