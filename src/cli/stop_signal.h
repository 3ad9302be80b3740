/* Signals that end a program gracefully. */
#ifndef DT_CLI_STOP_SIGNAL_H
#define DT_CLI_STOP_SIGNAL_H

/* From now on, SIGUSR1, SIGTERM, SIGINT and SIGHUP set dt_stop_signal (core/stop.h) to their number;
 * a second SIGINT or SIGTERM, half a second or more after the first, ends the process immediately.
 * Signals that were ignored when the program started
 * remain ignored (nohup). */
void dt_stop_signal_watch(void);

/* From now on, the program continues if the reader of its output closes the pipe. */
void dt_outlive_log_reader(void);

#endif
