#include "run/state_dict_order.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* The parts of names in the order in which they occur at one place of a name: "bert.embeddings…"
 * before "bert.encoder…". */
static const char *const parts[] = {
    "w_cnn",
    "w_bert",
    "embedding",
    "conv_stacks",
    "bert",
    "cnn_proj",
    "classifiers",
    "embeddings",
    "encoder",
    "pooler",
    "word_embeddings",
    "position_embeddings",
    "token_type_embeddings",
    "attention",
    "intermediate",
    "self",
    "output",
    "query",
    "key",
    "value",
    "dense",
    "LayerNorm",
    "conv",
    "proj",
    "weight",
    "bias",
};
#define PARTS ((int)(sizeof parts / sizeof *parts))

/* Returns the place of the first part of a name: a number's value, or a word's place in `parts`. */
static int place(const char *name)
{
    const size_t length = strcspn(name, ".");
    int i = 0;
    if (isdigit((unsigned char)name[0]))
        return atoi(name);
    while (i < PARTS && (strncmp(parts[i], name, length) != 0 || parts[i][length] != '\0'))
        ++i;
    return i;
}

/* Returns the rest of a name after its first part, NULL if there is none. */
static const char *after_dot(const char *name)
{
    const char *dot = strchr(name, '.');
    return dot ? dot + 1 : NULL;
}

static int compare(const void *a, const void *b)
{
    const char *left = (*(const dt_param_spec *const *)a)->name;
    const char *right = (*(const dt_param_spec *const *)b)->name;
    while (left && right) {
        if (place(left) != place(right))
            return place(left) - place(right);
        left = after_dot(left);
        right = after_dot(right);
    }
    return 0;
}

void dt_state_dict_order(const dt_param_table *table, const dt_param_spec **order)
{
    for (int32_t i = 0; i < table->count; ++i)
        order[i] = &table->spec[i];
    qsort(order, (size_t)table->count, sizeof *order, compare);
}
