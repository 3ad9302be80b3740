/* The MPI thread: the only thread of a rank that calls MPI, from MPI_Init_thread to MPI_Finalize.
 *
 * This has three advantages: MPI_THREAD_FUNNELED, which every MPI provides, is sufficient; gradient
 * sums progress while the program computes, even with an MPI without asynchronous progress; and the
 * program, which waits for this thread with a timeout, regains control even if an MPI call never
 * returns.
 *
 * There are two kinds of work: a job, for which the program waits (dt_mpi_run), and gradient
 * buckets, which are summed in the background (dt_mpi_post). The thread polls MPI for completion
 * and sleeps between polls, so that it takes little time from ranks whose processors are all busy:
 * see pause_between() in mpi_thread.c.
 *
 * The thread blocks signals; the program's other threads handle them.
 */
#ifndef DT_MPI_MPI_THREAD_H
#define DT_MPI_MPI_THREAD_H

#include <mpi.h>

#include "comm.h"
#include "late.h"
#include "mpi_world.h"
#include "number.h"
#include "watchdog.h"

typedef struct dt_mpi_thread dt_mpi_thread;

/* Starts the thread and initialises MPI. `expected`: number of ranks, 0 if unknown. */
dt_status dt_mpi_thread_start(dt_mpi_thread **out, dt_mpi_info *info,
                              const dt_comm_options *options, int32_t expected);

/* Finalises MPI, unless an operation has failed, and ends the thread. */
void dt_mpi_thread_stop(dt_mpi_thread *thread);

/* ---- for the program's threads --------------------------------------------------------------- */

/* Work for the MPI thread; it calls MPI and, to wait, dt_mpi_wait(). */
typedef dt_status (*dt_mpi_work)(dt_mpi_thread *thread, void *context);

/* Runs `work` on the MPI thread and waits for it. `what` names it in messages ("a broadcast").
 * DT_ERR_COMM if it exceeds the timeout; all later calls then fail with the same error. */
dt_status dt_mpi_run(dt_mpi_thread *thread, const char *what, dt_mpi_work work, void *context);

/* The same for a further part of that operation, of which some ranks may have more than others: all
 * ranks call dt_mpi_run() equally often (late.h). */
dt_status dt_mpi_continue(dt_mpi_thread *thread, const char *what, dt_mpi_work work, void *context);

/* Queues the in-place sum over all ranks of `count` numbers at `data`. Does not wait. All ranks
 * must post the same counts of the same number type in the same order. */
dt_status dt_mpi_post(dt_mpi_thread *thread, void *data, int32_t count, dt_mpi_number number);

/* Waits until the first `buckets` buckets posted since the start are summed; < 0: all. */
dt_status dt_mpi_wait_posted(dt_mpi_thread *thread, int64_t buckets);

/* Adds what the device does to what the rank does (dt_activity): sums of gradients that were begun
 * on it, and that it waits in one. Called on the MPI thread, which must not wait. */
typedef void (*dt_mpi_device_activity)(void *context, dt_activity *activity);

/* Sets the function that knows the device's sums; NULL: there is none (any more). */
void dt_mpi_ask_device(dt_mpi_thread *thread, dt_mpi_device_activity ask, void *context);

/* Returns this rank's watchdog. The MPI thread sets it when an operation fails: the program then
 * has a few seconds to report the error and exit. */
dt_watchdog *dt_mpi_watchdog(const dt_mpi_thread *thread);

/* Prints the text, once for all ranks that abort (last_message.h), and makes the MPI thread end the
 * run with MPI_Abort(status), whatever it is doing. Does not wait for the end. */
void dt_mpi_thread_abort(dt_mpi_thread *thread, int status, const char *text);

/* ---- for dt_mpi_work ------------------------------------------------------------------------- */

/* Returns the communicator for host operations (not gradients), and that of this host's ranks. */
MPI_Comm dt_mpi_comm(const dt_mpi_thread *thread);
MPI_Comm dt_mpi_local_comm(const dt_mpi_thread *thread);

/* Waits for all of these requests; gradient sums make progress meanwhile. */
dt_status dt_mpi_wait(dt_mpi_thread *thread, MPI_Request *requests, int count);

#endif
