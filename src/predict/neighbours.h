/* The nearest references of a sequence in a prediction: their vote over the lineages, and which one
 * is the nearest (neighbours/index.h, neighbours/vote.h). */
#ifndef DT_PREDICT_NEIGHBOURS_H
#define DT_PREDICT_NEIGHBOURS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/memory.h"
#include "core/status.h"
#include "neighbours/index.h"
#include "neighbours/reference_set.h"
#include "neighbours/vote.h"

/* For all threads. */
typedef struct {
    const dt_reference_set *set;
    const dt_neighbour_index *index; /* of set->sequences */
    int32_t count;                   /* K, 1 … DT_MOST_NEIGHBOURS */
    double weight;                   /* of the vote (predict/decide.h) */
    double exponent;
    bool leave_one_out; /* a sequence that is itself in the set (same id, same letters) is not among
                           its own neighbours */
} dt_neighbour_use;

/* The nearest reference of a sequence. */
typedef struct {
    int32_t reference; /* -1: it has none */
    int32_t left_out;  /* the sequence itself, with leave_one_out; -1: none */
    float similarity;  /* 0: it has none */
    bool identical;    /* some reference has the same letters; also one that is left out */
} dt_nearest_reference;

/* Working memory of one thread. Free with dt_neighbour_memory_free(), also on failure; a zeroed one
 * is allowed. */
typedef struct {
    dt_neighbour_search *search;
    dt_neighbour *found;  /* (K) */
    dt_leaf_share *share; /* (K) */
} dt_neighbour_memory;

dt_status dt_neighbour_memory_create(dt_neighbour_memory *memory, const dt_neighbour_use *use);
void dt_neighbour_memory_free(dt_neighbour_memory *memory);

/* Finds the neighbours of a sequence, in memory->found, and returns their number. */
int32_t dt_ask_neighbours(const dt_neighbour_memory *memory, const dt_neighbour_use *use,
                          const char *id, const dt_text *letters, dt_nearest_reference *nearest);

/* Returns the vote of the neighbours found, in memory->share. */
dt_vote dt_vote_of_found(const dt_neighbour_memory *memory, const dt_neighbour_use *use,
                         int32_t count);

#endif
