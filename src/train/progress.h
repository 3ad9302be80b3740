/* The progress line of an epoch: bar, step, loss, learning rate, sequences a second, time left of
 * the epoch and of the run. On a terminal it replaces itself, and parts that a narrow one has no
 * room for are left out; elsewhere a plain line appears every 30 seconds. */
#ifndef DT_TRAIN_PROGRESS_H
#define DT_TRAIN_PROGRESS_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    int32_t epoch, epochs; /* this one, from 1, and how many */
    int64_t steps;         /* updates of the epoch */
    double started;        /* dt_seconds() */
    double shown;          /* when the line was last drawn */
    double between; /* seconds that come after each epoch, for its evaluation; 0: not known */
} dt_progress;

dt_progress dt_progress_begin(int32_t epoch, int32_t epochs, int64_t steps);

/* Draws the line when it is time: `step` updates and `sequences` sequences are done. */
void dt_progress_show(dt_progress *progress, int64_t step, int64_t sequences, double loss,
                      double rate);

/* What the line says. */
typedef struct {
    int64_t step, sequences; /* done */
    double loss, rate;       /* learning rate */
    double elapsed;          /* seconds, > 0 */
} dt_progress_state;

/* The line in at most `width` columns (0: of any length). `size` bytes at out. */
void dt_progress_text(const dt_progress *progress, const dt_progress_state *state, int width,
                      char *out, size_t size);

/* Removes the line. */
void dt_progress_end(void);

/* 3725 seconds as "1:02:05", 65 as "1:05". 32 bytes suffice. */
void dt_duration(double seconds, char *out);

#endif
