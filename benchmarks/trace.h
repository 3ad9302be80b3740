/* What each operation of a backend takes: the model is left as it is, and the backend's table is
 * exchanged for one that marks the time after every operation. With events (a GPU) nothing waits
 * between operations; without (the CPU) they are finished when they return.
 *
 *     dt_trace_start(backend);
 *     ... operations ...
 *     dt_trace_stop(&list);
 */
#ifndef DT_BENCHMARKS_TRACE_H
#define DT_BENCHMARKS_TRACE_H

#include "backend.h"

#define DT_TRACE_PARTS 64

/* All operations of one name and, for matrix products, one shape. */
typedef struct {
    char name[64];
    int32_t calls;
    double seconds;
    double work; /* floating-point operations of the matrix products; 0 for others */
} dt_trace_part;

typedef struct {
    int32_t count;
    dt_trace_part part[DT_TRACE_PARTS]; /* in the order of their first call */
    double seconds;                     /* from start to stop, on the device */
} dt_trace_list;

/* One backend at a time. */
void dt_trace_start(dt_backend *backend);

/* Waits, gives the backend its own table back, and adds what was measured to the list.
 * DT_ERR_INTERNAL when there were more operations than events. */
dt_status dt_trace_stop(dt_trace_list *list);

#endif
