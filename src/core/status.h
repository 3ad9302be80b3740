/* Errors: the status returned by all functions that can fail, and the error message.
 *
 * The function that detects an error calls dt_fail() with the complete message: what is wrong,
 * where (file, record), and what to do. Its callers return the status with DT_TRY and add nothing.
 * The program's main prints dt_error_message() once. Nothing below src/cli calls exit().
 */
#ifndef DT_CORE_STATUS_H
#define DT_CORE_STATUS_H

typedef enum {
    DT_OK = 0,
    DT_ERR_INPUT,    /* a file or one of its records is invalid */
    DT_ERR_IO,       /* the system could not read or write */
    DT_ERR_USAGE,    /* the command line is invalid: exit status 2 */
    DT_ERR_MEMORY,   /* not enough memory on the host or the device */
    DT_ERR_DEVICE,   /* a device or its library failed */
    DT_ERR_COMM,     /* communication between ranks failed */
    DT_ERR_NUMERIC,  /* the computation gave no usable number */
    DT_ERR_INTERNAL, /* a bug in DeepTaxa-MPI */
    DT_STOPPED,      /* stopped by a signal, with a resumable checkpoint: exit status 75 */
    DT_ERR_FULL,     /* like DT_ERR_IO: a disk or quota is full (dt_write_failure()) */
} dt_status;

/* Stores the message of an error for the calling thread, replacing the previous one, and returns
 * `code`, so that a function can end with `return dt_fail(DT_ERR_INPUT, "%s: line %ld: ...", path,
 * line);`. Control characters, which names in a file may have, become '?'. */
dt_status dt_fail(dt_status code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Returns the message of the calling thread's last dt_fail(), or "". Valid until the thread's next
 * dt_fail(). */
const char *dt_error_message(void);

/* Returns the exit status of the program for `status`: 0, 1, 2 or 75. */
int dt_exit_status(dt_status status);

/* DT_TRY(f(x)) returns from the calling function with the status of f(x), unless it is DT_OK. */
#define DT_TRY(call)                                                                               \
    do {                                                                                           \
        dt_status dt_try_status_ = (call);                                                         \
        if (dt_try_status_ != DT_OK)                                                               \
            return dt_try_status_;                                                                 \
    } while (0)

/* Like DT_TRY, for functions that must clean up: sets `status` (a dt_status in scope) and jumps to
 * `label`. */
#define DT_TRY_OR(label, call)                                                                     \
    do {                                                                                           \
        status = (call);                                                                           \
        if (status != DT_OK)                                                                       \
            goto label;                                                                            \
    } while (0)

#endif
