#include "train/run_output.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/own_file.h"
#include "core/uuid.h"
#include "core/version.h"
#include "io/json_writer.h"
#include "report/report.h"
#include "run/run_json.h"
#include "train/epoch_table.h"
#include "train/tensorboard.h"

#define STEPS "steps.jsonl"
#define LABELS "label2id.json"
#define REFERENCES "references.hdf5" /* run/references_file.h */

/* `<folder>/<kind>/deeptaxa_<uuid>_<name>` */
static dt_status run_path(const dt_run_output *output, const char *kind, const char *name,
                          char *out)
{
    return dt_path(out, PATH_MAX, "%s/%s/deeptaxa_%s_%s", output->folder.path, kind,
                   output->run_uuid, name);
}

/* `<folder>/<kind>` */
static dt_status folder_path(const dt_run_output *output, const char *kind, char *out)
{
    return dt_path(out, PATH_MAX, "%s/%s", output->folder.path, kind);
}

/* `weights` is created when an export is written (dt_run_export_path()). */
static dt_status make_folders(const dt_run_output *output)
{
    static const char *const kinds[] = {"metrics", "metadata", "checkpoints"};
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; ++i) {
        DT_TRY(folder_path(output, kinds[i], path));
        DT_TRY(dt_make_folder(path));
        dt_remove_unfinished(path);
    }
    DT_TRY(folder_path(output, "weights", path));
    dt_remove_unfinished(path);
    dt_remove_unfinished(output->folder.path);
    return DT_OK;
}

dt_status dt_run_export_path(const dt_run_output *output, int32_t epoch, const char *name,
                             char *out)
{
    char full[64];
    DT_TRY(folder_path(output, "weights", out));
    DT_TRY(dt_make_folder(out));
    snprintf(full, sizeof full, "epoch%d_%s", epoch, name);
    return run_path(output, "weights", full, out);
}

static dt_status write_labels(const dt_run_output *output, const dt_taxonomy *taxonomy)
{
    char path[PATH_MAX];
    char level[16];
    dt_output file;
    dt_json json;
    DT_TRY(run_path(output, "metadata", LABELS, path));
    DT_TRY(dt_output_begin(&file, path));
    dt_json_begin(&json, &file, 2, 2);
    dt_json_object(&json);
    for (int32_t r = 0; r < taxonomy->tax_ranks; ++r) {
        snprintf(level, sizeof level, "%d", r);
        dt_json_key(&json, level);
        dt_json_object(&json);
        for (int32_t c = 0; c < taxonomy->rank[r].classes; ++c)
            dt_json_put_int(&json, taxonomy->rank[r].label[c], c);
        dt_json_end(&json);
    }
    dt_json_end(&json);
    return dt_output_commit(&file);
}

/* ---- the steps file ------------------------------------------------------------------------- */

/* Returns the number after `"key":` in a line of the steps file; -1 if the key is missing. */
static long long number_of(const char *line, const char *key)
{
    char quoted[32];
    snprintf(quoted, sizeof quoted, "\"%s\":", key);
    const char *at = strstr(line, quoted);
    return at ? strtoll(at + strlen(quoted), NULL, 10) : -1;
}

/* Keeps the complete lines of the first `updates` updates, applied or skipped; the others will be
 * written again. */
static dt_status drop_later_steps(const char *path, int64_t updates)
{
    char *text;
    size_t length;
    if (access(path, F_OK) != 0)
        return DT_OK;
    DT_TRY(dt_read_file(path, &text, &length));
    size_t kept = 0;
    while (kept < length) {
        const char *end = memchr(text + kept, '\n', length - kept);
        if (!end || number_of(text + kept, "step") + number_of(text + kept, "skipped") > updates)
            break;
        kept = (size_t)(end - text) + 1;
    }
    const dt_status status = kept < length ? dt_write_file(path, text, kept) : DT_OK;
    free(text);
    return status;
}

dt_status dt_run_output_open_steps(dt_run_output *output, const dt_update_state *state)
{
    char path[PATH_MAX];
    DT_TRY(run_path(output, "metrics", STEPS, path));
    DT_TRY(drop_later_steps(path, state->steps + state->skipped));
    return dt_open_append(path, &output->steps);
}

