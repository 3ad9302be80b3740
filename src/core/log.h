/* Messages to the user: on standard error, and in a log file if one is open.
 *
 * Results go to files or standard output; messages are for information. Only rank 0 prints
 * messages: other ranks call dt_log_quiet().
 */
#ifndef DT_CORE_LOG_H
#define DT_CORE_LOG_H

#include <stdbool.h>

#include "core/status.h"

/* Print a message of one or more lines; the last newline is added. If standard error can no longer
 * be written (such as a closed pipe; the program must ignore SIGPIPE), the log file still gets all
 * messages, and a note about it. A notice reports something unexpected that needs no action, a
 * warning something to check. */
void dt_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void dt_notice(const char *format, ...) __attribute__((format(printf, 1, 2)));
void dt_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The message of a program that ends with an error. */
void dt_log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Prints each line of a text as a separate dt_info(). */
void dt_info_lines(const char *text);

/* Prints the output of a command to standard output; DT_ERR_IO if this, or earlier output, cannot
 * be written. */
dt_status dt_print(const char *text);

/* Writes to the log file only. */
void dt_log_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Opens a file for appending that also receives every message, with the time. The first log file
 * begins with the earlier messages (up to 64 KiB). Closes the previous file. */
dt_status dt_log_open(const char *path);
void dt_log_close(void);

/* Disables messages on standard error; the log file still receives them. */
void dt_log_quiet(bool quiet);
/* Disables information, notices and the status line there: --quiet. */
void dt_log_warnings_only(bool only);

/* With `json`, each message on standard error is one line with one object: {"time": "…", "level":
 * "info" | "notice" | "warning" | "error", "message": "…"}, and there is no status line. The log
 * file is text in any case. */
void dt_log_json(bool json);

/* Shows a status line on a terminal: `text` (ASCII) is shown at once and stays until the next call
 * or message; "" removes it. Text wider than the terminal is cut. Does nothing if standard error is
 * not a terminal. */
void dt_log_status_line(const char *text);

/* Returns the current width of the terminal in columns; 0 if standard error is not a terminal. */
int dt_log_width(void);

/* Returns true if dt_log_status_line() is effective: none of the three functions above forbids
 * it. */
bool dt_log_is_terminal(void);

#endif
