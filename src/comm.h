/* The contract of a communicator: what the ranks of a run do together.
 *
 * mpi/ implements it with MPI, and with NCCL for the gradients, as modules; one process alone needs
 * none (dt_comm_single). All operations are collective: every world_rank calls them in the same
 * order. An operation that fails, or that takes longer than the collective timeout because another
 * rank does not come, returns an error; the caller then calls abort(). A process that does not end
 * in seconds after such an error is ended by its communicator.
 *
 * Two limits, since ranks wait for each other honestly for as long as one of them reads, validates
 * or writes: the collective timeout is generous (ten minutes by default), while a process that
 * gives no sign of life at all, because it is stopped or its host is cut off, is given up after
 * half a minute. A process that dies is noticed by the launcher at once.
 *
 * A program opens its communicator first, since the local rank chooses the GPU; then its backend;
 * then attach() decides how the gradients of that backend are summed.
 *
 * The gradients of a step are reduced while the backward pass still runs: the model reports a range
 * of the flat gradient vector as soon as it is final, the trainer passes it to all_reduce_start(),
 * and all_reduce_finish() comes before the update. With a device whose work is asynchronous the
 * range is final when the backend's event `slot` has happened, and the reduction waits for that on
 * its own stream; the host never does.
 */
#ifndef DT_COMM_H
#define DT_COMM_H

#include <stdbool.h>
#include <stdint.h>

#include "backend.h"
#include "core/status.h"

typedef struct dt_comm dt_comm;
typedef struct dt_comm_ops dt_comm_ops;

/* What gradients are rounded to on their way. fp32: nothing, they travel as the backend holds them.
 * bf16: half the bytes; a rank's sum over its own sequences is rounded, and so is each sum of what
 * two ranks sent. Master weights and moments are not concerned. */
typedef enum { DT_GRAD_FP32, DT_GRAD_BF16 } dt_grad_dtype;

struct dt_comm {
    const dt_comm_ops *ops;
    const char *name; /* what sums the gradients: "single", "mpi"; "nccl" after attach() */
    int32_t world_rank;
    int32_t world_size;
    int32_t local_rank; /* among the ranks of this host: chooses the GPU */
    int32_t local_size;
    dt_grad_dtype grad_dtype; /* fp32 for a rank alone, whatever it was opened with */
    char host[64];            /* the name of this rank's host */
    char description[256];    /* for the user: libraries, what sums the gradients and why */
};

struct dt_comm_ops {
    /* Before the backend that was attached, whose memory it may hold. */
    void (*destroy)(dt_comm *comm);

    /* Prepares all_reduce_* for the gradients of this backend, whose vectors exist; chooses what
     * sums them, and says why in comm->description. Comes before any all_reduce_*. DT_ERR_USAGE,
     * on all ranks alike: NCCL was asked for by name and cannot be had. Any other failure may be
     * of this rank alone, and the others wait for it: it must abort. */
    dt_status (*attach)(dt_comm *comm, dt_backend *backend);

    /* Begins to replace elements offset … offset+count-1 of the backend's gradient vector by their
     * sum over all ranks, after the backend's event `slot`. Does not wait. Ranges do not overlap,
     * and are the same in the same order on all ranks; how they are cut decides the rounding, so
     * that equal runs on as many ranks give equal bits, which are those of all ranks. */
    dt_status (*all_reduce_start)(dt_comm *comm, dt_backend *backend, int64_t offset, int64_t count,
                                  int32_t slot);
    /* Operations that the backend is asked for from now on see all sums. */
    dt_status (*all_reduce_finish)(dt_comm *comm, dt_backend *backend);

    /* Host memory; these wait. Sums are taken in the order of the ranks: equal on all of them. */
    dt_status (*sum)(dt_comm *comm, double *values, int64_t count);
    dt_status (*broadcast)(dt_comm *comm, void *bytes, int64_t count, int32_t root);
    /* Rank q gives counts[q] bytes; rank `root` receives all, one after the other, in `out` (used
     * on the root alone). */
    dt_status (*gather)(dt_comm *comm, const void *bytes, const int64_t *counts, void *out,
                        int32_t root);
    dt_status (*barrier)(dt_comm *comm);

    /* Ends the run on all ranks: prints `rank 3 on <host>: <message>` once, and exits with the
     * status that belongs to `status`. Not collective: any rank and any thread of it calls it, at
     * any moment. Returns only where there are no others (dt_comm_single). */
    void (*abort)(dt_comm *comm, dt_status status, const char *message);
};

/* ---- in terms of these ---------------------------------------------------------------------- */

/* Every rank gives `size` bytes and gets those of all, (world_size, size). Collective. */
dt_status dt_gather_all(dt_comm *comm, const void *mine, int64_t size, void *all);

/* Ranks that come to the same point of the program, each with a status of its own, leave it with
 * the same one: DT_OK when all came with that, else that of the lowest rank that failed, whose
 * message rank 0 then has (with the rank and its host, unless it is rank 0 itself). Since all of
 * them know, nobody needs to abort: *agreed is set. When the ranks cannot even talk, the result
 * is DT_ERR_COMM and *agreed stays. Collective. */
dt_status dt_agree(dt_comm *comm, dt_status mine, bool *agreed);

/* ---- finding one ---------------------------------------------------------------------------- */

/* What sums the gradients. auto: NCCL where every rank has a GPU of its own, else MPI. */
typedef enum { DT_COMM_AUTO, DT_COMM_MPI, DT_COMM_NCCL } dt_comm_kind;

typedef struct {
    dt_comm_kind kind;
    dt_grad_dtype grad_dtype;
    double collective_timeout; /* seconds a rank waits for the others; <= 0: for ever */
    double silence_timeout;    /* seconds without a sign of life of another rank's process, whatever
                                  it is doing, after which it is given up; 0: 30 */
    int64_t bucket_bytes;      /* gradients are summed in pieces of this size, as they travel; 0:
                                  what was measured to be best */
} dt_comm_options;

/* The communicator of this process, which the caller destroys. A process that no launcher started
 * (core/launcher.h), or that a launcher started alone, is single and loads nothing, unless a kind
 * is asked for by name; others load the module "mpi". DT_ERR_COMM says what is missing when
 * processes that were started together cannot find each other: they would overwrite each other's
 * files. */
dt_status dt_comm_open(const dt_comm_options *options, dt_comm **out);

/* The communicator of one process: sums are what they were. */
dt_status dt_comm_single(dt_comm **out);

/* What a module exports under the name "dt_comm_module". */
typedef struct {
    int32_t contract; /* DT_COMM_CONTRACT of its build: refused when different */
    dt_status (*open)(const dt_comm_options *options, dt_comm **out);
} dt_comm_module;

#define DT_COMM_CONTRACT 2

#endif
