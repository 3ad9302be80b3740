/* A stop requested by a signal. There is one per process, because a signal handler can only reach
 * global variables, and input may be waited for anywhere. */
#ifndef DT_CORE_STOP_H
#define DT_CORE_STOP_H

#include <stdatomic.h>

/* The number of the last signal that requested a stop; 0: none. */
extern atomic_int dt_stop_signal;

/* Returns "SIGTERM" etc.; "a signal" for numbers of other signals. */
const char *dt_signal_name(int number);

#endif
