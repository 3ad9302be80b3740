/* Late ranks: while rank 0 waits in a collective operation, it names the ranks that have not begun
 * it ("waiting for rank 5 on node7 since 4 s (the sum of gradients)"), once for each wait, and says
 * when they are back.
 *
 * All ranks begin the same collective operations in the same order, so that their number identifies
 * an operation. (The exchange of parameters within a host is one on all of them.) Ranks tell it
 * with their heartbeats, and at once when rank 0 asks (heartbeat.h). This costs nothing in steps
 * without a long wait.
 *
 * A wait counts as long after 3 s, or after twice the usual time of a step, if that is longer: ranks
 * with unequal shares of the work are no news. Before the first step it is 10 s. Rank 0 itself is
 * named only if others wait for it in the sum of gradients, because it has other work of its own
 * (input, evaluation, files) for which they rightly wait.
 *
 * These functions call neither MPI nor the clock.
 */
#ifndef DT_MPI_LATE_H
#define DT_MPI_LATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DT_HOST_NAME 64

/* What this rank does. */
typedef struct {
    int64_t begun;    /* collective operations begun since the start */
    const char *what; /* the operation in which it waits ("a broadcast"); NULL: it does not wait */
    bool gradients;   /* that operation is the sum of gradients, or NCCL's exchange after it */
    double since;     /* when it began to wait, as dt_seconds() */
    double step;      /* usual seconds of a step; 0: unknown */
} dt_activity;

/* What a rank last told rank 0. */
typedef struct {
    int64_t begun;     /* as above */
    int32_t waits;     /* 0 or 1 */
    int32_t gradients; /* 0 or 1 */
} dt_report;

typedef struct {
    dt_report report;
    double heard; /* time of that report */
    bool left;    /* it has finished */
    const char *host;
} dt_rank_seen;

/* The wait about which rank 0 has informed the user. */
typedef struct {
    double told;         /* time of the last "waiting for"; 0: none */
    double wait;         /* start of the last wait that was looked at; 0: none */
    bool reported;       /* that wait was told */
    char names[160];     /* of the ranks it was for; "": it was for none */
    bool several;        /* they are more than one */
    double rank0_wanted; /* time since which others wait for rank 0; 0: they do not */
} dt_late;

/* Returns the usual time of a step, given the one so far (0: there is none) and the time of another
 * step. It follows shorter times faster: first steps, and those that waited, take long. */
static inline double dt_usual(double usual, double fresh)
{
    return usual > 0 ? usual + (fresh - usual) / (fresh < usual ? 4.0 : 16.0) : fresh;
}

/* Writes the names of the ranks (of `ranks`; element 0 is unused) that have not begun the operation
 * in which rank 0 waits: "rank 5 on node7", at most three. Returns their number. A rank that waits
 * in an earlier operation is not late; one that no longer answers is. */
int dt_late_names(const dt_activity *mine, const dt_rank_seen *seen, int32_t ranks, double now,
                  char *names, size_t size);

/* On rank 0, at least once a second: looks at the ranks and returns true if `line` is to be printed.
 * seen[0] holds rank 0's host. */
bool dt_late_look(dt_late *late, const dt_activity *mine, const dt_rank_seen *seen, int32_t ranks,
                  double now, char *line, size_t size);

#endif
