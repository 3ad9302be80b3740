/* Input that may never come: a pipe that nobody writes to, a terminal. A signal that asks to stop
 * (core/stop.h) ends the waiting. */
#ifndef DT_IO_INPUT_WAIT_H
#define DT_IO_INPUT_WAIT_H

#include <stddef.h>

#include "core/status.h"

/* Opens a file for reading; does not wait for who writes to a named pipe. "-" is standard input.
 * Returns the descriptor, closed on exec; -1 with errno. */
int dt_input_open(const char *path);

/* Before each read(): waits until there is something to read, or the end. DT_STOPPED where a signal
 * asks to stop, before or meanwhile; `name` is what messages call the input. */
dt_status dt_input_wait(int fd, const char *name);

/* Reads a whole file, as dt_read_file() does, but heeds a signal that asks to stop: *bytes
 * (*length + 1 of them, the last '\0') is the caller's to free(). */
dt_status dt_input_read_all(const char *path, char **bytes, size_t *length);

#endif
