/* Signals that ask a program to end in good order. */
#ifndef DT_CLI_STOP_SIGNAL_H
#define DT_CLI_STOP_SIGNAL_H

/* From now on SIGUSR1, SIGTERM, SIGINT and SIGHUP set dt_stop_signal (core/stop.h) to their number;
 * a second SIGINT ends the process at once. One that was ignored when the program began stays so
 * (nohup). */
void dt_stop_signal_watch(void);

/* From now on the work goes on when whoever reads what the program says goes away. */
void dt_outlive_log_reader(void);

#endif
