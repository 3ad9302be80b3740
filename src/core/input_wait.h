/* Input that may never come: a pipe that nobody writes to, a terminal. A signal that asks to stop
 * (core/stop.h) ends the waiting. */
#ifndef DT_CORE_INPUT_WAIT_H
#define DT_CORE_INPUT_WAIT_H

#include "core/status.h"

/* Opens a file for reading; does not wait for who writes to a named pipe. "-" is standard input.
 * Returns the descriptor, closed on exec; -1 with errno. */
int dt_input_open(const char *path);

/* Before each read(): waits until there is something to read, or the end. DT_STOPPED where a signal
 * asks to stop, before or meanwhile; `name` is what messages call the input. */
dt_status dt_input_wait(int fd, const char *name);

#endif
