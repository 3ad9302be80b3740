/* Prints notices from a thread that must not wait: the log may be on a file system that does not
 * answer for minutes, and the caller would miss its heartbeats. */
#ifndef DT_MPI_NOTICE_H
#define DT_MPI_NOTICE_H

#include "core/status.h"

typedef struct dt_notice_printer dt_notice_printer;

/* Starts the printing thread. */
dt_status dt_notice_printer_create(dt_notice_printer **out);

/* dt_notice() without waiting. A notice is lost if the previous one is still being printed. */
void dt_notice_print(dt_notice_printer *printer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Waits for the last notice. NULL is allowed. */
void dt_notice_printer_free(dt_notice_printer *printer);

#endif
