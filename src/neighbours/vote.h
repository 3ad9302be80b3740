/* The vote of a sequence's neighbours over the lineages. */
#ifndef DT_NEIGHBOURS_VOTE_H
#define DT_NEIGHBOURS_VOTE_H

#include "neighbours/index.h"
#include "taxonomy/lineage_tree.h"

/* Each copy of a neighbour votes for its leaf with the weight exp(exponent · (s - largest s)), s
 * being its similarity and exponent >= 0; the shares are the weights of each leaf, divided by the
 * sum of all. Shares are in the order in which their leaves occur among the neighbours, and
 * additions in the order of the neighbours. Returns a vote whose shares are in `share`; it is empty
 * without neighbours. Leaves whose weights vanish (underflow) have no share. */
dt_vote dt_neighbour_vote(dt_leaf_share *share /* (count) */, const dt_neighbour *neighbours,
                          int32_t count, const dt_references *references, double exponent);

#endif
