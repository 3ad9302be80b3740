/* Time: a monotonic clock, and the wall clock as text. */
#ifndef DT_CORE_CLOCK_H
#define DT_CORE_CLOCK_H

#include <stddef.h>

/* Returns the seconds of a monotonic clock with an arbitrary zero. */
double dt_seconds(void);

/* Writes local time as `2026-04-29T04:39:31.634207` (ISO 8601, microseconds). 32 bytes suffice. */
void dt_timestamp(char *out, size_t size);

#endif
