/* Measures where the time of a training or prediction run goes, for --profile and the benchmarks.
 *
 * There are two sources. Wrappers in the function tables of a backend and a communicator measure
 * their operations (profiled_backend.h, profiled_comm.h), so that neither the model nor the
 * backends depend on the profile. Work between operations is marked in the code:
 *
 *     dt_profile_begin(profile, DT_TRACK_MAIN, DT_CATEGORY_DATA);
 *     ... work ...
 *     dt_profile_end(profile, DT_TRACK_MAIN);
 *
 * A NULL profile measures nothing: without --profile there are no wrappers, and a mark costs one
 * comparison.
 *
 * Marks may be nested. The time counts for the outermost mark: an evaluation is one category,
 * whatever operations it consists of; these are recorded as its contents. Steps are the exception:
 * they are counted in addition to the categories inside them (DT_CATEGORY_STEP).
 *
 * Each track belongs to one thread, which alone may mark it, or to the device. Memory is allocated
 * at creation; nothing is allocated afterwards.
 */
#ifndef DT_PROFILE_PROFILE_H
#define DT_PROFILE_PROFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

typedef enum {
    DT_TRACK_MAIN,   /* the thread that computes or launches device work */
    DT_TRACK_DEVICE, /* the GPU, by its own clock */
    DT_TRACK_READER, /* predict: reads and tokenises the input */
    DT_TRACK_WRITER, /* predict: writes results; train: writes checkpoints */
    DT_TRACKS
} dt_track;

typedef enum {
    DT_CATEGORY_INPUT,  /* reading and tokenising */
    DT_CATEGORY_MODEL,  /* allocation, initialisation or loading of a checkpoint */
    DT_CATEGORY_DATA,   /* tokens and labels of a batch */
    DT_CATEGORY_COPIES, /* between host and device, including waiting for the device */
    DT_CATEGORY_LAUNCH, /* GPU: launching operations */
    DT_CATEGORY_EMBEDDING,
    DT_CATEGORY_ATTENTION, /* including its products, dropout and LayerNorm; likewise below */
    DT_CATEGORY_FEED_FORWARD,
    DT_CATEGORY_CONVOLUTION,
    DT_CATEGORY_FUSION,   /* from tokens to sequence embeddings: first rows, means, fusion */
    DT_CATEGORY_HEADS,    /* including the loss, or the classification */
    DT_CATEGORY_PRODUCTS, /* matrix products that belong to no other category */
    DT_CATEGORY_OPTIMIZER,
    DT_CATEGORY_SUMS,  /* waiting for the sum of gradients over the ranks */
    DT_CATEGORY_RANKS, /* other communication between ranks, including waiting */
    DT_CATEGORY_EVALUATION,
    DT_CATEGORY_CHECKPOINT,
    DT_CATEGORY_WRITING, /* results */
    DT_CATEGORY_WAITING, /* for another thread */
    DT_CATEGORY_STEP,    /* an update, or a micro-batch of a prediction, with everything in it */
    DT_CATEGORIES,
    DT_NO_CATEGORY = -1
} dt_category;

/* Returns the name in reports, e.g. "feed-forward". */
const char *dt_category_name(dt_category category);

/* The sum of all measurements of one kind on a track. */
typedef struct {
    dt_category category;
    dt_category outer; /* the enclosing mark, which counts its time; DT_NO_CATEGORY: none */
    const char *what;  /* name of the operation; NULL: a mark */
    int64_t in, out;   /* sizes of a matrix product; else 0 */
    char name[48];     /* display name */
    int64_t calls;
    double seconds;
    double work; /* required floating-point operations (docs/performance.md); 0: not counted */
} dt_profile_row;

/* One interval, for the trace. */
typedef struct {
    int32_t row;  /* index of the row on its track */
    float gflop;  /* required work */
    double begin; /* seconds since the profile's time zero */
    double seconds;
} dt_profile_span;

typedef struct dt_profile dt_profile;

/* Creates a profile that starts measuring now. spans: also keep the individual intervals, the first
 * 262,144 of each track. */
dt_status dt_profile_create(dt_profile **out, bool spans);
void dt_profile_destroy(dt_profile *profile); /* NULL is fine */

/* Returns the time zero of the intervals: dt_seconds() at creation or at the last clear. */
double dt_profile_zero(const dt_profile *profile);

/* Pauses or resumes the profile; nothing is measured while it is paused. Must not be called within
 * a mark. NULL is fine. */
void dt_profile_run(dt_profile *profile, bool running);
bool dt_profile_runs(const dt_profile *profile);

/* Discards all measurements and sets time zero to now. Must not be called within a mark. */
void dt_profile_clear(dt_profile *profile);

/* Begin and end a mark; call on the track's thread. NULL is fine. */
void dt_profile_begin(dt_profile *profile, dt_track track, dt_category category);
void dt_profile_end(dt_profile *profile, dt_track track);

/* Returns the outermost open mark of the track, ignoring steps; DT_NO_CATEGORY: none. */
dt_category dt_profile_outer(const dt_profile *profile, dt_track track);

/* A finished operation. outer: dt_profile_outer() at the time of its launch. */
typedef struct {
    dt_category category, outer;
    const char *what; /* a string constant; compared by address */
    int64_t in, out;
    double work;
} dt_profiled;

/* Adds an operation. begin: on the clock of dt_seconds(). */
void dt_profile_add(dt_profile *profile, dt_track track, const dt_profiled *operation, double begin,
                    double seconds);

/* Adds required work to the open marks of the main track. */
void dt_profile_credit(dt_profile *profile, double work);

/* ---- results; call when the threads of the tracks are idle --------------------------------- */

const dt_profile_row *dt_profile_rows(const dt_profile *profile, dt_track track, int32_t *count);
/* dropped: intervals that did not fit into memory. */
const dt_profile_span *dt_profile_spans(const dt_profile *profile, dt_track track, int64_t *count,
                                        int64_t *dropped);

/* Returns the sum of all rows of a category: its marks and operations, and on the device track also
 * the operations enclosed by its marks. */
dt_profile_row dt_profile_category(const dt_profile *profile, dt_track track, dt_category category);

/* Returns the sum of the rows of a category that were enclosed by the mark `outer`. */
dt_profile_row dt_profile_within(const dt_profile *profile, dt_track track, dt_category outer,
                                 dt_category category);

#endif
