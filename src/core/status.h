/* Errors: what every function that can fail returns, and the one message that goes with it.
 *
 * The function in which an error arises calls dt_fail() with the whole message: what is wrong,
 * where (file, record), and what to do. Its callers pass the status up with DT_TRY and add nothing.
 * The program's main prints dt_error_message() once. Nothing below src/cli calls exit().
 */
#ifndef DT_CORE_STATUS_H
#define DT_CORE_STATUS_H

typedef enum {
    DT_OK = 0,
    DT_ERR_INPUT,    /* a file or a record of it is wrong */
    DT_ERR_IO,       /* the system refused to read or write */
    DT_ERR_USAGE,    /* the command line is wrong: exit status 2 */
    DT_ERR_MEMORY,   /* not enough memory, of the host or of the device */
    DT_ERR_DEVICE,   /* a device or its library failed */
    DT_ERR_COMM,     /* communication between ranks failed */
    DT_ERR_NUMERIC,  /* the computation gave no usable number */
    DT_ERR_INTERNAL, /* a bug of ours */
    DT_STOPPED,      /* stopped by a signal, with a resumable checkpoint: exit status 75 */
} dt_status;

/* Records the message of an error and returns `code`, so that a function ends with
 * `return dt_fail(DT_ERR_INPUT, "%s: line %ld: ...", path, line);`. The message is kept for the
 * calling thread and replaces the one before. */
dt_status dt_fail(dt_status code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The message of the calling thread's last dt_fail(), "" when there was none. Valid until the
 * thread's next dt_fail(). */
const char *dt_error_message(void);

/* 0, 1, 2 or 75: what the program returns to the shell for `status`. */
int dt_exit_status(dt_status status);

/* Passes a failure up: DT_TRY(f(x)) returns from the calling function with f's status unless it
 * is DT_OK. */
#define DT_TRY(call)                                                                               \
    do {                                                                                           \
        dt_status dt_try_status_ = (call);                                                         \
        if (dt_try_status_ != DT_OK)                                                               \
            return dt_try_status_;                                                                 \
    } while (0)

/* As DT_TRY for functions that must clean up: sets `status` (a dt_status in scope) and jumps to
 * `label`. */
#define DT_TRY_OR(label, call)                                                                     \
    do {                                                                                           \
        status = (call);                                                                           \
        if (status != DT_OK)                                                                       \
            goto label;                                                                            \
    } while (0)

#endif
