#include "train/epoch_table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "io/output.h"

/* A cell in which a comma or a quotation mark may occur. */
static dt_status add_name(dt_text *out, const char *rank, const char *metric)
{
    if (!strpbrk(rank, ",\""))
        return dt_text_addf(out, ",%s_%s", rank, metric);
    DT_TRY(dt_text_addf(out, ",\""));
    for (const char *c = rank; *c; ++c)
        DT_TRY(dt_text_addf(out, *c == '"' ? "\"%c" : "%c", *c));
    return dt_text_addf(out, "_%s\"", metric);
}

static dt_status add_header(dt_text *out, const dt_taxonomy *taxonomy)
{
    static const char *const metrics[] = {"accuracy", "precision", "recall", "f1_score"};
    DT_TRY(dt_text_addf(out, "epoch,updates,learning_rate,training_loss,validation_loss,"
                             "training_seconds,evaluation_seconds,sequences_per_second"));
    for (int32_t r = 0; r < taxonomy->tax_ranks; ++r)
        for (size_t m = 0; m < sizeof metrics / sizeof *metrics; ++m)
            DT_TRY(add_name(out, taxonomy->rank[r].name, metrics[m]));
    return dt_text_addf(out, "\n");
}

static dt_status add_number(dt_text *out, double number)
{
    char digits[DT_NUMBER_SIZE];
    dt_format_double(digits, number);
    return dt_text_addf(out, ",%s", isfinite(number) ? digits : "");
}

static dt_status add_row(dt_text *out, const dt_run *run)
{
    const dt_run_progress *p = &run->progress;
    const bool evaluated = p->evaluated_epoch == p->epoch;
    const double speed = (double)run->settings.training_sequences / p->training_time;
    const double shared[] = {p->update.last_rate,
                             p->training_loss,
                             evaluated ? p->validation_loss : (double)NAN,
                             p->training_time,
                             evaluated ? p->evaluation_time : (double)NAN,
                             speed};
    DT_TRY(dt_text_addf(out, "%d,%lld", p->epoch, (long long)p->update.steps));
    for (size_t i = 0; i < sizeof shared / sizeof *shared; ++i)
        DT_TRY(add_number(out, shared[i]));
    for (int32_t r = 0; r < run->config.tax_ranks; ++r) {
        const dt_metrics *m = &p->metrics[r];
        const double metrics[] = {m->accuracy, m->precision, m->recall, m->f1};
        for (size_t i = 0; i < sizeof metrics / sizeof *metrics; ++i)
            DT_TRY(add_number(out, evaluated ? metrics[i] : (double)NAN));
    }
    return dt_text_addf(out, "\n");
}

/* Adds the rows of `text`, a table with the same header, of epochs before `epoch`. */
static dt_status add_earlier(dt_text *out, const char *text, int32_t epoch)
{
    if (strncmp(text, out->data, out->length) != 0)
        return DT_OK; /* of another run */
    for (const char *row = text + out->length; *row; row += strcspn(row, "\n") + 1) {
        const size_t length = strcspn(row, "\n") + 1;
        if (row[length - 1] != '\n' || strtol(row, NULL, 10) >= epoch)
            return DT_OK;
        DT_TRY(dt_text_add(out, row, length));
    }
    return DT_OK;
}

dt_status dt_epoch_table_add(const char *path, const dt_run *run)
{
    char *before = NULL;
    size_t length;
    dt_text text = {0};
    dt_status status = add_header(&text, &run->taxonomy);
    if (status == DT_OK && access(path, F_OK) == 0)
        status = dt_read_file(path, &before, &length);
    if (status == DT_OK && before)
        status = add_earlier(&text, before, run->progress.epoch);
    if (status == DT_OK)
        status = add_row(&text, run);
    if (status == DT_OK)
        status = dt_write_file(path, text.data, text.length);
    free(before);
    dt_text_free(&text);
    return status;
}

/* Returns whether a row has a validation loss, its fifth cell; those before it are numbers. */
static bool is_evaluated(const char *row)
{
    for (int cell = 0; cell < 4 && row; ++cell) {
        row = strchr(row, ',');
        row = row ? row + 1 : NULL;
    }
    return row && *row != ',';
}

dt_status dt_epoch_table_read(const char *path, int32_t *epoch, int32_t *evaluations)
{
    const int32_t after = *epoch;
    char *text;
    size_t length;
    if (access(path, F_OK) != 0)
        return DT_OK;
    DT_TRY(dt_read_file(path, &text, &length));
    *evaluations = 0;
    for (const char *row = strchr(text, '\n'); row && row[1]; row = strchr(row + 1, '\n')) {
        const long number = strtol(row + 1, NULL, 10);
        if (number <= after || number > INT32_MAX)
            continue;
        *epoch = (int32_t)number;
        *evaluations += is_evaluated(row + 1);
    }
    free(text);
    return DT_OK;
}
