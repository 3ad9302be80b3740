#include "train/checkpoint_writer.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "core/memory.h"

struct dt_checkpoint_writer {
    dt_tensor_source source;
    dt_profile *profile;              /* NULL: none */
    bool (*make_room)(void *context); /* NULL: nothing can be done about a full disk */
    void *context;
    float *copy; /* NULL: writes before start() returns */
    char path[PATH_MAX];
    dt_run content;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t over_changed;
    bool started; /* a write was started and not yet collected */
    bool joined;  /* its thread was joined, or it had none */
    bool over;    /* it finished or failed; guarded by the mutex, like the next three members */
    dt_status status;
    char message[2048];
    double seconds;
};

dt_status dt_checkpoint_writer_create(dt_checkpoint_writer **out, const dt_tensor_source *source,
                                      bool background, dt_profile *profile)
{
    dt_checkpoint_writer *writer;
    DT_TRY(DT_NEW(writer, 1));
    writer->source = *source;
    writer->profile = profile;
    if (background) {
        const dt_status status =
            DT_NEW(writer->copy, (size_t)dt_checkpoint_copy_elements(source->table));
        if (status != DT_OK) {
            free(writer);
            return status;
        }
    }
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&writer->over_changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&writer->mutex, NULL);
    *out = writer;
    return DT_OK;
}

void dt_checkpoint_writer_on_full(dt_checkpoint_writer *writer, bool (*make_room)(void *context),
                                  void *context)
{
    writer->make_room = make_room;
    writer->context = context;
}

void dt_checkpoint_writer_destroy(dt_checkpoint_writer *writer)
{
    if (!writer)
        return;
    dt_checkpoint_writer_wait(writer, -1.0);
    pthread_cond_destroy(&writer->over_changed);
    pthread_mutex_destroy(&writer->mutex);
    free(writer->copy);
    free(writer);
}

static void end_write(dt_checkpoint_writer *writer, dt_status status, double seconds)
{
    pthread_mutex_lock(&writer->mutex);
    writer->over = true;
    writer->status = status;
    snprintf(writer->message, sizeof writer->message, "%s",
             status == DT_OK ? "" : dt_error_message());
    writer->seconds += seconds;
    pthread_cond_signal(&writer->over_changed);
    pthread_mutex_unlock(&writer->mutex);
}

static dt_status write_file(const dt_checkpoint_writer *writer, const dt_tensor_source *source)
{
    const dt_status status = dt_checkpoint_write_from(writer->path, &writer->content, source);
    if (status == DT_ERR_FULL && writer->make_room && writer->make_room(writer->context))
        return dt_checkpoint_write_from(writer->path, &writer->content, source);
    return status;
}

static void *write_copy(void *argument)
{
    dt_checkpoint_writer *writer = argument;
    const double began = dt_seconds();
    dt_profile_begin(writer->profile, DT_TRACK_WRITER, DT_CATEGORY_CHECKPOINT);
    const dt_tensor_source copied = {.table = writer->source.table, .copy = writer->copy};
    const dt_status status = write_file(writer, &copied);
    dt_profile_end(writer->profile, DT_TRACK_WRITER);
    end_write(writer, status, dt_seconds() - began);
    return NULL;
}

/* Signals are blocked in the writing thread: the training thread handles them. */
static dt_status start_thread(dt_checkpoint_writer *writer)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = pthread_create(&writer->thread, NULL, write_copy, writer);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error)
        return dt_fail(DT_ERR_MEMORY, "cannot start the checkpoint thread: %s", strerror(error));
    writer->joined = false;
    return DT_OK;
}

dt_status dt_checkpoint_writer_start(dt_checkpoint_writer *writer, const char *path,
                                     const dt_run *checkpoint)
{
    if (writer->started)
        return dt_fail(DT_ERR_INTERNAL, "%s: the previous checkpoint was not collected", path);
    snprintf(writer->path, sizeof writer->path, "%s", path);
    writer->content = *checkpoint;
    writer->over = false;
    writer->joined = true;
    if (writer->copy) {
        DT_TRY(dt_checkpoint_copy(writer->copy, &writer->source));
        DT_TRY(start_thread(writer));
        writer->started = true;
        return DT_OK;
    }
    const double began = dt_seconds();
    const dt_status status = write_file(writer, &writer->source);
    writer->started = true;
    end_write(writer, status, dt_seconds() - began);
    return DT_OK;
}

bool dt_checkpoint_writer_wait(dt_checkpoint_writer *writer, double seconds)
{
    if (!writer->started || writer->joined)
        return true;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += seconds > 0.0 ? (time_t)seconds : 0;
    until.tv_nsec += seconds > 0.0 ? (long)((seconds - (double)(time_t)seconds) * 1e9) : 0;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_mutex_lock(&writer->mutex);
    int late = 0;
    while (!writer->over && late != ETIMEDOUT)
        late = seconds < 0.0
                   ? pthread_cond_wait(&writer->over_changed, &writer->mutex)
                   : pthread_cond_timedwait(&writer->over_changed, &writer->mutex, &until);
    const bool over = writer->over;
    pthread_mutex_unlock(&writer->mutex);
    if (over) {
        pthread_join(writer->thread, NULL);
        writer->joined = true;
    }
    return over;
}

dt_status dt_checkpoint_writer_collect(dt_checkpoint_writer *writer, bool *written)
{
    *written = false;
    if (!writer->started || !dt_checkpoint_writer_wait(writer, 0.0))
        return DT_OK;
    writer->started = false;
    *written = true;
    return writer->status == DT_OK ? DT_OK : dt_fail(writer->status, "%s", writer->message);
}

double dt_checkpoint_writer_seconds(const dt_checkpoint_writer *writer)
{
    return writer->seconds;
}
