/* How neighbours take part in a prediction where nothing else says so, and the limits of that. */
#ifndef DT_NEIGHBOURS_USE_H
#define DT_NEIGHBOURS_USE_H

#define DT_NEIGHBOURS 20           /* K */
#define DT_NEIGHBOUR_WEIGHT 0.5    /* of their vote */
#define DT_NEIGHBOUR_EXPONENT 50.0 /* of a similarity (neighbours/vote.h) */
#define DT_MOST_NEIGHBOURS 1000
#define DT_LARGEST_EXPONENT 1000.0

#endif
