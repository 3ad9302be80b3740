#include "train/precision.h"

#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "core/update_rule.h"

void dt_training_precision(dt_run *run, dt_precision precision, bool resumed)
{
    dt_run_settings *settings = &run->settings;
    dt_update_state *state = &run->progress.update;
    const char *name = dt_precision_name(precision);
    const bool scaled = precision == DT_PRECISION_FP16;
    const bool unchanged = resumed && strcmp(settings->precision, name) == 0;
    if (resumed && !unchanged)
        dt_notice("precision changes from %s to %s%s", settings->precision, name,
                  scaled ? "; the loss scale is reset to its initial value" : "");
    if (!unchanged) {
        state->loss_scale = scaled ? DT_LOSS_SCALE_START : 1.0;
        state->scale_good_steps = 0;
    }
    settings->rule.dynamic_scale = scaled;
    snprintf(settings->precision, sizeof settings->precision, "%s", name);
}
