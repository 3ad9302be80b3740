#include "train/early_stop.h"

#include <math.h>

void dt_early_stop_update(dt_run_progress *progress, const dt_run_settings *settings)
{
    const double loss = progress->validation_loss;
    const bool first = progress->best_epoch == 0;
    if (!isfinite(loss)) {
        progress->evaluations_without_gain++;
        return;
    }
    if (first || progress->patience_loss - loss > settings->early_stopping_min_delta) {
        progress->patience_loss = loss;
        progress->evaluations_without_gain = 0;
    } else {
        progress->evaluations_without_gain++;
    }
    if (first || loss < progress->best_loss) {
        progress->best_loss = loss;
        progress->best_epoch = progress->epoch;
    }
}

bool dt_early_stop_due(const dt_run_progress *progress, const dt_run_settings *settings)
{
    return settings->early_stopping_patience > 0 &&
           progress->evaluations_without_gain >= settings->early_stopping_patience;
}