dt_status dt_run_output_step(dt_run_output *output, int32_t epoch, const dt_update_state *state,
                             double loss, double sequences_per_second)
{
    char now[32];
    dt_output line;
    dt_json json;
    dt_timestamp(now, sizeof now);
    DT_TRY(dt_output_attach(&line, output->steps, "the steps file"));
    dt_json_begin(&json, &line, 0, 0);
    dt_json_object(&json);
    dt_json_put_int(&json, "step", state->steps);
    dt_json_put_int(&json, "epoch", epoch);
    dt_json_put_double(&json, "loss", loss);
    dt_json_put_double(&json, "learning_rate", state->last_rate);
    dt_json_put_double(&json, "gradient_norm", state->grad_norm);
    dt_json_put_double(&json, "loss_scale", state->loss_scale);
    dt_json_put_int(&json, "skipped", state->skipped);
    dt_json_put_double(&json, "sequences_per_second", sequences_per_second);
    dt_json_put_string(&json, "time", now);
    dt_json_end(&json);
    DT_TRY(dt_output_detach(&line));
    if (!output->tensorboard)
        return DT_OK;
    return dt_tensorboard_step(output->tensorboard, state, loss, sequences_per_second);
}

/* Prints a notice if the directory contains another run, since name patterns match both. */
static void notice_other_run(const char *folder, const char *run_uuid)
{
    char other[DT_RUN_ID_SIZE];
    if (dt_run_id_read(folder, other) == DT_OK && other[0] && strcmp(other, run_uuid) != 0)
        dt_notice("%s: already contains another run, %s, whose files are kept", folder, other);
}

/* An iterator over the run's checkpoints. */
typedef struct {
    DIR *dir;
    char begin[128];  /* their names up to the epoch */
    const char *name; /* of the current file */
    const char *rest; /* the part of the name after the epoch */
    long epoch;
} listing;

static bool begin_listing(listing *list, const dt_run_output *output)
{
    char folder[PATH_MAX];
    snprintf(list->begin, sizeof list->begin, "deeptaxa_%s_epoch", output->run_uuid);
    if (snprintf(folder, sizeof folder, "%s/checkpoints", output->folder.path) >=
        (int)sizeof folder)
        return false;
    list->dir = opendir(folder);
    return list->dir != NULL;
}

/* Advances to the next file; at the end, closes the listing and returns false. */
static bool next_listed(listing *list)
{
    for (struct dirent *entry = readdir(list->dir); entry; entry = readdir(list->dir)) {
        char *end;
        if (strncmp(entry->d_name, list->begin, strlen(list->begin)) != 0)
            continue;
        list->name = entry->d_name;
        list->epoch = strtol(entry->d_name + strlen(list->begin), &end, 10);
        list->rest = end;
        return true;
    }
    closedir(list->dir);
    return false;
}

/* ---- a run without a checkpoint -------------------------------------------------------------- */

/* `<folder>/.deeptaxa.unsaved` contains the id of a run that has no checkpoint yet. If the process is
 * killed, the file stays, and the next run removes what cannot be resumed. */
static dt_status unsaved_path(const dt_run_output *output, char *out)
{
    return dt_path(out, PATH_MAX, "%s/.deeptaxa.unsaved", output->folder.path);
}

static bool has_checkpoint(const dt_run_output *output)
{
    listing list;
    if (!begin_listing(&list, output))
        return false;
    const bool found = next_listed(&list);
    if (found)
        closedir(list.dir);
    return found;
}

static dt_status has_file(const dt_run_output *output, const char *kind, const char *name,
                          bool *exists)
{
    char path[PATH_MAX];
    DT_TRY(run_path(output, kind, name, path));
    *exists = access(path, F_OK) == 0;
    return DT_OK;
}

static dt_status remove_file(const dt_run_output *output, const char *kind, const char *name)
{
    char path[PATH_MAX];
    DT_TRY(run_path(output, kind, name, path));
    unlink(path);
    return DT_OK;
}

/* Sets `id` to that in the file; "": there is none. */
static dt_status read_unsaved(const char *path, char id[DT_RUN_ID_SIZE])
{
    char *text;
    size_t length;
    id[0] = '\0';
    if (access(path, F_OK) != 0)
        return DT_OK;
    DT_TRY(dt_read_file(path, &text, &length));
    if (length < DT_RUN_ID_SIZE && dt_run_id_valid(text))
        memcpy(id, text, length + 1);
    free(text);
    return DT_OK;
}

