#include "mpi_thread.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "core/memory.h"
#include "heartbeat.h"
#include "last_message.h"

/* Maximum number of concurrent sums: enough to keep the network busy while one of them waits for a
 * peer, few enough to keep MPI's buffers small. */
#define MAX_ACTIVE 4

/* Seconds the program waits beyond the timeout: the thread's error message is the better one. */
#define WAIT_MARGIN 5.0

/* Grace period, in seconds: time for the program to report the error and exit after a failure. */
#define GRACE_PERIOD 10.0

/* Seconds without a heartbeat after which another rank is considered dead. */
#define HEARTBEAT_TIMEOUT 30.0

/* Seconds between heartbeat polls while the thread is idle. */
#define IDLE_PERIOD 0.25

typedef struct {
    void *data;
    int32_t count;
    dt_mpi_number number;
} bucket;

typedef struct {
    const char *what;
    dt_mpi_work work;
    void *context;
    bool continues; /* the operation of the previous job */
    bool pending;   /* submitted and not done */
    dt_status status;
    char message[512];
} job_slot;

struct dt_mpi_thread {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t work_available; /* for the thread */
    pthread_cond_t job_done;       /* for the waiting caller */
    double timeout, heartbeat_timeout;
    int32_t expected;
    dt_watchdog *watchdog; /* NULL until MPI is initialised */

    /* protected by the mutex */
    job_slot job;
    bucket *queue; /* posted but not started, from index `queued_first` */
    size_t queued_first, queued_count, queue_capacity;
    int64_t posted; /* buckets since the start */
    bool stopping;
    dt_mpi_device_activity ask_device; /* NULL: gradients are not summed on a device */
    void *device;                      /* its argument */

    atomic_bool waiting;   /* a job is pending: the program does not use this processor */
    atomic_int abort_with; /* 1 + exit status when the run must end; 0: continue */

    /* used by this thread only */
    dt_mpi_world world;
    MPI_Op add_bf16;
    dt_heartbeat *heartbeat;        /* NULL: a single rank */
    dt_last_message *last_message;  /* NULL: before MPI is initialised */
    MPI_Request active[MAX_ACTIVE]; /* in start order */
    int active_count;
    int64_t summed; /* buckets since the start */
    int64_t idle;   /* consecutive polls without a result */
    double deadline;
    dt_activity activity; /* of the jobs */
    double last_sum;      /* start of the previous wait for gradients; 0: none */
    dt_status failed;     /* if not DT_OK, MPI is not called any more */
    char failure[512];
};

/* ---- MPI calls ------------------------------------------------------------------------------- */

MPI_Comm dt_mpi_comm(const dt_mpi_thread *thread)
{
    return thread->world.host_comm;
}

MPI_Comm dt_mpi_local_comm(const dt_mpi_thread *thread)
{
    return thread->world.local_comm;
}

/* After a failure every later operation fails with the same message. */
static dt_status record_failure(dt_mpi_thread *t, dt_status status)
{
    if (status != DT_OK && t->failed == DT_OK) {
        t->failed = status;
        snprintf(t->failure, sizeof t->failure, "%s", dt_error_message());
        dt_watchdog_set(t->watchdog, GRACE_PERIOD, dt_exit_status(status), t->failure);
    }
    return status;
}

static dt_status start_bucket(dt_mpi_thread *t, const bucket *b)
{
    DT_TRY(dt_mpi_check(MPI_Iallreduce(MPI_IN_PLACE, b->data, b->count, dt_mpi_type(b->number),
                                       b->number == DT_MPI_NUMBER_BF16 ? t->add_bf16 : MPI_SUM,
                                       t->world.gradient_comm, &t->active[t->active_count]),
                        "MPI_Iallreduce of gradients"));
    ++t->active_count;
    return DT_OK;
}

