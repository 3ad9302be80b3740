/* The one thread of a rank that calls MPI.
 *
 * All of MPI, from MPI_Init_thread to MPI_Finalize, is called by this thread: so
 * MPI_THREAD_FUNNELED is enough, which every MPI offers; gradient sums progress while the program
 * computes, also with an MPI that has no progress of its own; and the program, which waits here on
 * a condition with a limit, gets control back even when a call into MPI never returns.
 *
 * Two kinds of work: a job, which the program waits for (dt_mpi_run), and buckets of gradients to
 * be summed, which go on beside it (dt_mpi_post). The thread asks MPI again and again how far they
 * are; between two questions it sleeps, so that a rank whose processors are all computing loses
 * little: see pause_between() in mpi_thread.c.
 *
 * Signals are left to the program's other threads.
 */
#ifndef DT_MPI_MPI_THREAD_H
#define DT_MPI_MPI_THREAD_H

#include <mpi.h>

#include "comm.h"
#include "mpi_world.h"
#include "number.h"
#include "watchdog.h"

typedef struct dt_mpi_thread dt_mpi_thread;

/* Starts the thread and initialises MPI. `expected`: ranks that there should be, 0: not known. */
dt_status dt_mpi_thread_start(dt_mpi_thread **out, dt_mpi_facts *facts,
                              const dt_comm_options *options, int32_t expected);

/* Finalises MPI, unless an operation failed, and ends the thread. */
void dt_mpi_thread_stop(dt_mpi_thread *thread);

/* ---- for the program's threads --------------------------------------------------------------- */

/* Work done by the thread: calls MPI on `comm`, and dt_mpi_wait() where it has to wait. */
typedef dt_status (*dt_mpi_work)(dt_mpi_thread *thread, void *context);

/* Runs `work` on the thread and waits for it. `what` is how a message calls it, as "a broadcast".
 * DT_ERR_COMM when it takes longer than the timeout; from then on every call fails the same way. */
dt_status dt_mpi_run(dt_mpi_thread *thread, const char *what, dt_mpi_work work, void *context);

/* Sums `count` numbers at `data` over all ranks in place, some time. Does not wait. All ranks post
 * the same counts of the same kind in the same order. */
dt_status dt_mpi_post(dt_mpi_thread *thread, void *data, int32_t count, dt_mpi_number number);

/* Waits until the first `buckets` of all that were ever posted are summed; < 0: all. */
dt_status dt_mpi_wait_posted(dt_mpi_thread *thread, int64_t buckets);

/* The one of this rank. The thread has set it when an operation failed: the program is to say so
 * and end, which takes it seconds. */
dt_watchdog *dt_mpi_watchdog(const dt_mpi_thread *thread);

/* Has the thread end the run with MPI_Abort(status), whatever it is doing. Does not wait. */
void dt_mpi_thread_abort(dt_mpi_thread *thread, int status);

/* ---- for work ---------------------------------------------------------------------------------
 */

/* The communicator of host operations (not of gradients). */
MPI_Comm dt_mpi_comm(const dt_mpi_thread *thread);

/* Waits for all of these requests; gradients go on meanwhile. */
dt_status dt_mpi_wait(dt_mpi_thread *thread, MPI_Request *requests, int count);

#endif
