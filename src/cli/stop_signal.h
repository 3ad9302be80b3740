/* Signals that end a program gracefully: SIGUSR1, SIGTERM, SIGINT and SIGHUP. Those that were ignored
 * when the program started remain ignored (nohup). A second SIGINT or SIGTERM, half a second or more
 * after the first, ends the process immediately. */
#ifndef DT_CLI_STOP_SIGNAL_H
#define DT_CLI_STOP_SIGNAL_H

#include "core/status.h"
#include "options/option.h"

/* From now on, a signal ends the process, whatever it is doing: with one line, status 1, and without
 * the files that it has begun. Once a file has its final name, the command goes on to its end instead,
 * so that files that belong together are all there. dt_command_main() calls it. */
void dt_stop_signal_end(const dt_command *command);

/* From now on, a signal only sets dt_stop_signal (core/stop.h) to its number: the command looks at it,
 * to save its state or to remove what it has made. */
void dt_stop_signal_watch(void);

/* Records the error of a command that looked at dt_stop_signal and cannot go on later. */
dt_status dt_stopped_for_good(void);

/* From now on, the program continues if the reader of its output closes the pipe. */
void dt_outlive_log_reader(void);

#endif