/* Removes what such a run left. */
static dt_status remove_unsaved(const dt_run_output *output, const char *id)
{
    dt_run_output killed = *output;
    snprintf(killed.run_uuid, sizeof killed.run_uuid, "%s", id);
    if (has_checkpoint(&killed))
        return DT_OK;
    DT_TRY(remove_file(&killed, "metrics", STEPS));
    DT_TRY(remove_file(&killed, "metadata", LABELS));
    return remove_file(&killed, "checkpoints", REFERENCES);
}

/* A run that has files here, although it has no checkpoint under its usual name, may have one under
 * another name. */
static dt_status is_unsaved(const dt_run_output *output, const char *noted, bool *unsaved)
{
    bool labels;
    bool references;
    DT_TRY(has_file(output, "metadata", LABELS, &labels));
    DT_TRY(has_file(output, "checkpoints", REFERENCES, &references));
    *unsaved = !has_checkpoint(output) &&
               (strcmp(noted, output->run_uuid) == 0 || (!labels && !references));
    return DT_OK;
}

static dt_status note_unsaved(dt_run_output *output)
{
    char path[PATH_MAX];
    char noted[DT_RUN_ID_SIZE];
    DT_TRY(unsaved_path(output, path));
    DT_TRY(read_unsaved(path, noted));
    if (noted[0] && strcmp(noted, output->run_uuid) != 0 && dt_lock_holds(output->folder.lock))
        DT_TRY(remove_unsaved(output, noted));
    DT_TRY(is_unsaved(output, noted, &output->unsaved));
    if (output->unsaved)
        return dt_write_file(path, output->run_uuid, strlen(output->run_uuid));
    unlink(path);
    return DT_OK;
}

void dt_run_output_saved(dt_run_output *output)
{
    char path[PATH_MAX];
    if (output->unsaved && unsaved_path(output, path) == DT_OK)
        unlink(path);
    output->unsaved = false;
}

/* ---- opening and closing -------------------------------------------------------------------- */

/* Until train.log is open. */
static dt_status open_folder(dt_output_folder *folder, const char *path)
{
    char log_path[PATH_MAX];
    dt_status status = dt_output_folder_make(folder, path);
    if (status == DT_OK)
        status = dt_output_folder_lock(folder);
    if (status == DT_OK)
        status = dt_path(log_path, sizeof log_path, "%s/train.log", path);
    if (status == DT_OK)
        status = dt_log_open(log_path);
    if (status != DT_OK)
        dt_output_folder_close(folder, status);
    return status;
}

dt_status dt_run_output_open(dt_run_output *output, const char *folder, dt_run *run)
{
    dt_run_settings *settings = &run->settings;
    *output = (dt_run_output){.folder = {.lock = -1}};
    DT_TRY(open_folder(&output->folder, folder));
    if (!settings->run_uuid[0])
        DT_TRY(dt_run_id(settings->run_uuid));
    snprintf(output->run_uuid, sizeof output->run_uuid, "%s", settings->run_uuid);
    DT_TRY(make_folders(output));
    notice_other_run(folder, settings->run_uuid);
    DT_TRY(note_unsaved(output));
    DT_TRY(dt_run_id_write(folder, settings->run_uuid));
    return write_labels(output, &run->taxonomy);
}

void dt_run_output_close(dt_run_output *output)
{
    if (output->steps)
        fclose(output->steps);
    output->steps = NULL;
    dt_event_file_close(output->tensorboard);
    output->tensorboard = NULL;
    if (output->unsaved)
        (void)remove_file(output, "checkpoints", REFERENCES);
    dt_run_output_saved(output);
    dt_output_folder_close(&output->folder, DT_OK);
}

dt_status dt_run_checkpoint_path(const dt_run_output *output, int32_t epoch, char *out)
{
    char name[32];
    snprintf(name, sizeof name, "epoch%d.h5", epoch);
    return run_path(output, "checkpoints", name, out);
}

