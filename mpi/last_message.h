/* The message with which a run ends is printed once, by rank 0: a rank that aborts the run sends its
 * message to rank 0, which prints the first one, answers, and ends the run. How long the launcher
 * takes to end the other ranks therefore makes no difference. A rank that gets no answer, because
 * rank 0 hangs or is unreachable, prints its message itself.
 */
#ifndef DT_MPI_LAST_MESSAGE_H
#define DT_MPI_LAST_MESSAGE_H

#include <mpi.h>
#include <stdbool.h>

#include "core/status.h"

typedef struct dt_last_message dt_last_message;

/* ---- for the MPI thread ---------------------------------------------------------------------- */

/* Collective over `comm`, which it duplicates. */
dt_status dt_last_message_start(dt_last_message **out, MPI_Comm comm);

/* Passes messages on, without waiting. On rank 0, *exit_status is set once the message of another
 * rank is printed: the run must then be ended. Unchanged otherwise. */
dt_status dt_last_message_poll(dt_last_message *m, int *exit_status);

/* Frees it when no rank will send a message any more. NULL is allowed. */
void dt_last_message_free(dt_last_message *m);

/* ---- for any thread -------------------------------------------------------------------------- */

/* Rank 0 prints the text, unless that of another rank is printed already. Another rank gives it to
 * its MPI thread, which must be awake to poll; call it once. */
void dt_last_message_give(dt_last_message *m, int exit_status, const char *text);

/* Waits until rank 0 has the text that was given; prints it if that takes too long. */
void dt_last_message_await(dt_last_message *m);

/* Returns whether a text has been given that rank 0 is not yet known to have. */
bool dt_last_message_pending(const dt_last_message *m);

#endif
