/* The progress line of an epoch: bar, step, loss, learning rate, sequences per second, remaining
 * time of the epoch and of the run. A terminal shows one line that is redrawn, without the fields
 * that do not fit its width; otherwise a new line is printed every 30 seconds. */
#ifndef DT_TRAIN_PROGRESS_H
#define DT_TRAIN_PROGRESS_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    int32_t epoch, epochs; /* the current one, from 1, and the total */
    int64_t steps;         /* updates of the epoch */
    double started;        /* dt_seconds() */
    double shown;          /* when the line was last drawn */
    double between;        /* seconds of evaluation after each epoch; 0: unknown */
} dt_progress;

dt_progress dt_progress_begin(int32_t epoch, int32_t epochs, int64_t steps);

/* Draws the line if it is due, after `step` updates and `sequences` sequences of the epoch. */
void dt_progress_show(dt_progress *progress, int64_t step, int64_t sequences, double loss,
                      double rate);

/* The values of the line. */
typedef struct {
    int64_t step, sequences; /* done */
    double loss, rate;       /* learning rate */
    double elapsed;          /* seconds, > 0 */
} dt_progress_state;

/* Formats the line in at most `width` columns (0: unlimited) into `size` bytes at out. */
void dt_progress_text(const dt_progress *progress, const dt_progress_state *state, int width,
                      char *out, size_t size);

/* Removes the line. */
void dt_progress_end(void);

/* Formats 3725 seconds as "1:02:05" and 65 as "1:05". out: 32 bytes. */
void dt_duration(double seconds, char *out);

#endif