dt_status dt_run_step_checkpoint_path(const dt_run_output *output, int32_t epoch, int64_t step,
                                      char *out)
{
    char name[64];
    snprintf(name, sizeof name, "epoch%d_step%lld.h5", epoch, (long long)step);
    return run_path(output, "checkpoints", name, out);
}

void dt_run_drop_step_checkpoints(const dt_run_output *output, int32_t epoch, const char *except)
{
    const char *kept = except ? strrchr(except, '/') : NULL;
    listing list;
    if (!begin_listing(&list, output))
        return;
    while (next_listed(&list)) {
        char *end;
        if (list.epoch > epoch || strncmp(list.rest, "_step", 5) != 0 ||
            (kept && strcmp(list.name, kept + 1) == 0))
            continue;
        strtoll(list.rest + 5, &end, 10);
        if (strcmp(end, ".h5") == 0)
            unlinkat(dirfd(list.dir), list.name, 0);
    }
}

void dt_run_drop_epoch_checkpoints(const dt_run_output *output, int32_t epoch)
{
    listing list;
    if (!begin_listing(&list, output))
        return;
    while (next_listed(&list))
        if (list.epoch <= epoch && strcmp(list.rest, ".h5") == 0)
            unlinkat(dirfd(list.dir), list.name, 0);
}

int dt_run_drop_all_epoch_checkpoints(const dt_run_output *output, const char *except)
{
    int count = 0;
    listing list;
    if (!begin_listing(&list, output))
        return 0;
    while (next_listed(&list))
        if (strcmp(list.rest, ".h5") == 0 && strcmp(list.name, except) != 0)
            count += unlinkat(dirfd(list.dir), list.name, 0) == 0;
    return count;
}

int dt_run_set_later_aside(const dt_run_output *output, int32_t epoch)
{
    int count = 0;
    listing list;
    if (!begin_listing(&list, output))
        return 0;
    while (next_listed(&list)) {
        char aside[NAME_MAX + 8];
        const int fd = dirfd(list.dir);
        snprintf(aside, sizeof aside, "%s.old", list.name);
        if (list.epoch > epoch && strcmp(list.rest, ".h5") == 0)
            count += renameat(fd, list.name, fd, aside) == 0;
        else if (list.epoch <= epoch && strcmp(list.rest, ".h5.old") == 0)
            unlinkat(fd, list.name, 0);
    }
    return count;
}

/* ---- metrics of an epoch -------------------------------------------------------------------- */

static void put_timing(dt_json *json, const dt_run_progress *progress,
                       const dt_epoch_report *report)
{
    dt_json_key(json, "timing");
    dt_json_object(json);
    dt_json_put_double(json, "training_time_seconds", progress->training_time);
    dt_json_put_double(json, "evaluation_time_seconds", progress->evaluation_time);
    dt_json_put_double(json, "data_time_seconds", report->times.data);
    dt_json_put_double(json, "compute_time_seconds", report->times.computing);
    dt_json_put_double(json, "waiting_time_seconds", report->times.waiting);
    dt_json_put_double(json, "session_total_time", report->session_time);
    dt_json_put_string(json, "session_start_time", report->session_start);
    dt_json_put_double(json, "checkpoint_total_time",
                       progress->training_time + progress->evaluation_time);
    dt_json_put_string(json, "checkpoint_start_time", report->epoch_start);
    dt_json_put_string(json, "checkpoint_end_time", report->epoch_end);
    dt_json_put_double(json, "checkpoint_stall_time", report->checkpoint_time);
    dt_json_put_double(json, "checkpoint_writing_time", report->checkpoint_writing);
    dt_json_end(json);
}

static void put_performance(dt_json *json, const dt_run *run)
{
    dt_json_key(json, "performance_metrics");
    dt_json_object(json);
    dt_json_put_double(json, "training_loss", run->progress.training_loss);
    dt_json_put_double(json, "validation_loss", run->progress.validation_loss);
    dt_run_json_tax_metrics(json, run);
    dt_json_end(json);
}

