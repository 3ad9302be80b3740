/* Waiting for input that may never come, such as a pipe without a writer or a terminal. A signal
 * that requests a stop (core/stop.h) ends the wait. */
#ifndef DT_CORE_INPUT_WAIT_H
#define DT_CORE_INPUT_WAIT_H

#include "core/status.h"

/* Opens a file for reading, without waiting for the writer of a named pipe. "-" is standard input.
 * Returns the descriptor (closed on exec), or -1 with errno. */
int dt_input_open(const char *path);

/* Call before each read(): waits for input or its end. DT_STOPPED if a signal requests a stop
 * before or during the wait; `name` is the input's name for messages. */
dt_status dt_input_wait(int fd, const char *name);

#endif
