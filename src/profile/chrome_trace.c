/* Writes the trace file, in the "JSON Object Format" of the Chrome trace viewer, which Perfetto
 * also reads. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "io/json_writer.h"
#include "profile/profile_internal.h"

/* Intervals in the file, of all ranks and tracks together: about as many as a viewer can open. */
#define MAX_SPANS ((int64_t)1 << 20)
#define MIN_SPANS_PER_TRACK 1024

typedef struct {
    int32_t rows[DT_TRACKS];
    int64_t spans[DT_TRACKS];
    char host[64];
} rank_head;

typedef struct {
    dt_category category;
    char name[48];
} row_name;

/* The trace of one rank as it is sent: head, then for each track its names and its intervals. */
typedef struct {
    char *bytes;
    int64_t size;
} rank_trace;

static int64_t size_of(const rank_head *head)
{
    int64_t size = sizeof *head;
    for (int track = 0; track < DT_TRACKS; ++track)
        size += head->rows[track] * (int64_t)sizeof(row_name) +
                head->spans[track] * (int64_t)sizeof(dt_profile_span);
    return size;
}

static void append(char **to, const void *bytes, size_t size)
{
    if (size > 0)
        memcpy(*to, bytes, size);
    *to += size;
}

/* Fills the counts of the head: the rows and intervals that are sent and written. */
static void count_spans(rank_head *head, const dt_profile *profile, int32_t ranks,
                        int64_t *left_out)
{
    const int64_t share = MAX_SPANS / ((int64_t)ranks * DT_TRACKS);
    const int64_t most = share > MIN_SPANS_PER_TRACK ? share : MIN_SPANS_PER_TRACK;
    *left_out = 0;
    for (int track = 0; track < DT_TRACKS; ++track) {
        int64_t count;
        int64_t dropped;
        dt_profile_rows(profile, (dt_track)track, &head->rows[track]);
        dt_profile_spans(profile, (dt_track)track, &count, &dropped);
        head->spans[track] = count < most ? count : most;
        *left_out += dropped + count - head->spans[track];
    }
}

static void pack_track(char **to, const dt_profile *profile, dt_track track, const rank_head *head)
{
    int32_t rows;
    int64_t count;
    int64_t dropped;
    const dt_profile_row *row = dt_profile_rows(profile, track, &rows);
    for (int32_t i = 0; i < rows; ++i) {
        row_name name = {.category = row[i].category};
        memcpy(name.name, row[i].name, sizeof name.name);
        append(to, &name, sizeof name);
    }
    append(to, dt_profile_spans(profile, track, &count, &dropped),
           (size_t)head->spans[track] * sizeof(dt_profile_span));
}

static dt_status pack(rank_trace *trace, const dt_profile *profile, const dt_comm *comm,
                      int64_t *left_out)
{
    rank_head head = {0};
    count_spans(&head, profile, comm ? comm->world_size : 1, left_out);
    if (comm)
        memcpy(head.host, comm->host, sizeof head.host);
    trace->size = size_of(&head);
    DT_TRY(DT_NEW(trace->bytes, (size_t)trace->size));
    char *to = trace->bytes;
    append(&to, &head, sizeof head);
    for (int track = 0; track < DT_TRACKS; ++track)
        pack_track(&to, profile, (dt_track)track, &head);
    return DT_OK;
}

/* ---- writing ------------------------------------------------------------------------------- */

static void put_name(dt_json *json, const char *kind, int32_t pid, int tid, const char *name)
{
    dt_json_object(json);
    dt_json_put_string(json, "name", kind);
    dt_json_put_string(json, "ph", "M");
    dt_json_put_int(json, "pid", pid);
    dt_json_put_int(json, "tid", tid);
    dt_json_key(json, "args");
    dt_json_object(json);
    dt_json_put_string(json, "name", name);
    dt_json_end(json);
    dt_json_end(json);
}

/* Converts to microseconds, rounded to nanoseconds. */
static double microseconds(double seconds)
{
    return round(1e9 * seconds) / 1e3;
}

static void put_span(dt_json *json, int32_t pid, int tid, const row_name *name,
                     const dt_profile_span *span)
{
    dt_json_object(json);
    dt_json_put_string(json, "name", name->name);
    dt_json_put_string(json, "cat", dt_category_name(name->category));
    dt_json_put_string(json, "ph", "X");
    dt_json_put_double(json, "ts", microseconds(span->begin));
    dt_json_put_double(json, "dur", microseconds(span->seconds));
    dt_json_put_int(json, "pid", pid);
    dt_json_put_int(json, "tid", tid);
    if (span->gflop > 0.0F) {
        dt_json_key(json, "args");
        dt_json_object(json);
        dt_json_put_double(json, "gflop", (double)span->gflop);
        dt_json_end(json);
    }
    dt_json_end(json);
}

