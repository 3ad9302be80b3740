/* What the program says to a person: on standard error, and in a log file once there is one.
 *
 * Results go to files or standard output; everything said here is for reading along. Rank 0 alone
 * speaks: other ranks call dt_log_quiet().
 */
#ifndef DT_CORE_LOG_H
#define DT_CORE_LOG_H

#include <stdbool.h>

#include "core/status.h"

/* One line each, or several with newlines between; the last newline is added. Where standard error
 * can no longer be written (who reads it has gone: a program must ignore SIGPIPE for that), the log
 * file has all, and says so once. A notice tells something the user may not expect and need not act
 * on, a warning something to look at. */
void dt_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void dt_notice(const char *format, ...) __attribute__((format(printf, 1, 2)));
void dt_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Each line of a text by a dt_info() of its own. */
void dt_info_lines(const char *text);

/* What a command was asked to show, on standard output; DT_ERR_IO where this, or what was printed
 * before, cannot be written. */
dt_status dt_print(const char *text);

/* For the log file alone. */
void dt_log_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Opens (appends to) a file that receives every line too, each with its time; the first one begins
 * with the lines that were said before (64 KiB of them are kept). Closes the one before. */
dt_status dt_log_open(const char *path);
void dt_log_close(void);

/* Nothing on standard error any more; the log file still gets every line. */
void dt_log_quiet(bool quiet);

/* A line that replaces itself on a terminal: `text` (ASCII) is shown at once and stays until the
 * next call or the next message; "" removes it. What is wider than the terminal is cut off. Does
 * nothing where standard error is no terminal. */
void dt_log_status_line(const char *text);

/* Columns of the terminal as it is now: who draws again asks again. 0: standard error is none. */
int dt_log_width(void);

/* True where dt_log_status_line() shows something. */
bool dt_log_is_terminal(void);

#endif
