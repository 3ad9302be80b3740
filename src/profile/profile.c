#include "profile/profile.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/memory.h"

#define ROWS                                                                                       \
    256                         /* per track; the last one collects the operations that do not
                                   fit */
#define SPANS ((size_t)1 << 18) /* per track */
#define DEPTH 8                 /* maximum nesting of marks */

typedef struct {
    dt_category category;
    double begin;
    double work; /* credited so far */
} open_mark;

typedef struct {
    dt_profile_row row[ROWS];
    int32_t rows;
    open_mark open[DEPTH];
    int32_t depth;
    dt_profile_span *span; /* (SPANS); NULL: intervals are not kept */
    int64_t spans, dropped;
} track_record;

struct dt_profile {
    bool running;
    double zero; /* dt_seconds() */
    track_record track[DT_TRACKS];
};

const char *dt_category_name(dt_category category)
{
    static const char *const name[DT_CATEGORIES] = {
        [DT_CATEGORY_INPUT] = "input: reading, tokenising",
        [DT_CATEGORY_MODEL] = "model: memory, first values",
        [DT_CATEGORY_DATA] = "data: batches",
        [DT_CATEGORY_COPIES] = "copies, waiting for device",
        [DT_CATEGORY_LAUNCH] = "launching device work",
        [DT_CATEGORY_EMBEDDING] = "embedding",
        [DT_CATEGORY_ATTENTION] = "attention",
        [DT_CATEGORY_FEED_FORWARD] = "feed-forward",
        [DT_CATEGORY_CONVOLUTION] = "convolution",
        [DT_CATEGORY_FUSION] = "fusion",
        [DT_CATEGORY_HEADS] = "heads, loss",
        [DT_CATEGORY_PRODUCTS] = "matrix products",
        [DT_CATEGORY_OPTIMIZER] = "optimizer",
        [DT_CATEGORY_SUMS] = "waiting for gradient sums",
        [DT_CATEGORY_RANKS] = "communication between ranks",
        [DT_CATEGORY_EVALUATION] = "evaluation",
        [DT_CATEGORY_CHECKPOINT] = "checkpoint",
        [DT_CATEGORY_WRITING] = "writing results",
        [DT_CATEGORY_WAITING] = "waiting for another thread",
        [DT_CATEGORY_STEP] = "step",
    };
    return name[category];
}

dt_status dt_profile_create(dt_profile **out, bool spans)
{
    dt_profile *profile;
    DT_TRY(DT_NEW(profile, 1));
    for (int track = 0; spans && track < DT_TRACKS; ++track) {
        const dt_status status = DT_NEW(profile->track[track].span, SPANS);
        if (status != DT_OK) {
            dt_profile_destroy(profile);
            return status;
        }
    }
    profile->running = true;
    profile->zero = dt_seconds();
    *out = profile;
    return DT_OK;
}

void dt_profile_destroy(dt_profile *profile)
{
    for (int track = 0; profile && track < DT_TRACKS; ++track)
        free(profile->track[track].span);
    free(profile);
}

double dt_profile_zero(const dt_profile *profile)
{
    return profile->zero;
}

void dt_profile_run(dt_profile *profile, bool running)
{
    if (profile)
        profile->running = running;
}

bool dt_profile_runs(const dt_profile *profile)
{
    return profile->running;
}

void dt_profile_clear(dt_profile *profile)
{
    for (int i = 0; i < DT_TRACKS; ++i) {
        track_record *track = &profile->track[i];
        track->rows = 0;
        track->spans = 0;
        track->dropped = 0;
    }
    profile->zero = dt_seconds();
}

/* ---- measuring ----------------------------------------------------------------------------- */

static bool same_kind(const dt_profile_row *row, const dt_profiled *operation)
{
    return row->what == operation->what && row->category == operation->category &&
           row->outer == operation->outer && row->in == operation->in && row->out == operation->out;
}

static void name_row(dt_profile_row *row)
{
    const char *what = row->what ? row->what : dt_category_name(row->category);
    if (row->in)
        snprintf(row->name, sizeof row->name, "%s %lld -> %lld", what, (long long)row->in,
                 (long long)row->out);
    else
        snprintf(row->name, sizeof row->name, "%s", what);
}

