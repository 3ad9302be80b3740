/* Reads a pickle, Python's serialised objects (protocol 2; the opcodes are those of pickletools.py),
 * into a tree of values. Nothing is executed: a global name is looked up in the caller's list, and
 * one that is not there is refused by name.
 *
 * The opcodes are those that occur in files of torch.save() with plain containers, numbers, texts
 * and tensors; all others are refused. Containers may be shared by several others, but a container
 * that contains itself is refused, and so are more than DT_PICKLE_DEPTH containers in each other.
 * The memory taken is limited by the caller.
 */
#ifndef DT_IO_PICKLE_H
#define DT_IO_PICKLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

#define DT_PICKLE_DEPTH 100

typedef enum {
    DT_PICKLE_ABSENT, /* no value; does not occur in a tree */
    DT_PICKLE_NONE,
    DT_PICKLE_BOOL,
    DT_PICKLE_INT,
    DT_PICKLE_FLOAT,
    DT_PICKLE_TEXT,
    DT_PICKLE_LIST,
    DT_PICKLE_TUPLE,
    DT_PICKLE_DICT,
    DT_PICKLE_GLOBAL, /* a name of the caller's list */
    DT_PICKLE_OBJECT, /* what the caller made of a call or of a persistent id */
    DT_PICKLE_OPAQUE, /* the caller does not need it */
} dt_pickle_kind;

typedef struct dt_pickle dt_pickle;
typedef struct dt_pickle_items dt_pickle_items;
typedef struct dt_pickle_global dt_pickle_global;

typedef struct {
    dt_pickle_kind kind;
    uint32_t length; /* of a text: bytes; of an object: which kind, the caller's */
    union {
        int64_t integer; /* also of a bool: 0 or 1 */
        double number;
        const char *text; /* UTF-8, '\0'-terminated; may contain other '\0' */
        dt_pickle_items *items;
        const dt_pickle_global *global;
        const void *object; /* the caller's */
    };
} dt_pickle_value;

/* The elements of a list, a tuple or a dict; a dict has its keys and values in turn. */
struct dt_pickle_items {
    int64_t count;
    int64_t capacity;              /* 0: it does not grow */
    dt_pickle_value *value;        /* (count) */
    const dt_pickle_global *maker; /* of a dict made by dt_pickle_make_dict(); else NULL */
    dt_pickle_items *next;         /* all containers of the pickle */
    int state;                     /* of the search for circles */
};

/* A global name that may occur, and what to make of a call of it; both calls in *out. */
struct dt_pickle_global {
    const char *name; /* module and name with a blank: "collections OrderedDict" */
    /* NULL: it cannot be called, and stands for itself (a class). */
    dt_status (*call)(dt_pickle *pickle, const dt_pickle_global *global,
                      const dt_pickle_items *arguments, dt_pickle_value *out);
    bool takes_state; /* the object's BUILD state, a dict, is its content; else it is dropped */
};

typedef struct {
    const char *path;                /* for messages */
    const dt_pickle_global *allowed; /* terminated by a row without a name */
    /* Makes the value of a persistent id; `id` must be of a kind that it checks. */
    dt_status (*persistent)(dt_pickle *pickle, const dt_pickle_value *id, dt_pickle_value *out);
    void *context;  /* dt_pickle_context() */
    int64_t memory; /* bytes that may be taken */
} dt_pickle_options;

/* Reads `length` bytes; *root is the value. Free with dt_pickle_free(). DT_ERR_INPUT if the pickle
 * is damaged or contains what is not allowed; DT_ERR_MEMORY if there is too little memory. */
dt_status dt_pickle_read(dt_pickle **out, const char *bytes, size_t length,
                         const dt_pickle_options *options, dt_pickle_value *root);
void dt_pickle_free(dt_pickle *pickle); /* NULL is allowed */

/* For the functions of dt_pickle_options and dt_pickle_global. */
void *dt_pickle_context(const dt_pickle *pickle);
/* A call that makes an empty dict, of any arguments: OrderedDict(). */
dt_status dt_pickle_make_dict(dt_pickle *pickle, const dt_pickle_global *global,
                              const dt_pickle_items *arguments, dt_pickle_value *out);
/* A call whose value is not needed. */
dt_status dt_pickle_make_opaque(dt_pickle *pickle, const dt_pickle_global *global,
                                const dt_pickle_items *arguments, dt_pickle_value *out);
/* Takes zeroed memory that lives as long as the pickle, within the limit. */
dt_status dt_pickle_take(dt_pickle *pickle, size_t bytes, void **out);
/* Fails with a message that names the file and the place in the pickle. */
dt_status dt_pickle_damaged(const dt_pickle *pickle, const char *what);

/* Returns the value of a dict's key; NULL if there is none, or `dict` is no dict (or NULL). If a key
 * occurs twice, the last one counts, as in Python. */
const dt_pickle_value *dt_pickle_get(const dt_pickle_value *dict, const char *key);
const dt_pickle_value *dt_pickle_get_int(const dt_pickle_value *dict, int64_t key);

/* Returns whether the value is of this text. */
bool dt_pickle_is_text(const dt_pickle_value *value, const char *text);

#endif
