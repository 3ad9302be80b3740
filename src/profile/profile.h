/* Where the time goes: what each part of a training or a prediction takes, for --profile and the
 * benchmarks.
 *
 * Two sources. Operations of a device and of a communicator are measured by wrappers in their
 * tables (profiled_backend.h, profiled_comm.h), so that neither model nor devices know of it. What lies between them is marked where it happens:
 *
 *     dt_profile_begin(profile, DT_LANE_MAIN, DT_PART_DATA);
 *     ... work ...
 *     dt_profile_end(profile, DT_LANE_MAIN);
 *
 * A profile that is NULL measures nothing: without --profile there are no wrappers, and a mark
 * costs one comparison.
 *
 * Marks may stand within each other. The outermost one counts the time: an evaluation is one part,
 * whatever operations it is made of; these are kept beside it, as what it consists of. Steps are
 * the exception, they count beside their parts (DT_PART_STEP).
 *
 * Each lane is one thread's, or the device's, and takes marks from that thread alone. Memory is
 * taken at the start; nothing is allocated afterwards.
 */
#ifndef DT_PROFILE_PROFILE_H
#define DT_PROFILE_PROFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

typedef enum {
    DT_LANE_MAIN,   /* the thread that computes, or that asks the device to */
    DT_LANE_DEVICE, /* a GPU, by its own clock */
    DT_LANE_READER, /* predict: reads and tokenises */
    DT_LANE_WRITER, /* predict: writes results; train: writes checkpoints */
    DT_LANES
} dt_lane;

typedef enum {
    DT_PART_INPUT,  /* reading and tokenising */
    DT_PART_MODEL,  /* memory, initial values or those of a checkpoint */
    DT_PART_DATA,   /* tokens and labels of a batch */
    DT_PART_COPIES, /* between host and device, waiting for the device included */
    DT_PART_ASKING, /* GPU: handing it its work */
    DT_PART_EMBEDDING,
    DT_PART_ATTENTION, /* its products, dropout and LayerNorm included, as are the next one's */
    DT_PART_FEED_FORWARD,
    DT_PART_CONVOLUTION,
    DT_PART_FUSION,   /* from tokens to the sequence: first rows, means, fusion */
    DT_PART_HEADS,    /* with the loss, or the choice of labels */
    DT_PART_PRODUCTS, /* matrix products of no known part */
    DT_PART_OPTIMIZER,
    DT_PART_SUMS,  /* waiting for the sums of gradients over the ranks */
    DT_PART_RANKS, /* what else ranks tell each other, waiting included */
    DT_PART_EVALUATION,
    DT_PART_CHECKPOINT,
    DT_PART_WRITING, /* results */
    DT_PART_WAITING, /* for another thread's work */
    DT_PART_STEP,    /* an update, or a piece of a prediction, with all that belongs to it */
    DT_PARTS,
    DT_NO_PART = -1
} dt_part;

/* "feed-forward" */
const char *dt_part_name(dt_part part);

/* Everything of one kind that was measured on a lane. */
typedef struct {
    dt_part part;
    dt_part outer;    /* that it was done for, and that counts its time; DT_NO_PART: itself */
    const char *what; /* the operation; NULL: a mark */
    int64_t in, out;  /* of a matrix product; else 0 */
    char name[48];    /* of these, for people */
    int64_t calls;
    double seconds;
    double work; /* floating-point operations that are needed (docs/performance.md); 0: not
                    counted */
} dt_profile_row;

/* One interval, for the trace. */
typedef struct {
    int32_t row;  /* of its lane */
    float gflop;  /* needed work */
    double begin; /* seconds since the profile's start */
    double seconds;
} dt_profile_span;

typedef struct dt_profile dt_profile;

/* A profile that measures from now on. spans: keeps every interval too, the first quarter of a
 * million of each lane. */
dt_status dt_profile_create(dt_profile **out, bool spans);
void dt_profile_destroy(dt_profile *profile); /* NULL is fine */

/* The intervals' zero, from which the seconds of the profile count; dt_seconds() at its start. */
double dt_profile_zero(const dt_profile *profile);

/* Pauses and goes on; while it pauses operations are not looked at. Not within a mark. NULL is
 * fine. */
void dt_profile_run(dt_profile *profile, bool running);
bool dt_profile_runs(const dt_profile *profile);

/* Forgets what was measured. Not within a mark. */
void dt_profile_clear(dt_profile *profile);

/* Marks, on the lane's thread. NULL is fine. */
void dt_profile_begin(dt_profile *profile, dt_lane lane, dt_part part);
void dt_profile_end(dt_profile *profile, dt_lane lane);

/* What is being done: the outermost mark of the lane, steps left out. */
dt_part dt_profile_outer(const dt_profile *profile, dt_lane lane);

/* An operation, whose time lies in the past. outer: dt_profile_outer() when it was asked for. */
typedef struct {
    dt_part part, outer;
    const char *what; /* a constant: the address stands for the text */
    int64_t in, out;
    double work;
} dt_profiled;

/* begin: dt_seconds() or what is like it. */
void dt_profile_add(dt_profile *profile, dt_lane lane, const dt_profiled *operation, double begin,
                    double seconds);

/* Counts needed work for the marks that stand open on the main lane. */
void dt_profile_credit(dt_profile *profile, double work);

/* ---- what was measured, once the lanes' threads stand still -------------------------------- */

const dt_profile_row *dt_profile_rows(const dt_profile *profile, dt_lane lane, int32_t *count);
/* dropped: intervals that there was no room for. */
const dt_profile_span *dt_profile_spans(const dt_profile *profile, dt_lane lane, int64_t *count,
                                        int64_t *dropped);

/* All rows of a part together: its marks and operations, and on the device what was done for it. */
dt_profile_row dt_profile_part(const dt_profile *profile, dt_lane lane, dt_part part);

/* All rows of a part that were done for the mark `outer`. */
dt_profile_row dt_profile_within(const dt_profile *profile, dt_lane lane, dt_part outer,
                                 dt_part part);

#endif