static bool next_bucket(dt_mpi_thread *t, bucket *out)
{
    pthread_mutex_lock(&t->mutex);
    const bool some = t->queued_count > 0;
    if (some) {
        *out = t->queue[t->queued_first++];
        if (--t->queued_count == 0)
            t->queued_first = 0;
    }
    pthread_mutex_unlock(&t->mutex);
    return some;
}

/* Starts and completes gradient sums as far as possible without waiting. */
static dt_status advance_buckets(dt_mpi_thread *t)
{
    bucket b;
    while (t->active_count < MAX_ACTIVE && next_bucket(t, &b))
        DT_TRY(start_bucket(t, &b));
    while (t->active_count > 0) {
        int done;
        DT_TRY(dt_mpi_check(MPI_Test(&t->active[0], &done, MPI_STATUS_IGNORE),
                            "the sum of gradients"));
        if (!done)
            break;
        --t->active_count;
        memmove(t->active, t->active + 1, (size_t)t->active_count * sizeof *t->active);
        ++t->summed;
        t->idle = 0;
        if (t->activity.what)
            t->activity.since = dt_seconds(); /* of a slow network, which is no late rank */
    }
    return DT_OK;
}

/* The run ends with it: a failure of its own makes no difference. */
static void pass_last_message(dt_mpi_thread *t)
{
    int exit_status = -1;
    if (t->last_message)
        dt_last_message_poll(t->last_message, &exit_status);
    if (exit_status >= 0)
        atomic_store(&t->abort_with, 1 + exit_status);
}

static bool has_last_message(const dt_mpi_thread *t)
{
    return t->last_message && dt_last_message_pending(t->last_message);
}

/* Pauses between two polls of MPI. While the program waits for a job, its processor is free: the
 * thread polls continuously at first, then less and less often, down to once per millisecond. While
 * the program computes, each poll takes processor time from it: one per millisecond costs a few
 * thousandths. */
static void pause_between(dt_mpi_thread *t)
{
    const int abort_with = atomic_load(&t->abort_with);
    if (abort_with)
        MPI_Abort(MPI_COMM_WORLD, abort_with - 1);
    long microseconds = 1000;
    ++t->idle;
    if (atomic_load(&t->waiting)) {
        if (t->idle < 100) {
            sched_yield();
            return;
        }
        microseconds = t->idle < 1000 ? t->idle / 2 : 1000;
        if (microseconds < 50)
            microseconds = 50;
    }
    const struct timespec time = {.tv_nsec = microseconds * 1000};
    nanosleep(&time, NULL);
}

static dt_status timed_out(const dt_mpi_thread *t, const char *what, const char *late)
{
    return dt_fail(DT_ERR_COMM,
                   "waited %g seconds for the other ranks in %s: %s hangs or is unreachable "
                   "(--collective-timeout sets the limit)",
                   t->timeout, what, *late ? late : "one of them");
}

static dt_status check_deadline(dt_mpi_thread *t)
{
    char late[160] = "";
    if (t->deadline <= 0 || dt_seconds() <= t->deadline)
        return DT_OK;
    if (t->heartbeat)
        dt_heartbeat_late(t->heartbeat, &t->activity, late, sizeof late);
    return timed_out(t, t->job.what, late);
}

/* What this rank does: its job, or else what its device does. */
static dt_activity activity(dt_mpi_thread *t)
{
    dt_activity now = t->activity;
    pthread_mutex_lock(&t->mutex);
    if (t->ask_device)
        t->ask_device(t->device, &now);
    pthread_mutex_unlock(&t->mutex);
    return now;
}

static dt_status poll_heartbeat(dt_mpi_thread *t)
{
    if (!t->heartbeat)
        return DT_OK;
    const dt_activity mine = activity(t);
    return dt_heartbeat_poll(t->heartbeat, &mine);
}

/* One round of polling, for a job that waits. */
static dt_status wait_more(dt_mpi_thread *t)
{
    DT_TRY(advance_buckets(t));
    DT_TRY(poll_heartbeat(t));
    DT_TRY(check_deadline(t));
    pass_last_message(t);
    pause_between(t);
    return DT_OK;
}

