/* The wish to stop that a signal brings. There is one a process: a handler reaches nothing but what
 * is global, and what waits for input asks for it anywhere. */
#ifndef DT_CORE_STOP_H
#define DT_CORE_STOP_H

#include <stdatomic.h>

/* The number of the last signal that asked to stop; 0: none has. */
extern atomic_int dt_stop_signal;

/* "SIGTERM"; "a signal" for a number that is none of those which stop a program. */
const char *dt_signal_name(int number);

#endif
