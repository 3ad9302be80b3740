#include "neighbours/vote.h"

#include <math.h>

/* Returns the place of the leaf among the shares, appending it if it is not there. */
static int32_t place_of(dt_leaf_share *share, int32_t *shares, int32_t leaf)
{
    for (int32_t i = 0; i < *shares; ++i)
        if (share[i].leaf == leaf)
            return i;
    share[*shares] = (dt_leaf_share){.leaf = leaf};
    return (*shares)++;
}

dt_vote dt_neighbour_vote(dt_leaf_share *share, const dt_neighbour *neighbours, int32_t count,
                          const dt_references *references, double exponent)
{
    int32_t shares = 0;
    double total = 0;
    for (int32_t i = 0; i < count; ++i) {
        const dt_neighbour *n = &neighbours[i];
        const double weight =
            n->copies * exp(exponent * (n->similarity - neighbours[0].similarity));
        if (weight > 0)
            share[place_of(share, &shares, references->leaf[n->reference])].share += weight;
        total += weight;
    }
    for (int32_t i = 0; i < shares; ++i)
        share[i].share /= total;
    return (dt_vote){.share = share, .count = shares};
}