dt_status dt_mpi_wait(dt_mpi_thread *t, MPI_Request *requests, int count)
{
    for (;;) {
        int done;
        DT_TRY(dt_mpi_check(MPI_Testall(count, requests, &done, MPI_STATUSES_IGNORE), t->job.what));
        if (done) {
            t->idle = 0;
            return DT_OK;
        }
        DT_TRY(wait_more(t));
    }
}

/* ---- initialisation and shutdown ------------------------------------------------------------- */

static dt_status initialise(dt_mpi_thread *t, void *context)
{
    (void)context;
    dt_mpi_info *info = &t->world.info;
    DT_TRY(dt_mpi_world_begin(&t->world, t->expected));
    DT_TRY(dt_mpi_bf16_make(&t->add_bf16));
    DT_TRY(dt_watchdog_start(&t->watchdog, info->world_rank, info->host));
    DT_TRY(dt_mpi_world_find_hosts(&t->world));
    DT_TRY(dt_last_message_start(&t->last_message, t->world.host_comm));
    return info->world_size == 1 ? DT_OK
                                 : dt_heartbeat_start(&t->heartbeat, t->world.host_comm, info->host,
                                                      t->heartbeat_timeout);
}

/* Waits for the shutdown of all ranks, with the same timeout as any operation. */
static dt_status shut_down_heartbeat(dt_mpi_thread *t)
{
    if (!t->heartbeat)
        return DT_OK;
    DT_TRY(dt_heartbeat_shutdown(t->heartbeat));
    while (!dt_heartbeat_is_shut_down(t->heartbeat))
        DT_TRY(wait_more(t));
    dt_heartbeat_free(t->heartbeat);
    t->heartbeat = NULL;
    return DT_OK;
}

static dt_status finalise(dt_mpi_thread *t, void *context)
{
    (void)context;
    DT_TRY(shut_down_heartbeat(t));
    dt_last_message_free(t->last_message);
    t->last_message = NULL;
    dt_mpi_bf16_free(&t->add_bf16);
    return dt_mpi_world_end(&t->world);
}

/* ---- the thread ----------------------------------------------------------------------------- */

static struct timespec timespec_of(double seconds)
{
    return (struct timespec){.tv_sec = (time_t)seconds,
                             .tv_nsec = (long)(1e9 * (seconds - (double)(time_t)seconds))};
}

/* Call with the mutex held. */
static bool nothing_to_do(const dt_mpi_thread *t)
{
    return !t->job.pending && !t->stopping && !atomic_load(&t->abort_with) &&
           !has_last_message(t) && (t->queued_count == 0 || t->failed != DT_OK);
}

static void finish_job(dt_mpi_thread *t, dt_status status)
{
    pthread_mutex_lock(&t->mutex);
    t->job.status = status;
    snprintf(t->job.message, sizeof t->job.message, "%s", dt_error_message());
    t->job.pending = false;
    atomic_store(&t->waiting, false);
    pthread_cond_broadcast(&t->job_done);
    pthread_mutex_unlock(&t->mutex);
}

static void run_job(dt_mpi_thread *t)
{
    dt_activity *a = &t->activity;
    const double now = dt_seconds();
    t->deadline = t->timeout > 0 ? now + t->timeout : 0;
    t->idle = 0;
    *a = (dt_activity){
        .begun = a->begun + !t->job.continues, .what = t->job.what, .since = now, .step = a->step};
    const dt_status status = t->failed != DT_OK ? dt_fail(t->failed, "%s", t->failure)
                                                : record_failure(t, t->job.work(t, t->job.context));
    a->what = NULL;
    finish_job(t, status);
}

