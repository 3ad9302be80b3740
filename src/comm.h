/* The communicator: collective operations of the ranks of a run.
 *
 * The modules in mpi/ implement it with MPI, and with NCCL for gradients on GPUs; a single process
 * needs neither (dt_comm_single). All operations are collective: every world_rank calls them in the
 * same order. An operation returns an error when it fails, or when another rank does not join it
 * within the collective timeout; the caller must then call abort(). If the process is still alive
 * some seconds after such an error, the communicator ends it.
 *
 * There are two timeouts, because a rank may legitimately wait for minutes while another one reads,
 * validates or writes. The collective timeout is generous (ten minutes by default). The heartbeat
 * timeout is half a minute: it detects a process that is stopped or whose host is unreachable. The
 * launcher detects a process that dies at once. Before that, rank 0 names a rank for which it has
 * been waiting for some seconds, and says when it is back.
 *
 * A program opens its communicator first, because the local rank determines the GPU; then its
 * backend; then attach() chooses how the gradients of that backend are summed.
 *
 * Gradients are reduced while the backward pass is still running: the model reports each range of
 * the flat gradient vector as soon as it is final, the trainer passes it to all_reduce_start(), and
 * calls all_reduce_finish() before the update. On a device that works asynchronously the range is
 * final when the backend's event `slot` has completed; the reduction waits for the event on its own
 * stream, and the host does not wait.
 *
 * If the ranks of a host share the moments (dt_comm.shares), each updates its share of the
 * parameters after the sums, and all_gather() gives it to the others. The sums are complete on every
 * rank: a reduce-scatter would send less, but libraries add in another order in it, and the norm of
 * all gradients would be a sum over ranks.
 */
#ifndef DT_COMM_H
#define DT_COMM_H

#include <stdbool.h>
#include <stdint.h>

#include "backend.h"
#include "core/range.h"
#include "core/status.h"

typedef struct dt_comm dt_comm;
typedef struct dt_comm_ops dt_comm_ops;

/* Precision of gradients in transfer. fp32: unchanged, as the backend stores them. bf16: half the
 * bytes; each rank's sum over its own sequences is rounded, and so is every partial sum across
 * ranks. Master weights and moments are unaffected. */
typedef enum { DT_GRAD_FP32, DT_GRAD_BF16 } dt_grad_dtype;

/* What connects the ranks over which gradients are summed; of several kinds the slowest. */
typedef enum {
    DT_LINK_UNKNOWN,
    DT_LINK_MEMORY, /* of one host */
    DT_LINK_NVLINK,
    DT_LINK_PCIE, /* between GPUs of one host */
    DT_LINK_NETWORK,
} dt_link;

struct dt_comm {
    const dt_comm_ops *ops;
    const char
        *name; /* the library that sums gradients: "single", "mpi"; after attach() also "nccl" */
    int32_t world_rank;
    int32_t world_size;
    int32_t local_rank; /* among the ranks of this host; determines the GPU */
    int32_t local_size;
    int32_t local_first;      /* world_rank of local rank 0 of this host */
    dt_grad_dtype grad_dtype; /* always fp32 for a single rank */
    bool shares;              /* all_gather() may be called; never for a single rank */
    dt_link link;             /* after attach() */
    char host[64];            /* name of this rank's host */
    char description[256];    /* for the user: libraries, how gradients are summed and why */
};

struct dt_comm_ops {
    /* Call it before destroying the attached backend, whose memory the communicator may use. */
    void (*destroy)(dt_comm *comm);

    /* Prepares all_reduce_* for the gradients of this backend, whose vectors must exist; chooses
     * the library that sums them and gives the reason in comm->description. Call it before any
     * all_reduce_*. DT_ERR_USAGE, on all ranks: NCCL was requested by name and is not available.
     * Any other failure may affect this rank only while the others wait for it: call abort(). */
    dt_status (*attach)(dt_comm *comm, dt_backend *backend);

    /* Starts replacing elements offset … offset+count-1 of the backend's gradient vector by their
     * sum over all ranks, after the backend's event `slot`. Does not wait. Ranges must not overlap
     * and must be the same, in the same order, on all ranks. The division into ranges determines
     * rounding: equal runs on the same number of ranks give the same bits, on every rank. */
    dt_status (*all_reduce_start)(dt_comm *comm, dt_backend *backend, int64_t offset, int64_t count,
                                  int32_t slot);
    /* Operations enqueued on the backend after this call see all sums. */
    dt_status (*all_reduce_finish)(dt_comm *comm, dt_backend *backend);

