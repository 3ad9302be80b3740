#include "train/tensorboard.h"

#include <limits.h>
#include <string.h>

#include "core/file.h"
#include "core/memory.h"

/* As a block of code in Markdown, which keeps the lines: indented by four blanks. */
static dt_status put_settings(dt_event_file *file, int64_t step, const char *settings)
{
    dt_text text = {0};
    dt_status status = DT_OK;
    while (status == DT_OK && *settings) {
        const size_t length = strcspn(settings, "\n");
        status = dt_text_addf(&text, "    %.*s\n", (int)length, settings);
        settings += length + (settings[length] == '\n');
    }
    if (status == DT_OK && text.data)
        status = dt_event_text(file, step, "settings", text.data);
    dt_text_free(&text);
    return status;
}

dt_status dt_tensorboard_open(dt_event_file **out, const char *folder, const dt_run *run,
                              const char *settings)
{
    char path[PATH_MAX];
    const int64_t done = run->progress.update.steps;
    DT_TRY(dt_path(path, sizeof path, "%s/tensorboard", folder));
    DT_TRY(dt_make_folder(path));
    DT_TRY(dt_event_file_create(out, path, done + 1));
    return settings ? put_settings(*out, done, settings) : DT_OK;
}

dt_status dt_tensorboard_step(dt_event_file *file, const dt_update_state *state, double loss,
                              double sequences_per_second)
{
    DT_TRY(dt_event_scalar(file, state->steps, "loss/update", loss));
    DT_TRY(dt_event_scalar(file, state->steps, "learning_rate", state->last_rate));
    DT_TRY(dt_event_scalar(file, state->steps, "gradient_norm", state->grad_norm));
    return dt_event_scalar(file, state->steps, "sequences_per_second", sequences_per_second);
}

static dt_status put_metrics(dt_event_file *file, int64_t step, const dt_metrics *metrics,
                             const char *rank)
{
    const struct {
        const char *name;
        double value;
    } metric[] = {{"accuracy", metrics->accuracy},
                  {"precision", metrics->precision},
                  {"recall", metrics->recall},
                  {"f1_score", metrics->f1}};
    dt_text tag = {0};
    dt_status status = DT_OK;
    for (size_t i = 0; i < sizeof metric / sizeof *metric && status == DT_OK; ++i) {
        dt_text_clear(&tag);
        status = dt_text_addf(&tag, "%s/%s", metric[i].name, rank);
        if (status == DT_OK)
            status = dt_event_scalar(file, step, tag.data, metric[i].value);
    }
    dt_text_free(&tag);
    return status;
}

dt_status dt_tensorboard_epoch(dt_event_file *file, const dt_run *run)
{
    const dt_run_progress *p = &run->progress;
    const int64_t step = p->update.steps;
    DT_TRY(dt_event_scalar(file, step, "epoch", p->epoch));
    DT_TRY(dt_event_scalar(file, step, "loss/training", p->training_loss));
    DT_TRY(dt_event_scalar(file, step, "seconds/training", p->training_time));
    if (p->evaluated_epoch != p->epoch)
        return DT_OK;
    DT_TRY(dt_event_scalar(file, step, "loss/validation", p->validation_loss));
    DT_TRY(dt_event_scalar(file, step, "seconds/evaluation", p->evaluation_time));
    for (int32_t r = 0; r < run->config.tax_ranks; ++r)
        DT_TRY(put_metrics(file, step, &p->metrics[r], run->taxonomy.rank[r].name));
    return DT_OK;
}
