#include "profile/profile_report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "profile/profile_internal.h"

/* Seconds of the categories on one rank, on the main track and on the device. */
typedef struct {
    double main[DT_CATEGORIES], device[DT_CATEGORIES];
} category_seconds;

typedef struct {
    const dt_profile *profile;
    double whole; /* seconds */
    int32_t ranks;
    category_seconds *of_rank; /* (ranks) */
} report;

/* ---- the table ----------------------------------------------------------------------------- */

#define HEAD "%-36s %9s %11s %8s %10s"
#define ROW "%-36s %9lld %11.3f %6.1f %%"

/* A line of the table under construction. */
typedef struct {
    char text[256];
    size_t length;
} line_text;

static void add(line_text *line, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(line_text *line, const char *format, ...)
{
    va_list arguments;
    const size_t space = sizeof line->text - line->length;
    va_start(arguments, format);
    const int length = vsnprintf(line->text + line->length, space, format, arguments);
    va_end(arguments);
    if (length > 0)
        line->length += (size_t)length < space ? (size_t)length : space - 1;
}

static void show(line_text *line)
{
    while (line->length > 0 && line->text[line->length - 1] == ' ')
        line->text[--line->length] = '\0';
    dt_info("%s", line->text);
    line->length = 0;
}

static void add_rate(line_text *line, double work, double seconds)
{
    if (work > 0.0 && seconds > 0.0)
        add(line, " %10.1f", 1e-9 * work / seconds);
    else
        add(line, " %10s", "");
}

/* Adds the minimum and maximum seconds over the ranks. */
static void add_spread(line_text *line, const report *r, dt_track track, dt_category category)
{
    double least = 1e300;
    double most = 0.0;
    if (r->ranks == 1 || (track != DT_TRACK_MAIN && track != DT_TRACK_DEVICE))
        return;
    for (int32_t q = 0; q < r->ranks; ++q) {
        const category_seconds *of_rank = &r->of_rank[q];
        const double seconds = (track == DT_TRACK_MAIN ? of_rank->main : of_rank->device)[category];
        least = seconds < least ? seconds : least;
        most = seconds > most ? seconds : most;
    }
    add(line, " %11.3f %11.3f", least, most);
}

static void add_row(line_text *line, const report *r, const dt_profile_row *row, const char *before)
{
    char name[64];
    snprintf(name, sizeof name, "%s%s", before, row->name);
    add(line, ROW, name, (long long)row->calls, row->seconds, 100.0 * row->seconds / r->whole);
    add_rate(line, row->work, row->seconds);
}

/* Prints the operations of a category. */
static void show_operations(line_text *line, const report *r, dt_track track, dt_category category)
{
    int32_t count;
    const dt_profile_row *rows = dt_profile_rows(r->profile, track, &count);
    for (int32_t i = 0; i < count; ++i) {
        if (rows[i].outer == DT_NO_CATEGORY && rows[i].category == category && rows[i].what) {
            add_row(line, r, &rows[i], "  ");
            show(line);
        }
    }
}

/* Prints the contents of a category that is marked as a whole, by inner category. */
static void show_contents(line_text *line, const report *r, dt_track track, dt_category category)
{
    for (int inner = 0; inner < DT_CATEGORY_STEP; ++inner) {
        const dt_profile_row row =
            dt_profile_within(r->profile, track, category, (dt_category)inner);
        if (row.calls > 0) {
            add_row(line, r, &row, "  ");
            show(line);
        }
    }
}

static void show_category(line_text *line, const report *r, dt_track track, dt_category category,
                          double *sum)
{
    const dt_profile_row row = dt_profile_category(r->profile, track, category);
    if (row.calls == 0)
        return;
    add_row(line, r, &row, "");
    add_spread(line, r, track, category);
    show(line);
    show_operations(line, r, track, category);
    show_contents(line, r, track, category);
    *sum += row.seconds;
}

static void show_rest(line_text *line, const report *r, const char *name, double seconds)
{
    add(line, "%-36s %9s %11.3f %6.1f %%", name, "", seconds, 100.0 * seconds / r->whole);
    show(line);
}

static bool track_was_used(const report *r, dt_track track)
{
    int32_t count;
    dt_profile_rows(r->profile, track, &count);
    return count > 0;
}

static void show_track(line_text *line, const report *r, dt_track track, const char *title,
                       const char *rest)
{
    double sum = 0.0;
    if (!track_was_used(r, track))
        return;
    add(line, HEAD, title, "calls", "seconds", "share", "GFLOP/s");
    if (r->ranks > 1 && (track == DT_TRACK_MAIN || track == DT_TRACK_DEVICE))
        add(line, " %11s %11s", "min", "max");
    show(line);
    for (int category = 0; category < DT_CATEGORY_STEP; ++category)
        show_category(line, r, track, (dt_category)category, &sum);
    show_rest(line, r, rest, r->whole - sum);
}

static void show_steps(line_text *line, const report *r)
{
    dt_profile_row steps = dt_profile_category(r->profile, DT_TRACK_MAIN, DT_CATEGORY_STEP);
    if (steps.calls == 0)
        return;
    snprintf(steps.name, sizeof steps.name, "of which in steps");
    add_row(line, r, &steps, "");
    add_spread(line, r, DT_TRACK_MAIN, DT_CATEGORY_STEP);
    show(line);
}

static void show_table(const report *r)
{
    line_text line = {0};
    dt_info("Where the time went%s: %.2f s", r->ranks > 1 ? ", on rank 0" : "", r->whole);
    show_track(&line, r, DT_TRACK_MAIN, "category", "other");
    show_steps(&line, r);
    show_track(&line, r, DT_TRACK_DEVICE, "on the GPU", "idle");
    show_track(&line, r, DT_TRACK_READER, "reader thread", "idle");
    show_track(&line, r, DT_TRACK_WRITER, "writer thread", "idle");
    if (r->ranks > 1)
        dt_info("min, max: seconds of the category over the %d ranks", r->ranks);
}

/* ---- report -------------------------------------------------------------------------------- */

static dt_status gather_categories(report *r, dt_comm *comm)
{
    category_seconds mine;
    for (int category = 0; category < DT_CATEGORIES; ++category) {
        mine.main[category] =
            dt_profile_category(r->profile, DT_TRACK_MAIN, (dt_category)category).seconds;
        mine.device[category] =
            dt_profile_category(r->profile, DT_TRACK_DEVICE, (dt_category)category).seconds;
    }
    r->ranks = comm ? comm->world_size : 1;
    DT_TRY(DT_NEW(r->of_rank, (size_t)r->ranks));
    if (comm)
        return dt_gather_all(comm, &mine, sizeof mine, r->of_rank);
    r->of_rank[0] = mine;
    return DT_OK;
}

static dt_status write_trace(const dt_profile *profile, dt_comm *comm, const char *path)
{
    int64_t left_out;
    DT_TRY(dt_chrome_trace(profile, comm, path, &left_out));
    if (comm && comm->world_rank != 0)
        return DT_OK;
    if (left_out > 0)
        dt_notice("%s holds only the beginning: %lld later intervals were left out", path,
                  (long long)left_out);
    dt_info("Trace: %s (for chrome://tracing or ui.perfetto.dev)", path);
    return DT_OK;
}

dt_status dt_profile_report(dt_profile *profile, dt_comm *comm, const char *trace)
{
    bool agreed = false;
    report r = {.profile = profile, .whole = dt_seconds() - dt_profile_zero(profile)};
    dt_profile_run(profile, false);
    const dt_status status = gather_categories(&r, comm);
    if (status == DT_OK && (!comm || comm->world_rank == 0))
        show_table(&r);
    free(r.of_rank);
    DT_TRY(status);
    if (!trace)
        return DT_OK;
    const dt_status written = write_trace(profile, comm, trace);
    return comm ? dt_agree(comm, written, &agreed) : written;
}