    /* Replaces elements 0 … count-1 of the backend's parameter vector by those of the ranks of this
     * host whose share they are (dt_local_share()). Operations enqueued on the backend after this
     * call see them, and its low-precision copy has them too. Only with dt_comm.shares. */
    dt_status (*all_gather)(dt_comm *comm, dt_backend *backend, int64_t count);

    /* These work on host memory and wait. Values are added in rank order, so that all ranks get the
     * same sum. */
    dt_status (*sum)(dt_comm *comm, double *values, int64_t count);
    dt_status (*broadcast)(dt_comm *comm, void *bytes, int64_t count, int32_t root);
    /* Rank q sends counts[q] bytes; rank `root` receives them in rank order in `out`, which only
     * the root uses. */
    dt_status (*gather)(dt_comm *comm, const void *bytes, const int64_t *counts, void *out,
                        int32_t root);
    dt_status (*barrier)(dt_comm *comm);

    /* Ends the run on all ranks: prints `rank 3 on <host>: <message>` and exits with the exit status
     * for `status`. Not collective: any thread of any rank may call it at any time; if several ranks
     * do, one message is printed. Returns only if there are no other ranks (dt_comm_single). */
    void (*abort)(dt_comm *comm, dt_status status, const char *message);
};

/* ---- helpers --------------------------------------------------------------------------------- */

#define DT_SHARE_UNIT 64 /* elements; shares begin at aligned addresses */

/* Returns the share of local rank `part` of `parts` in elements 0 … count-1: equal ones, of which the
 * last one also has the rest. */
static inline dt_range dt_local_share(int64_t count, int32_t parts, int32_t part)
{
    const int64_t each = count / parts / DT_SHARE_UNIT * DT_SHARE_UNIT;
    const dt_range share = {part * each, part + 1 < parts ? (part + 1) * each : count};
    return share;
}

/* Gathers `size` bytes from every rank on every rank: all (world_size, size). Collective. */
dt_status dt_gather_all(dt_comm *comm, const void *mine, int64_t size, void *all);

/* Makes ranks that arrive with different statuses continue with the same one: DT_OK if all of them
 * arrived with DT_OK, else the status of the lowest rank that failed. Rank 0 then has that rank's
 * message (prefixed with the rank and its host, unless it is rank 0). *agreed is set to true on
 * such a failure: since all ranks know of it, no rank needs to abort. If the communication itself
 * fails, returns DT_ERR_COMM and leaves *agreed unchanged. Collective. */
dt_status dt_agree(dt_comm *comm, dt_status mine, bool *agreed);

/* Compares a text of lines, each a name and a value, between the ranks. DT_ERR_USAGE on all ranks,
 * with *agreed set, if they differ; the message names the lowest rank that differs from rank 0, both
 * hosts and the first line that differs, and ends with `advice`, what to do. Collective. */
dt_status dt_agree_on(dt_comm *comm, const char *text, const char *advice, bool *agreed);

/* ---- opening a communicator ------------------------------------------------------------------ */

/* The library that sums gradients. auto: NCCL if every rank has its own GPU, else MPI. */
typedef enum { DT_COMM_AUTO, DT_COMM_MPI, DT_COMM_NCCL } dt_comm_kind;

typedef struct {
    dt_comm_kind kind;
    dt_grad_dtype grad_dtype;
    double collective_timeout; /* seconds a rank waits for the others; <= 0: no limit */
    double heartbeat_timeout;  /* seconds without a heartbeat after which another rank is considered
                                  dead; 0: 30 */
    int64_t bucket_bytes;      /* size of the buckets in which gradients are summed, in bytes as
                                  transferred; 0: the size that measured best */
    bool shares;               /* the ranks of a host share the moments: all_gather() */
} dt_comm_options;

/* Opens the communicator of this process; the caller destroys it. A process that was started
 * without a launcher (core/launcher.h), or as the only one of its launcher, gets dt_comm_single and
 * loads nothing, unless options->kind names a library; otherwise the module "mpi" is loaded.
 * DT_ERR_COMM explains what is missing if processes that were started together cannot connect:
 * left to themselves, they would overwrite each other's files. */
dt_status dt_comm_open(const dt_comm_options *options, dt_comm **out);

/* Creates the communicator of a single process: sums are the values themselves. */
dt_status dt_comm_single(dt_comm **out);

/* Exported by a module under the name "dt_comm_module". */
typedef struct {
    int32_t contract; /* DT_COMM_CONTRACT of its build; a module with another value is refused */
    dt_status (*open)(const dt_comm_options *options, dt_comm **out);
} dt_comm_module;

#define DT_COMM_CONTRACT 5

#endif