static const char *track_name(int track)
{
    static const char *const name[DT_TRACKS] = {[DT_TRACK_MAIN] = "computing",
                                                [DT_TRACK_DEVICE] = "GPU",
                                                [DT_TRACK_READER] = "reading",
                                                [DT_TRACK_WRITER] = "writing"};
    return name[track];
}

/* Writes the trace that a rank has sent. The bytes are not aligned. */
static void put_rank(dt_json *json, int32_t world_rank, const char *bytes)
{
    rank_head head;
    char process[96];
    memcpy(&head, bytes, sizeof head);
    snprintf(process, sizeof process, "rank %d%s%.63s", world_rank, head.host[0] ? " on " : "",
             head.host);
    put_name(json, "process_name", world_rank, 0, process);
    bytes += sizeof head;
    for (int track = 0; track < DT_TRACKS; ++track) {
        const char *names = bytes;
        bytes += head.rows[track] * (int64_t)sizeof(row_name);
        if (head.spans[track] > 0)
            put_name(json, "thread_name", world_rank, track, track_name(track));
        for (int64_t i = 0; i < head.spans[track]; ++i, bytes += sizeof(dt_profile_span)) {
            dt_profile_span span;
            row_name name;
            memcpy(&span, bytes, sizeof span);
            memcpy(&name, names + span.row * (int64_t)sizeof name, sizeof name);
            put_span(json, world_rank, track, &name, &span);
        }
    }
}

/* Sends the trace of rank q to rank 0, which writes it. *status: an error of rank 0 alone, which
 * nevertheless continues to take part in the collective calls. */
static dt_status take_rank(dt_comm *comm, int32_t q, const rank_trace *mine, dt_json *json,
                           dt_status *status)
{
    const bool first = comm->world_rank == 0;
    int64_t *counts = NULL;
    char *bytes = NULL;
    int64_t size = comm->world_rank == q ? mine->size : 0;
    double sum = (double)size;
    DT_TRY(comm->ops->sum(comm, &sum, 1));
    dt_status all = DT_NEW(counts, (size_t)comm->world_size);
    if (all == DT_OK && first)
        all = DT_NEW(bytes, (size_t)sum);
    bool agreed = false;
    all = dt_agree(comm, all, &agreed);
    if (all == DT_OK) {
        counts[q] = (int64_t)sum;
        all = comm->ops->gather(comm, mine->bytes, counts, bytes, 0);
    }
    if (all == DT_OK && bytes && *status == DT_OK)
        put_rank(json, q, bytes);
    free(bytes);
    free(counts);
    return all;
}

static void begin_file(dt_json *json, dt_output *out)
{
    dt_json_begin(json, out, 1, 2);
    dt_json_object(json);
    dt_json_put_string(json, "displayTimeUnit", "ms");
    dt_json_key(json, "traceEvents");
    dt_json_array(json);
}

static dt_status take_all(dt_comm *comm, const rank_trace *mine, dt_json *json, dt_status *status)
{
    if (!comm) {
        if (*status == DT_OK)
            put_rank(json, 0, mine->bytes);
        return DT_OK;
    }
    for (int32_t q = 0; q < comm->world_size; ++q)
        DT_TRY(take_rank(comm, q, mine, json, status));
    return DT_OK;
}

dt_status dt_chrome_trace(const dt_profile *profile, dt_comm *comm, const char *path,
                          int64_t *left_out)
{
    const bool first = !comm || comm->world_rank == 0;
    bool agreed = false;
    rank_trace mine = {0};
    dt_output out;
    dt_json json = {0};
    dt_status packed = pack(&mine, profile, comm, left_out);
    if (comm)
        packed = dt_agree(comm, packed, &agreed);
    if (packed != DT_OK) {
        free(mine.bytes);
        return packed;
    }
    dt_status status = first ? dt_output_begin(&out, path) : DT_OK;
    const bool writes = first && status == DT_OK;
    if (writes)
        begin_file(&json, &out);
    const dt_status taken = take_all(comm, &mine, &json, &status);
    free(mine.bytes);
    if (writes && taken == DT_OK) {
        dt_json_end(&json);
        dt_json_end(&json);
        status = dt_output_commit(&out);
    } else if (writes) {
        dt_output_discard(&out);
    }
    return taken != DT_OK ? taken : status;
}
