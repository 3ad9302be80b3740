#include "report/run_files.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/uuid.h"
#include "io/json_scan.h"

#define OVERFITTED_RISE 0.01

typedef struct {
    int64_t number;
    json_t *metrics;
} epoch_file;

typedef struct {
    const char *folder;
    char id[DT_RUN_ID_SIZE];
    epoch_file *epoch; /* (epochs) ascending */
    int32_t epochs;
    size_t capacity;
    char *steps; /* content of the steps file; NULL: none */
    size_t steps_length;
} run_files;

/* ---- reading -------------------------------------------------------------------------------- */

static dt_status read_epoch(run_files *run, const char *path, int64_t number)
{
    json_error_t error;
    DT_TRY(DT_GROW(run->epoch, run->capacity, (size_t)run->epochs + 1));
    json_t *metrics = json_load_file(path, 0, &error);
    if (!metrics)
        return dt_fail(DT_ERR_INPUT, "%s: not the metrics of an epoch: %s (line %d)", path,
                       error.text, error.line);
    run->epoch[run->epochs++] = (epoch_file){.number = number, .metrics = metrics};
    if (json_is_object(json_object_get(metrics, "performance_metrics")))
        return DT_OK;
    return dt_fail(DT_ERR_INPUT, "%s: not the metrics of an epoch: no \"performance_metrics\"",
                   path);
}

/* Returns the number of the epoch whose metrics have this name; 0: another file. */
static int64_t epoch_number(const run_files *run, const char *name)
{
    char begin[sizeof run->id + 32];
    char *end;
    snprintf(begin, sizeof begin, "deeptaxa_%s_epoch", run->id);
    if (strncmp(name, begin, strlen(begin)) != 0)
        return 0;
    const char *digits = name + strlen(begin);
    const long long number = strtoll(digits, &end, 10);
    return *digits >= '1' && *digits <= '9' && strcmp(end, ".json") == 0 ? number : 0;
}

static int by_number(const void *a, const void *b)
{
    const epoch_file *x = a;
    const epoch_file *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

static dt_status read_epochs(run_files *run, const char *metrics_folder)
{
    char path[PATH_MAX];
    DIR *list = opendir(metrics_folder);
    if (!list)
        return dt_fail(DT_ERR_INPUT,
                       "%s: contains no metrics of a training: name the --output-dir of `deeptaxa "
                       "train`",
                       run->folder);
    dt_status status = DT_OK;
    for (struct dirent *entry; status == DT_OK && (entry = readdir(list));) {
        const int64_t number = epoch_number(run, entry->d_name);
        if (number == 0)
            continue;
        status = dt_path(path, sizeof path, "%s/%s", metrics_folder, entry->d_name);
        if (status == DT_OK)
            status = read_epoch(run, path, number);
    }
    closedir(list);
    if (run->epochs > 0)
        qsort(run->epoch, (size_t)run->epochs, sizeof *run->epoch, by_number);
    return status;
}

static dt_status read_run(run_files *run)
{
    char metrics[PATH_MAX];
    char path[PATH_MAX];
    if (access(run->folder, F_OK) != 0)
        return dt_fail(DT_ERR_IO, "%s: cannot read: %s", run->folder, strerror(errno));
    DT_TRY(dt_run_id_read(run->folder, run->id));
    if (!run->id[0])
        return dt_fail(DT_ERR_INPUT,
                       "%s: not the folder of a training (no deeptaxa_uuid.txt): name the "
                       "--output-dir of `deeptaxa train`",
                       run->folder);
    DT_TRY(dt_path(metrics, sizeof metrics, "%s/metrics", run->folder));
    DT_TRY(read_epochs(run, metrics));
    DT_TRY(dt_path(path, sizeof path, "%s/deeptaxa_%s_steps.jsonl", metrics, run->id));
    if (access(path, F_OK) == 0)
        DT_TRY(dt_read_file(path, &run->steps, &run->steps_length));
    if (run->epochs > 0 || run->steps_length > 0)
        return DT_OK;
    return dt_fail(DT_ERR_INPUT, "%s: contains no metrics of its run %s yet", run->folder, run->id);
}

static void free_run(run_files *run)
{
    for (int32_t i = 0; i < run->epochs; ++i)
        json_decref(run->epoch[i].metrics);
    free(run->epoch);
    free(run->steps);
}

/* ---- settings ------------------------------------------------------------------------------- */

static void put_setting(dt_json *json, const char *section, const char *name, json_t *value)
{
    char *text =
        json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(12));
    dt_json_array(json);
    dt_json_string(json, section);
    dt_json_string(json, name);
    dt_json_string(json, text ? text : json_string_value(value));
    dt_json_end(json);
    free(text);
}

