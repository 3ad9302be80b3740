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

void dt_progress_show(dt_progress *progress, int64_t step, int64_t sequences, double loss,
                      double rate)
{
    const double now = dt_seconds();
    const int terminal = dt_log_is_terminal();
    if (now - progress->shown < (terminal ? REDRAW_SECONDS : PLAIN_LINE_SECONDS))
        return;
    progress->shown = now;
    const double elapsed = now - progress->started;
    const double share = progress->steps > 0 ? (double)step / (double)progress->steps : 1.0;
    char left[32];
    char text[256];
    char bar[BAR_WIDTH + 1];
    dt_duration(share > 0.0 ? elapsed / share - elapsed : 0.0, left);
    memset(bar, ' ', BAR_WIDTH);
    memset(bar, '#', (size_t)(share * BAR_WIDTH));
    bar[BAR_WIDTH] = '\0';
    snprintf(text, sizeof text,
             "epoch %d/%d [%s] step %lld/%lld, loss %.4f, lr %.3g, %.1f sequences/s, %s left",
             progress->epoch, progress->epochs, bar, (long long)step, (long long)progress->steps,
             loss, rate, (double)sequences / elapsed, left);
    if (terminal)
        dt_log_status_line(text);
    else
        dt_info("%s", text);
}

void dt_progress_end(void)
{
    dt_log_status_line("");
}