/* Returns the index of the row of an operation; adds the row if it is new. */
static int32_t row_of(track_record *track, const dt_profiled *operation)
{
    static const char others[] = "other operations";
    for (int32_t i = 0; i < track->rows; ++i)
        if (same_kind(&track->row[i], operation))
            return i;
    if (track->rows == ROWS)
        return ROWS - 1;
    dt_profile_row *row = &track->row[track->rows];
    *row = (dt_profile_row){.category = operation->category,
                            .outer = operation->outer,
                            .what = operation->what,
                            .in = operation->in,
                            .out = operation->out};
    if (track->rows == ROWS - 1)
        *row = (dt_profile_row){
            .category = DT_CATEGORY_PRODUCTS, .outer = DT_NO_CATEGORY, .what = others};
    name_row(row);
    return track->rows++;
}

static void add(dt_profile *profile, dt_track which, const dt_profiled *operation, double begin,
                double seconds)
{
    track_record *track = &profile->track[which];
    const int32_t number = row_of(track, operation);
    dt_profile_row *row = &track->row[number];
    row->calls++;
    row->seconds += seconds;
    row->work += operation->work;
    if (!track->span)
        return;
    if (track->spans == (int64_t)SPANS) {
        track->dropped++;
        return;
    }
    track->span[track->spans++] = (dt_profile_span){.row = number,
                                                    .gflop = (float)(1e-9 * operation->work),
                                                    .begin = begin - profile->zero,
                                                    .seconds = seconds};
}

void dt_profile_add(dt_profile *profile, dt_track track, const dt_profiled *operation, double begin,
                    double seconds)
{
    if (profile->running)
        add(profile, track, operation, begin, seconds);
}

void dt_profile_credit(dt_profile *profile, double work)
{
    track_record *track = &profile->track[DT_TRACK_MAIN];
    for (int32_t i = 0; i < track->depth; ++i)
        track->open[i].work += work;
}

void dt_profile_begin(dt_profile *profile, dt_track which, dt_category category)
{
    if (!profile || !profile->running)
        return;
    track_record *track = &profile->track[which];
    assert(track->depth < DEPTH);
    track->open[track->depth++] = (open_mark){.category = category, .begin = dt_seconds()};
}

dt_category dt_profile_outer(const dt_profile *profile, dt_track which)
{
    const track_record *track = &profile->track[which];
    for (int32_t i = 0; i < track->depth; ++i)
        if (track->open[i].category != DT_CATEGORY_STEP)
            return track->open[i].category;
    return DT_NO_CATEGORY;
}

void dt_profile_end(dt_profile *profile, dt_track which)
{
    if (!profile || !profile->running)
        return;
    track_record *track = &profile->track[which];
    assert(track->depth > 0);
    const open_mark mark = track->open[--track->depth];
    const dt_profiled operation = {
        .category = mark.category, .outer = dt_profile_outer(profile, which), .work = mark.work};
    add(profile, which, &operation, mark.begin, dt_seconds() - mark.begin);
}

/* ---- results ------------------------------------------------------------------------------- */

const dt_profile_row *dt_profile_rows(const dt_profile *profile, dt_track track, int32_t *count)
{
    *count = profile->track[track].rows;
    return profile->track[track].row;
}

const dt_profile_span *dt_profile_spans(const dt_profile *profile, dt_track track, int64_t *count,
                                        int64_t *dropped)
{
    *count = profile->track[track].spans;
    *dropped = profile->track[track].dropped;
    return profile->track[track].span;
}

static void add_up(dt_profile_row *sum, const dt_profile_row *row)
{
    sum->calls += row->calls;
    sum->seconds += row->seconds;
    sum->work += row->work;
}

dt_profile_row dt_profile_within(const dt_profile *profile, dt_track which, dt_category outer,
                                 dt_category category)
{
    const track_record *track = &profile->track[which];
    dt_profile_row sum = {.category = category, .outer = outer};
    name_row(&sum);
    for (int32_t i = 0; i < track->rows; ++i)
        if (track->row[i].outer == outer && track->row[i].category == category)
            add_up(&sum, &track->row[i]);
    return sum;
}

dt_profile_row dt_profile_category(const dt_profile *profile, dt_track which, dt_category category)
{
    const track_record *track = &profile->track[which];
    dt_profile_row sum = dt_profile_within(profile, which, DT_NO_CATEGORY, category);
    for (int32_t i = 0; i < track->rows; ++i)
        if (which == DT_TRACK_DEVICE && track->row[i].outer == category)
            add_up(&sum, &track->row[i]);
    return sum;
}