/* Waits until there is work to do or heartbeats must be polled. */
static void wait_for_work(dt_mpi_thread *t)
{
    const bool failed = t->failed != DT_OK; /* MPI is not called any more */
    const double end = dt_seconds() + IDLE_PERIOD;
    const struct timespec until = timespec_of(end);
    while (failed ? nothing_to_do(t) : nothing_to_do(t) && t->active_count == 0) {
        if (!t->heartbeat || failed)
            pthread_cond_wait(&t->work_available, &t->mutex);
        else if (pthread_cond_timedwait(&t->work_available, &t->mutex, &until) == ETIMEDOUT)
            break;
    }
}

/* Between jobs: advances gradient sums and heartbeats. */
static void advance_in_background(dt_mpi_thread *t)
{
    if (t->failed == DT_OK && record_failure(t, advance_buckets(t)) == DT_OK)
        record_failure(t, poll_heartbeat(t));
    pass_last_message(t);
    if (t->active_count > 0 || atomic_load(&t->abort_with) || has_last_message(t))
        pause_between(t);
}

static void *thread_main(void *argument)
{
    dt_mpi_thread *t = argument;
    for (;;) {
        pthread_mutex_lock(&t->mutex);
        wait_for_work(t);
        const bool job = t->job.pending;
        const bool stop = t->stopping && !job;
        pthread_mutex_unlock(&t->mutex);
        if (stop)
            return NULL;
        if (job)
            run_job(t);
        advance_in_background(t);
    }
}

static dt_mpi_thread *new_thread(const dt_comm_options *options, int32_t expected)
{
    dt_mpi_thread *t;
    if (DT_NEW(t, 1) != DT_OK)
        return NULL;
    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_mutex_init(&t->mutex, NULL);
    pthread_cond_init(&t->work_available, &clock);
    pthread_cond_init(&t->job_done, &clock);
    pthread_condattr_destroy(&clock);
    t->timeout = options->collective_timeout;
    t->heartbeat_timeout =
        options->heartbeat_timeout > 0 ? options->heartbeat_timeout : HEARTBEAT_TIMEOUT;
    t->expected = expected;
    return t;
}

static void free_thread(dt_mpi_thread *t)
{
    pthread_cond_destroy(&t->job_done);
    pthread_cond_destroy(&t->work_available);
    pthread_mutex_destroy(&t->mutex);
    free(t->queue);
    free(t);
}

void dt_mpi_thread_stop(dt_mpi_thread *t)
{
    if (!t)
        return;
    dt_mpi_run(t, "the shutdown of MPI", finalise, NULL);
    pthread_mutex_lock(&t->mutex);
    const bool stuck = t->job.pending; /* in an MPI call: the thread and its memory are abandoned */
    t->stopping = true;
    pthread_cond_signal(&t->work_available);
    pthread_mutex_unlock(&t->mutex);
    if (stuck) {
        pthread_detach(t->thread);
        return;
    }
    pthread_join(t->thread, NULL);
    dt_watchdog_stop(t->watchdog);
    free_thread(t);
}

dt_status dt_mpi_thread_start(dt_mpi_thread **out, dt_mpi_info *info,
                              const dt_comm_options *options, int32_t expected)
{
    dt_mpi_thread *t = new_thread(options, expected);
    if (!t)
        return DT_ERR_MEMORY;
    const int code = dt_start_thread_without_signals(&t->thread, thread_main, t);
    if (code) {
        free_thread(t);
        return dt_fail(DT_ERR_MEMORY, "cannot start a thread: %s", strerror(code));
    }
    const dt_status status = dt_mpi_run(t, "the start of MPI", initialise, NULL);
    if (status != DT_OK) {
        char message[512];
        snprintf(message, sizeof message, "%s", dt_error_message());
        dt_mpi_thread_stop(t);
        return dt_fail(status, "%s", message);
    }
    *info = t->world.info;
    *out = t;
    return DT_OK;
}

/* ---- called by the program ------------------------------------------------------------------- */

