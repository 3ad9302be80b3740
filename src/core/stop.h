/* A stop requested by a signal. There is one per process, because a signal handler can only reach
 * global variables, and input may be waited for anywhere. */
#ifndef DT_CORE_STOP_H
#define DT_CORE_STOP_H

#include <stdatomic.h>
#include <stdbool.h>

/* The number of the last signal that requested a stop; 0: none. */
extern atomic_int dt_stop_signal;

/* Returns "SIGTERM" etc.; "a signal" for numbers of other signals. */
const char *dt_signal_name(int number);

/* A command that a signal ends at once (cli/stop_signal.h) either ends or leaves a result. The one that
 * ends it asks first: false if a file has its final name. A new file says so before it gets that name;
 * the call does not return if the process is being ended. */
bool dt_stop_may_end(void);
void dt_stop_too_late(void);
/* That file was none of the command's results. */
void dt_stop_not_too_late(void);

#endif
