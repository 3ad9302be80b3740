/* Signals that ask a training to save and end. */
#ifndef DT_CLI_STOP_SIGNAL_H
#define DT_CLI_STOP_SIGNAL_H

#include <stdatomic.h>

/* From now on SIGUSR1, SIGTERM and SIGINT set the number that is returned (0 until then) to their
 * own; a second SIGINT ends the process at once. */
const atomic_int *dt_stop_signal_watch(void);

#endif