/* Writes each distinct device with its number of ranks: [{"device": …, "ranks": …}, …] */
static void put_devices(dt_json *json, const dt_rank_info *ranks, int32_t world_size)
{
    dt_json_key(json, "devices");
    dt_json_array(json);
    for (int32_t q = 0; q < world_size; ++q) {
        int32_t before = 0;
        int32_t count = 0;
        for (int32_t p = 0; p < world_size; ++p) {
            const bool alike = strcmp(ranks[p].device, ranks[q].device) == 0;
            before += alike && p < q;
            count += alike;
        }
        if (before > 0)
            continue;
        dt_json_object(json);
        dt_json_put_string(json, "device", ranks[q].device);
        dt_json_put_int(json, "ranks", count);
        dt_json_end(json);
    }
    dt_json_end(json);
}

static void put_system(dt_json *json, const dt_run_settings *settings,
                       const dt_epoch_report *report)
{
    dt_run_json_system(json, settings->gpu, settings->device, settings->precision);
    if (report->invocation)
        dt_json_put_string(json, "host", report->invocation->host);
    dt_json_put_int(json, "world_size", settings->world_size);
    put_devices(json, report->ranks, settings->world_size);
    dt_json_put_double(json, "tokens_per_second", report->tokens_per_second);
    dt_json_put_double(json, "sequences_per_second", report->sequences_per_second);
    dt_json_end(json);
}

static dt_status metrics_path(const dt_run_output *output, int32_t epoch, char *out)
{
    char name[32];
    snprintf(name, sizeof name, "epoch%d.json", epoch);
    return run_path(output, "metrics", name, out);
}

dt_status dt_run_output_has_metrics(const dt_run_output *output, int32_t epoch, bool *exists)
{
    char path[PATH_MAX];
    DT_TRY(metrics_path(output, epoch, path));
    *exists = access(path, F_OK) == 0;
    return DT_OK;
}

dt_status dt_run_output_progress(const dt_run_output *output, int32_t *epoch, int32_t *evaluations)
{
    char path[PATH_MAX];
    DT_TRY(run_path(output, "metrics", "metrics.csv", path));
    return dt_epoch_table_read(path, epoch, evaluations);
}

dt_status dt_run_output_epoch(const dt_run_output *output, const dt_run *run)
{
    char path[PATH_MAX];
    DT_TRY(run_path(output, "metrics", "metrics.csv", path));
    DT_TRY(dt_epoch_table_add(path, run));
    return output->tensorboard ? dt_tensorboard_epoch(output->tensorboard, run) : DT_OK;
}

dt_status dt_run_output_metrics(const dt_run_output *output, const dt_run *run,
                                const dt_epoch_report *report)
{
    char path[PATH_MAX];
    char timestamp[32];
    dt_output file;
    dt_json json;
    dt_timestamp(timestamp, sizeof timestamp);
    DT_TRY(metrics_path(output, run->progress.epoch, path));
    DT_TRY(dt_output_begin(&file, path));
    dt_json_begin(&json, &file, 2, 4);
    dt_json_object(&json);
    dt_json_put_string(&json, "version", dt_version());
    dt_json_put_string(&json, "run_uuid", run->settings.run_uuid);
    dt_json_put_string(&json, "checkpoint_path", report->checkpoint_path);
    dt_json_put_string(&json, "timestamp", timestamp);
    dt_run_json(&json, run, DT_RUN_JSON_METRICS);
    put_timing(&json, &run->progress, report);
    put_performance(&json, run);
    put_system(&json, &run->settings, report);
    if (report->invocation)
        dt_run_json_invocation(&json, report->invocation);
    dt_json_end(&json);
    return dt_output_commit(&file);
}

/* ---- report --------------------------------------------------------------------------------- */

#define REPORT_SHARE 0.01 /* of the training time of an epoch */

void dt_run_output_report(dt_run_output *output)
{
    char path[PATH_MAX];
    const char *const run[] = {output->folder.path};
    const dt_report_sources sources = {.run = run, .runs = 1, .version = dt_version()};
    const double began = dt_seconds();
    if (!output->reports)
        return;
    dt_status status = dt_path(path, sizeof path, "%s/report.html", output->folder.path);
    if (status == DT_OK)
        status = dt_report_write(path, &sources);
    if (status != DT_OK)
        dt_warn("no report of the run: %s", dt_error_message());
    output->reports = status == DT_OK;
    output->report_seconds = dt_seconds() - began;
}

void dt_run_output_refresh_report(dt_run_output *output, double training_time)
{
    if (output->report_seconds < REPORT_SHARE * training_time)
        dt_run_output_report(output);
}
