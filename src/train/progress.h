/* The progress line of an epoch: bar, step, loss, learning rate, sequences a second, time left. On
 * a terminal it replaces itself; elsewhere a plain line appears every 30 seconds. */
#ifndef DT_TRAIN_PROGRESS_H
#define DT_TRAIN_PROGRESS_H

#include <stdint.h>

typedef struct {
    int32_t epoch, epochs; /* this one, from 1, and how many */
    int64_t steps;         /* updates of the epoch */
    double started;        /* dt_seconds() */
    double shown;          /* when the line was last drawn */
} dt_progress;

dt_progress dt_progress_begin(int32_t epoch, int32_t epochs, int64_t steps);

/* Draws the line when it is time: `step` updates and `sequences` sequences are done. */
void dt_progress_show(dt_progress *progress, int64_t step, int64_t sequences, double loss,
                      double rate);

/* Removes the line. */
void dt_progress_end(void);

/* 3725 seconds as "1:02:05", 65 as "1:05". 32 bytes suffice. */
void dt_duration(double seconds, char *out);

#endif
