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
    dt_part part;
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
} lane_record;

struct dt_profile {
    bool running;
    double zero; /* dt_seconds() */
    lane_record lane[DT_LANES];
};

const char *dt_part_name(dt_part part)
{
    static const char *const name[DT_PARTS] = {
        [DT_PART_INPUT] = "input: reading, tokenising",
        [DT_PART_MODEL] = "model: memory, first values",
        [DT_PART_DATA] = "data: batches",
        [DT_PART_COPIES] = "copies, waiting for device",
        [DT_PART_ASKING] = "launching device work",
        [DT_PART_EMBEDDING] = "embedding",
        [DT_PART_ATTENTION] = "attention",
        [DT_PART_FEED_FORWARD] = "feed-forward",
        [DT_PART_CONVOLUTION] = "convolution",
        [DT_PART_FUSION] = "fusion",
        [DT_PART_HEADS] = "heads, loss",
        [DT_PART_PRODUCTS] = "matrix products",
        [DT_PART_OPTIMIZER] = "optimizer",
        [DT_PART_SUMS] = "waiting for gradient sums",
        [DT_PART_RANKS] = "communication between ranks",
        [DT_PART_EVALUATION] = "evaluation",
        [DT_PART_CHECKPOINT] = "checkpoint",
        [DT_PART_WRITING] = "writing results",
        [DT_PART_WAITING] = "waiting for another thread",
        [DT_PART_STEP] = "step",
    };
    return name[part];
}

dt_status dt_profile_create(dt_profile **out, bool spans)
{
    dt_profile *profile;
    DT_TRY(DT_NEW(profile, 1));
    for (int lane = 0; spans && lane < DT_LANES; ++lane) {
        const dt_status status = DT_NEW(profile->lane[lane].span, SPANS);
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
    for (int lane = 0; profile && lane < DT_LANES; ++lane)
        free(profile->lane[lane].span);
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
    for (int i = 0; i < DT_LANES; ++i) {
        lane_record *lane = &profile->lane[i];
        lane->rows = 0;
        lane->spans = 0;
        lane->dropped = 0;
    }
    profile->zero = dt_seconds();
}

/* ---- measuring ----------------------------------------------------------------------------- */

static bool same_kind(const dt_profile_row *row, const dt_profiled *operation)
{
    return row->what == operation->what && row->part == operation->part &&
           row->outer == operation->outer && row->in == operation->in && row->out == operation->out;
}

static void name_row(dt_profile_row *row)
{
    const char *what = row->what ? row->what : dt_part_name(row->part);
    if (row->in)
        snprintf(row->name, sizeof row->name, "%s %lld -> %lld", what, (long long)row->in,
                 (long long)row->out);
    else
        snprintf(row->name, sizeof row->name, "%s", what);
}

/* Returns the index of the row of an operation; adds the row if it is new. */
static int32_t row_of(lane_record *lane, const dt_profiled *operation)
{
    static const char others[] = "other operations";
    for (int32_t i = 0; i < lane->rows; ++i)
        if (same_kind(&lane->row[i], operation))
            return i;
    if (lane->rows == ROWS)
        return ROWS - 1;
    dt_profile_row *row = &lane->row[lane->rows];
    *row = (dt_profile_row){.part = operation->part,
                            .outer = operation->outer,
                            .what = operation->what,
                            .in = operation->in,
                            .out = operation->out};
    if (lane->rows == ROWS - 1)
        *row = (dt_profile_row){.part = DT_PART_PRODUCTS, .outer = DT_NO_PART, .what = others};
    name_row(row);
    return lane->rows++;
}

static void add(dt_profile *profile, dt_lane which, const dt_profiled *operation, double begin,
                double seconds)
{
    lane_record *lane = &profile->lane[which];
    const int32_t number = row_of(lane, operation);
    dt_profile_row *row = &lane->row[number];
    row->calls++;
    row->seconds += seconds;
    row->work += operation->work;
    if (!lane->span)
        return;
    if (lane->spans == (int64_t)SPANS) {
        lane->dropped++;
        return;
    }
    lane->span[lane->spans++] = (dt_profile_span){.row = number,
                                                  .gflop = (float)(1e-9 * operation->work),
                                                  .begin = begin - profile->zero,
                                                  .seconds = seconds};
}

void dt_profile_add(dt_profile *profile, dt_lane lane, const dt_profiled *operation, double begin,
                    double seconds)
{
    if (profile->running)
        add(profile, lane, operation, begin, seconds);
}

void dt_profile_credit(dt_profile *profile, double work)
{
    lane_record *lane = &profile->lane[DT_LANE_MAIN];
    for (int32_t i = 0; i < lane->depth; ++i)
        lane->open[i].work += work;
}

void dt_profile_begin(dt_profile *profile, dt_lane which, dt_part part)
{
    if (!profile || !profile->running)
        return;
    lane_record *lane = &profile->lane[which];
    assert(lane->depth < DEPTH);
    lane->open[lane->depth++] = (open_mark){.part = part, .begin = dt_seconds()};
}

dt_part dt_profile_outer(const dt_profile *profile, dt_lane which)
{
    const lane_record *lane = &profile->lane[which];
    for (int32_t i = 0; i < lane->depth; ++i)
        if (lane->open[i].part != DT_PART_STEP)
            return lane->open[i].part;
    return DT_NO_PART;
}

void dt_profile_end(dt_profile *profile, dt_lane which)
{
    if (!profile || !profile->running)
        return;
    lane_record *lane = &profile->lane[which];
    assert(lane->depth > 0);
    const open_mark mark = lane->open[--lane->depth];
    const dt_profiled operation = {
        .part = mark.part, .outer = dt_profile_outer(profile, which), .work = mark.work};
    add(profile, which, &operation, mark.begin, dt_seconds() - mark.begin);
}

/* ---- results ------------------------------------------------------------------------------- */

const dt_profile_row *dt_profile_rows(const dt_profile *profile, dt_lane lane, int32_t *count)
{
    *count = profile->lane[lane].rows;
    return profile->lane[lane].row;
}

const dt_profile_span *dt_profile_spans(const dt_profile *profile, dt_lane lane, int64_t *count,
                                        int64_t *dropped)
{
    *count = profile->lane[lane].spans;
    *dropped = profile->lane[lane].dropped;
    return profile->lane[lane].span;
}

static void add_up(dt_profile_row *sum, const dt_profile_row *row)
{
    sum->calls += row->calls;
    sum->seconds += row->seconds;
    sum->work += row->work;
}

dt_profile_row dt_profile_within(const dt_profile *profile, dt_lane which, dt_part outer,
                                 dt_part part)
{
    const lane_record *lane = &profile->lane[which];
    dt_profile_row sum = {.part = part, .outer = outer};
    name_row(&sum);
    for (int32_t i = 0; i < lane->rows; ++i)
        if (lane->row[i].outer == outer && lane->row[i].part == part)
            add_up(&sum, &lane->row[i]);
    return sum;
}

dt_profile_row dt_profile_part(const dt_profile *profile, dt_lane which, dt_part part)
{
    const lane_record *lane = &profile->lane[which];
    dt_profile_row sum = dt_profile_within(profile, which, DT_NO_PART, part);
    for (int32_t i = 0; i < lane->rows; ++i)
        if (which == DT_LANE_DEVICE && lane->row[i].outer == part)
            add_up(&sum, &lane->row[i]);
    return sum;
}
