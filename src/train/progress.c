#include "train/progress.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"

#define BAR_WIDTH 20
#define REDRAW_SECONDS 0.2
#define PLAIN_LINE_SECONDS 30.0

dt_progress dt_progress_begin(int32_t epoch, int32_t epochs, int64_t steps)
{
    const double now = dt_seconds();
    return (dt_progress){
        .epoch = epoch, .epochs = epochs, .steps = steps, .started = now, .shown = now};
}

void dt_duration(double seconds, char *out)
{
    const long whole = seconds > 0.0 && seconds < 1e9 ? lround(seconds) : 0;
    if (whole >= 3600)
        snprintf(out, 32, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
    else
        snprintf(out, 32, "%ld:%02ld", whole / 60, whole % 60);
}

typedef struct {
    char text[64];
    int importance; /* the least important field is dropped first if the line is too long */
} field;

enum { EPOCH, BAR, STEP, LOSS, RATE, SPEED, LEFT, RUN_LEFT, FIELDS };

static void make_fields(const dt_progress *progress, const dt_progress_state *state,
                        field fields[FIELDS])
{
    static const int importance[FIELDS] = {[EPOCH] = 9, [BAR] = 2,   [STEP] = 4, [LOSS] = 5,
                                           [RATE] = 1,  [SPEED] = 3, [LEFT] = 8, [RUN_LEFT] = 7};
    const double share = progress->steps > 0 ? (double)state->step / (double)progress->steps : 1.0;
    const double whole = share > 0.0 ? state->elapsed / share : 0.0; /* the epoch's time */
    const double after = (whole + progress->between) * (progress->epochs - progress->epoch);
    char bar[BAR_WIDTH + 1];
    char left[32];
    char run_left[32];
    memset(bar, ' ', BAR_WIDTH);
    memset(bar, '#', (size_t)(share * BAR_WIDTH));
    bar[BAR_WIDTH] = '\0';
    dt_duration(whole - whole * share, left);
    dt_duration(whole - whole * share + progress->between + after, run_left);
    for (int i = 0; i < FIELDS; ++i)
        fields[i].importance = importance[i];
    const size_t size = sizeof fields->text;
    snprintf(fields[EPOCH].text, size, "epoch %d/%d", progress->epoch, progress->epochs);
    snprintf(fields[BAR].text, size, " [%s]", bar);
    snprintf(fields[STEP].text, size, " step %lld/%lld", (long long)state->step,
             (long long)progress->steps);
    snprintf(fields[LOSS].text, size, ", loss %.4f", state->loss);
    snprintf(fields[RATE].text, size, ", lr %.3g", state->rate);
    snprintf(fields[SPEED].text, size, ", %.1f sequences/s",
             (double)state->sequences / state->elapsed);
    snprintf(fields[LEFT].text, size, ", %s left", left);
    snprintf(fields[RUN_LEFT].text, size, " (run %s)", run_left);
}

void dt_progress_text(const dt_progress *progress, const dt_progress_state *state, int width,
                      char *out, size_t size)
{
    field fields[FIELDS];
    make_fields(progress, state, fields);
    for (;;) {
        size_t length = 0;
        int least = 0;
        for (int i = 0; i < FIELDS; ++i) {
            length += strlen(fields[i].text);
            if (fields[i].text[0] && fields[i].importance < fields[least].importance)
                least = i;
        }
        if (width <= 0 || (int)length <= width || least == EPOCH)
            break;
        fields[least].text[0] = '\0';
    }
    out[0] = '\0';
    for (int i = 0; i < FIELDS; ++i)
        snprintf(out + strlen(out), size - strlen(out), "%s", fields[i].text);
}

void dt_progress_show(dt_progress *progress, int64_t step, int64_t sequences, double loss,
                      double rate)
{
    const double now = dt_seconds();
    const int terminal = dt_log_is_terminal();
    if (now - progress->shown < (terminal ? REDRAW_SECONDS : PLAIN_LINE_SECONDS))
        return;
    progress->shown = now;
    const dt_progress_state state = {.step = step,
                                     .sequences = sequences,
                                     .loss = loss,
                                     .rate = rate,
                                     .elapsed = now - progress->started};
    char text[512];
    dt_progress_text(progress, &state, terminal ? dt_log_width() - 1 : 0, text, sizeof text);
    if (terminal)
        dt_log_status_line(text);
    else
        dt_info("%s", text);
}

void dt_progress_end(void)
{
    dt_log_status_line("");
}