/* Adds the members of an object as settings, those of inner ones as NAME.INNER. */
static void put_section(dt_json *json, const char *section, const char *prefix, json_t *object)
{
    const char *key;
    json_t *value;
    char name[256];
    json_object_foreach(object, key, value)
    {
        snprintf(name, sizeof name, "%s%s%s", prefix, prefix[0] ? "." : "", key);
        if (json_is_object(value) && strlen(name) < 128)
            put_section(json, section, name, value);
        else if (!json_is_null(value))
            put_setting(json, section, name, value);
    }
}

static void put_settings(dt_json *json, const run_files *run)
{
    static const char *const sections[] = {"training_hyperparameters", "model_details",
                                           "dataset_info", "system_info", "options"};
    static const char *const single[] = {"command_line", "version"};
    json_t *last = run->epochs > 0 ? run->epoch[run->epochs - 1].metrics : NULL;
    dt_json_key(json, "settings");
    dt_json_array(json);
    for (size_t i = 0; i < sizeof sections / sizeof *sections; ++i)
        put_section(json, sections[i], "", json_object_get(last, sections[i]));
    for (size_t i = 0; i < sizeof single / sizeof *single; ++i)
        if (json_object_get(last, single[i]))
            put_setting(json, "invocation", single[i], json_object_get(last, single[i]));
    dt_json_end(json);
}

/* ---- epochs --------------------------------------------------------------------------------- */