/* Returns false if the timeout passed before the job was done. */
static bool wait_for_job(dt_mpi_thread *t)
{
    const struct timespec until = timespec_of(dt_seconds() + t->timeout + WAIT_MARGIN);
    int code = 0;
    while (t->job.pending && code != ETIMEDOUT)
        code = t->timeout > 0 ? pthread_cond_timedwait(&t->job_done, &t->mutex, &until)
                              : pthread_cond_wait(&t->job_done, &t->mutex);
    return !t->job.pending;
}

static dt_status run(dt_mpi_thread *t, const job_slot *job)
{
    pthread_mutex_lock(&t->mutex);
    if (t->job.pending) {
        pthread_mutex_unlock(&t->mutex);
        return timed_out(t, t->job.what, "");
    }
    t->job = *job;
    t->job.pending = true;
    atomic_store(&t->waiting, true);
    pthread_cond_signal(&t->work_available);
    const bool done = wait_for_job(t);
    dt_status status = t->job.status;
    if (done && status != DT_OK)
        dt_fail(status, "%s", t->job.message);
    pthread_mutex_unlock(&t->mutex);
    return done ? status : timed_out(t, job->what, "");
}

dt_status dt_mpi_run(dt_mpi_thread *t, const char *what, dt_mpi_work work, void *context)
{
    return run(t, &(job_slot){.what = what, .work = work, .context = context});
}

dt_status dt_mpi_continue(dt_mpi_thread *t, const char *what, dt_mpi_work work, void *context)
{
    return run(t, &(job_slot){.what = what, .work = work, .context = context, .continues = true});
}

dt_status dt_mpi_post(dt_mpi_thread *t, void *data, int32_t count, dt_mpi_number number)
{
    pthread_mutex_lock(&t->mutex);
    const size_t end = t->queued_first + t->queued_count;
    const dt_status status = DT_GROW(t->queue, t->queue_capacity, end + 1);
    if (status == DT_OK) {
        t->queue[end] = (bucket){.data = data, .count = count, .number = number};
        ++t->queued_count;
        ++t->posted;
        pthread_cond_signal(&t->work_available);
    }
    pthread_mutex_unlock(&t->mutex);
    return status;
}

/* The time from one sum of gradients to the next is that of a step. */
static void count_step(dt_mpi_thread *t)
{
    dt_activity *a = &t->activity;
    a->gradients = true;
    if (t->last_sum > 0)
        a->step = dt_usual(a->step, a->since - t->last_sum);
    t->last_sum = a->since;
}

static dt_status sum_up_to(dt_mpi_thread *t, void *context)
{
    const int64_t wanted = *(const int64_t *)context;
    count_step(t);
    for (;;) {
        DT_TRY(advance_buckets(t));
        if (t->summed >= wanted)
            return DT_OK;
        DT_TRY(wait_more(t));
    }
}

dt_status dt_mpi_wait_posted(dt_mpi_thread *t, int64_t buckets)
{
    pthread_mutex_lock(&t->mutex);
    if (buckets < 0)
        buckets = t->posted;
    pthread_mutex_unlock(&t->mutex);
    return dt_mpi_run(t, "the sum of gradients", sum_up_to, &buckets);
}

void dt_mpi_ask_device(dt_mpi_thread *t, dt_mpi_device_activity ask, void *context)
{
    pthread_mutex_lock(&t->mutex);
    t->ask_device = ask;
    t->device = context;
    pthread_mutex_unlock(&t->mutex);
}

dt_watchdog *dt_mpi_watchdog(const dt_mpi_thread *thread)
{
    return thread->watchdog;
}

static void wake(dt_mpi_thread *t)
{
    pthread_mutex_lock(&t->mutex);
    pthread_cond_signal(&t->work_available);
    pthread_mutex_unlock(&t->mutex);
}

void dt_mpi_thread_abort(dt_mpi_thread *t, int status, const char *text)
{
    dt_last_message_give(t->last_message, status, text);
    wake(t);
    dt_last_message_await(t->last_message);
    atomic_store(&t->abort_with, 1 + status);
    wake(t);
}
