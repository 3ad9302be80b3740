/* Reference sequences with their lineages, in memory at 2 bits a base.
 *
 * A reference is a different sequence of a leaf (a whole lineage: a node of the last rank in
 * dt_lineage_tree, counted from 0), with the number of its copies in the training set and the name
 * of the first. Letters other than A, C, G, T and U are not stored; where they were, the sequence
 * has a break, which no 8-mer crosses. Breaks before the first and after the last base mean nothing
 * and are dropped.
 *
 * References are ordered by leaf, then by their packed bases and breaks: their numbers do not depend on
 * the order in which the sequences came.
 */
#ifndef DT_NEIGHBOURS_REFERENCES_H
#define DT_NEIGHBOURS_REFERENCES_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

typedef struct {
    /* What a file holds. All arrays are owned (malloc). */
    int32_t count;
    int64_t base_bytes, breaks, name_bytes; /* elements of the arrays of these */
    int32_t *leaf;                          /* (count) ascending */
    int32_t *copies;                        /* (count) >= 1 */
    int32_t *length;                        /* (count) bases */
    int32_t *break_count;                   /* (count) */
    uint8_t *bases;    /* (base_bytes) A C G T = 0 1 2 3, four a byte, the first one lowest; each
                           reference starts a byte, unused bits are 0 */
    int32_t *break_at; /* (breaks) number of bases before the break, ascending in a reference */
    char *names;       /* (name_bytes) each ends with '\0' */

    /* What follows from that, set by dt_references_complete(): where a reference begins. */
    int64_t *first_byte;  /* (count + 1) in `bases` */
    int64_t *first_break; /* (count + 1) in `break_at` */
    int64_t *first_name;  /* (count + 1) in `names` */
} dt_references;

/* Returns the bytes of `length` bases. */
static inline int64_t dt_packed_bytes(int32_t length)
{
    return ((int64_t)length + 3) / 4;
}

static inline int dt_packed_base(const uint8_t *bases, int32_t i)
{
    return bases[i / 4] >> 2 * (i % 4) & 3;
}

void dt_references_free(dt_references *references); /* leaves an empty one; {0} is one */

/* For arrays that were read from the file `path`: checks them and sets what follows from them.
 * leaves: the leaves of the lineage tree. DT_ERR_INPUT if they contradict each other. */
dt_status dt_references_complete(dt_references *references, int32_t leaves, const char *path);

/* Returns the name of a reference's first copy. */
static inline const char *dt_reference_name(const dt_references *references, int32_t reference)
{
    return references->names + references->first_name[reference];
}

/* Returns the length of a reference as text: its bases and one N for each break. */
static inline int64_t dt_reference_text_length(const dt_references *references, int32_t reference)
{
    return (int64_t)references->length[reference] + references->break_count[reference];
}

/* Writes a reference as text, without '\0'. */
void dt_reference_text(const dt_references *references, int32_t reference,
                       char *out /* (dt_reference_text_length()) */);

/* Returns the number of the reference with this sequence and leaf, -1 if there is none. Takes
 * time proportional to the number of references of the leaf. */
int32_t dt_references_find(const dt_references *references, const char *sequence, size_t length,
                           int32_t leaf);

/* ---- Collecting references ------------------------------------------------------------------ */

typedef struct dt_reference_builder dt_reference_builder;

dt_status dt_reference_builder_create(dt_reference_builder **out);
void dt_reference_builder_destroy(dt_reference_builder *builder); /* NULL is allowed */

/* Adds a sequence, text of `length` letters in upper or lower case without gap characters.
 * DT_ERR_MEMORY. */
dt_status dt_reference_builder_add(dt_reference_builder *builder, const char *name,
                                   const char *sequence, size_t length, int32_t leaf);

/* Moves what was added into *out, which the caller frees; the builder is empty afterwards. */
dt_status dt_reference_builder_finish(dt_reference_builder *builder, dt_references *out);

#endif