/* Returns a number of an epoch's metrics, NaN if it is missing. */
static double number_of(const epoch_file *epoch, const char *section, const char *key)
{
    json_t *value = json_object_get(json_object_get(epoch->metrics, section), key);
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

static void put_column(dt_json *json, const run_files *run, const char *name, const char *section,
                       const char *key)
{
    dt_json_key(json, name);
    dt_json_array(json);
    for (int32_t i = 0; i < run->epochs; ++i)
        dt_json_double(json, number_of(&run->epoch[i], section, key));
    dt_json_end(json);
}

static json_t *member(json_t *object, int32_t number)
{
    char key[16];
    snprintf(key, sizeof key, "%d", number);
    return json_object_get(object, key);
}

static int32_t rank_count(const run_files *run)
{
    int32_t count = 0;
    json_t *last = run->epochs > 0 ? run->epoch[run->epochs - 1].metrics : NULL;
    json_t *performance = json_object_get(last, "performance_metrics");
    while (member(json_object_get(performance, "validation_metrics"), count))
        count++;
    return count;
}

/* Writes one metric, by epoch and rank. */
static void put_metric(dt_json *json, const run_files *run, const char *key, int32_t ranks)
{
    dt_json_key(json, key);
    dt_json_array(json);
    for (int32_t i = 0; i < run->epochs; ++i) {
        json_t *performance = json_object_get(run->epoch[i].metrics, "performance_metrics");
        json_t *metrics = json_object_get(performance, "validation_metrics");
        dt_json_array(json);
        for (int32_t r = 0; r < ranks; ++r) {
            json_t *value = json_object_get(member(metrics, r), key);
            dt_json_double(json, json_is_number(value) ? json_number_value(value) : (double)NAN);
        }
        dt_json_end(json);
    }
    dt_json_end(json);
}

static void put_epochs(dt_json *json, const run_files *run, int32_t ranks)
{
    static const char *const column[][3] = {
        {"training_loss", "performance_metrics", "training_loss"},
        {"validation_loss", "performance_metrics", "validation_loss"},
        {"training_time", "timing", "training_time_seconds"},
        {"evaluation_time", "timing", "evaluation_time_seconds"},
        {"data_time", "timing", "data_time_seconds"},
        {"compute_time", "timing", "compute_time_seconds"},
        {"waiting_time", "timing", "waiting_time_seconds"},
        {"sequences_per_second", "system_info", "sequences_per_second"},
        {"tokens_per_second", "system_info", "tokens_per_second"},
    };
    static const char *const metric[] = {"accuracy", "precision", "recall", "f1_score"};
    dt_json_key(json, "epochs");
    dt_json_object(json);
    dt_json_key(json, "epoch");
    dt_json_array(json);
    for (int32_t i = 0; i < run->epochs; ++i)
        dt_json_int(json, run->epoch[i].number);
    dt_json_end(json);
    for (size_t i = 0; i < sizeof column / sizeof *column; ++i)
        put_column(json, run, column[i][0], column[i][1], column[i][2]);
    for (size_t i = 0; i < sizeof metric / sizeof *metric; ++i)
        put_metric(json, run, metric[i], ranks);
    dt_json_end(json);
}

static void put_ranks(dt_json *json, const run_files *run, int32_t ranks)
{
    json_t *last = run->epochs > 0 ? run->epoch[run->epochs - 1].metrics : NULL;
    dt_json_key(json, "ranks");
    dt_json_array(json);
    for (int32_t r = 0; r < ranks; ++r) {
        char number[16];
        json_t *name =
            json_object_get(member(json_object_get(last, "taxonomic_levels"), r), "rank");
        snprintf(number, sizeof number, "%d", r);
        dt_json_string(json, json_is_string(name) ? json_string_value(name) : number);
    }
    dt_json_end(json);
}

static void put_best(dt_json *json, const run_files *run)
{
    const epoch_file *best = NULL;
    const epoch_file *last = NULL;
    dt_json_key(json, "best");
    for (int32_t i = 0; i < run->epochs; ++i) {
        const epoch_file *epoch = &run->epoch[i];
        const double loss = number_of(epoch, "performance_metrics", "validation_loss");
        if (!isfinite(loss))
            continue;
        if (!best || loss < number_of(best, "performance_metrics", "validation_loss"))
            best = epoch;
        last = epoch;
    }
    if (!best) {
        dt_json_null(json);
        return;
    }
    const double least = number_of(best, "performance_metrics", "validation_loss");
    const double rise = number_of(last, "performance_metrics", "validation_loss") / least - 1.0;
    const bool fits_better = number_of(last, "performance_metrics", "training_loss") <
                             number_of(best, "performance_metrics", "training_loss");
    dt_json_object(json);
    dt_json_put_int(json, "epoch", best->number);
    dt_json_put_double(json, "loss", least);
    dt_json_put_double(json, "rise", rise);
    dt_json_put_bool(json, "overfitted", rise > OVERFITTED_RISE && fits_better);
    dt_json_end(json);
}

/* ---- steps ---------------------------------------------------------------------------------- */

enum { STEP, LOSS, RATE, NORM, SPEED, STEP_COLUMNS };
static const char *const step_key[STEP_COLUMNS] = {"step", "loss", "learning_rate", "gradient_norm",
                                                   "sequences_per_second"};

/* Reads the numbers of a line; false if it is not an object. */
static bool read_line(const char *line, size_t length, double value[STEP_COLUMNS])
{
    dt_span key;
    dt_json_scan scan = dt_json_scan_of(line, length);
    for (int c = 0; c < STEP_COLUMNS; ++c)
        value[c] = (double)NAN;
    dt_json_scan_open(&scan, '{');
    while (dt_json_scan_key(&scan, &key)) {
        const dt_span text = dt_json_scan_skip(&scan);
        for (int c = 0; c < STEP_COLUMNS; ++c) {
            if (key.length != strlen(step_key[c]) || memcmp(key.data, step_key[c], key.length) != 0)
                continue;
            dt_json_scan number = dt_json_scan_of(text.data, text.length);
            value[c] = dt_json_scan_number(&number);
            if (number.bad)
                return false;
        }
    }
    return !scan.bad;
}

/* The means of the lines, `together` of them at a time. */
typedef struct {
    double *mean; /* (points, STEP_COLUMNS) */
    int64_t points, together, lines;
} step_means;

static dt_status mean_steps(const run_files *run, step_means *out, int64_t points)
{
    const char *end = run->steps + run->steps_length;
    int64_t lines = 0;
    for (const char *at = run->steps; at < end; ++at)
        lines += *at == '\n';
    *out = (step_means){.lines = lines, .together = (lines + points - 1) / points};
    if (lines == 0)
        return DT_OK;
    out->points = (lines + out->together - 1) / out->together;
    DT_TRY(DT_NEW(out->mean, (size_t)out->points * STEP_COLUMNS));
    double value[STEP_COLUMNS];
    int64_t counted[STEP_COLUMNS] = {0};
    const char *at = run->steps;
    for (int64_t line = 0; line < lines;
         ++line) { /* a last line without its end is being written */
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        double *mean = &out->mean[line / out->together * STEP_COLUMNS];
        if (!read_line(at, (size_t)(stop - at), value))
            return dt_fail(DT_ERR_INPUT,
                           "%s/metrics/deeptaxa_%s_steps.jsonl: line %lld is not valid",
                           run->folder, run->id, (long long)line + 1);
        for (int c = 0; c < STEP_COLUMNS; ++c) {
            counted[c] = (line % out->together ? counted[c] : 0) + (isfinite(value[c]) != 0);
            if (isfinite(value[c]))
                mean[c] += (value[c] - mean[c]) / (double)counted[c];
            if ((line + 1) % out->together == 0 || line + 1 == lines)
                mean[c] = counted[c] ? mean[c] : (double)NAN;
        }
        at = stop + 1;
    }
    return DT_OK;
}

static dt_status put_steps(dt_json *json, const run_files *run, int64_t points)
{
    step_means steps = {0};
    const dt_status status = mean_steps(run, &steps, points);
    dt_json_key(json, "steps");
    dt_json_object(json);
    for (int c = 0; c < STEP_COLUMNS; ++c) {
        dt_json_key(json, step_key[c]);
        dt_json_array(json);
        for (int64_t i = 0; i < steps.points && status == DT_OK; ++i)
            dt_json_float(json, (float)steps.mean[i * STEP_COLUMNS + c]);
        dt_json_end(json);
    }
    dt_json_put_int(json, "lines", steps.lines);
    dt_json_put_int(json, "together", steps.together);
    dt_json_end(json);
    free(steps.mean);
    return status;
}

/* ---- all ------------------------------------------------------------------------------------ */

/* Writes the last part of a path, without slashes at its end. */
static void put_name(dt_json *json, const char *path)
{
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/')
        end--;
    size_t begin = end;
    while (begin > 0 && path[begin - 1] != '/')
        begin--;
    dt_json_key(json, "name");
    dt_json_bytes(json, path + begin, end - begin);
}

dt_status dt_report_run(dt_json *json, const char *folder, int64_t points)
{
    run_files run = {.folder = folder};
    dt_status status = read_run(&run);
    if (status == DT_OK) {
        const int32_t ranks = rank_count(&run);
        dt_json_object(json);
        put_name(json, folder);
        dt_json_put_string(json, "folder", folder);
        dt_json_put_string(json, "id", run.id);
        put_ranks(json, &run, ranks);
        put_settings(json, &run);
        put_epochs(json, &run, ranks);
        put_best(json, &run);
        status = put_steps(json, &run, points);
        dt_json_end(json);
    }
    free_run(&run);
    return status;
}
