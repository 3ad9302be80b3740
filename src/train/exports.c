#include "train/exports.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "eval/embed.h"
#include "eval/importance.h"
#include "io/container.h"
#include "io/output.h"

#define EMBEDDINGS "sequence_embeddings.h5"
#define IMPORTANCE_TABLE "permutation_importance.tsv"
#define IMPORTANCE_ARRAYS "permutation_importance.h5"
#define VERSION 1

#define MANY_PREDICTIONS 1000000 /* per epoch: at least this many cause a notice */

static int32_t region_size(const dt_trainer *t)
{
    const int32_t quarter = t->run->config.max_length / 4;
    if (t->job->perm_region_size > 0)
        return t->job->perm_region_size;
    return quarter > 0 ? quarter : 1;
}

dt_status dt_exports_check(const dt_trainer *t)
{
    const bool importance = t->job->export_importance;
    if (!importance && !t->job->export_embeddings)
        return DT_OK;
    DT_TRY(dt_trainer_needs_validation(t, importance ? "export-permutation-importance"
                                                     : "export-sequence-embeddings"));
    if (importance && t->job->dataset->stream)
        return dt_fail(DT_ERR_USAGE,
                       "--export-permutation-importance cannot be combined with --stream-data: it "
                       "exchanges tokens between sequences of all shards, which must be in memory");
    return DT_OK;
}

dt_status dt_exports_plan(dt_text *out, const dt_trainer *t)
{
    const int64_t count = t->run->split.validation_count;
    const int32_t features = dt_model_features(&t->run->config);
    char number[DT_NUMBER_SIZE];
    if (t->job->export_embeddings)
        DT_TRY(dt_text_addf(out,
                            "Export: embeddings of %s sequences, %.3f GB per evaluated epoch\n",
                            dt_with_commas(count, number), 4e-9 * (double)(count * features)));
    if (!t->job->export_importance)
        return DT_OK;
    const int32_t regions = dt_importance_regions(t->run->config.max_length, region_size(t));
    DT_TRY(dt_text_addf(out,
                        "Export: permutation importance of up to %d regions of %d tokens, at the "
                        "cost of %d evaluations per evaluated epoch\n",
                        regions, region_size(t), regions + 1));
    if ((regions + 1) * count >= MANY_PREDICTIONS)
        dt_notice("--export-permutation-importance: %d extra passes over %s sequences after each "
                  "evaluation; raise --perm-region-size for fewer passes, or --eval-every for "
                  "fewer evaluations",
                  regions + 1, dt_with_commas(count, number));
    return DT_OK;
}

/* ---- sequence embeddings -------------------------------------------------------------------- */

static int compare_indices(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a;
    const int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static dt_status put_origin(dt_container *file, const dt_trainer *t)
{
    DT_TRY(dt_container_put_attribute_text(file, "", "run_uuid", t->run->settings.run_uuid));
    return dt_container_put_attribute_int(file, "", "epoch", t->run->progress.epoch);
}

static dt_status put_ids(dt_container *file, const dt_evaluation_job *job)
{
    const char **ids;
    DT_TRY(dt_dataset_ids(job->dataset, job->indices, job->count, &ids));
    const dt_status status = dt_container_put_texts(file, "seq_ids", job->count, ids);
    free(ids);
    return status;
}

/* On rank 0: creates the file and writes everything but the embeddings. */
static dt_status begin_embeddings(dt_container **file, const dt_trainer *t,
                                  const dt_evaluation_job *job, const char *path)
{
    const int64_t shape[2] = {job->count, dt_model_features(&t->run->config)};
    DT_TRY(dt_container_create(file, path, "deeptaxa-embeddings", VERSION));
    DT_TRY(put_origin(*file, t));
    DT_TRY(put_ids(*file, job));
    return dt_container_begin_array(*file, "embeddings", DT_ELEMENT_FLOAT32, 2, shape);
}

static dt_status add_vectors(void *context, const float *vectors, int64_t count)
{
    return dt_container_add_rows(context, count, vectors);
}

/* job->indices are in ascending order. */
static dt_status write_embeddings(dt_trainer *t, const dt_evaluation_job *job)
{
    const bool first = job->comm->world_rank == 0;
    dt_container *file = NULL;
    char path[PATH_MAX];
    dt_status status = DT_OK;
    if (first)
        status = dt_run_export_path(&t->output, t->run->progress.epoch, EMBEDDINGS, path);
    if (first && status == DT_OK)
        status = begin_embeddings(&file, t, job, path);
    DT_TRY_OR(done, dt_agree(job->comm, status, &t->agreed));
    DT_TRY_OR(done, dt_embed(job, add_vectors, file));
    if (first) {
        status = dt_container_commit(file);
        file = NULL;
    }
    DT_TRY_OR(done, dt_agree(job->comm, status, &t->agreed));
    if (first)
        dt_info("embeddings: %s", path);
done:
    dt_container_discard(file);
    return status;
}

/* ---- permutation importance ----------------------------------------------------------------- */

/* Returns the end (exclusive) of region g. */
static int32_t region_end(const dt_importance *importance, int32_t g, int32_t max_length)
{
    const int64_t end = ((int64_t)g + 1) * importance->region_size;
    return end < max_length ? (int32_t)end : max_length;
}

static dt_status write_importance_table(const dt_trainer *t, const dt_importance *importance,
                                        const char *path)
{
    dt_output table;
    DT_TRY(dt_output_begin(&table, path));
    dt_output_text(&table, "Level\tRegion\tStart\tEnd\tImportance\n");
    for (int32_t r = 0; r < importance->tax_ranks; ++r)
        for (int32_t g = 0; g < importance->regions; ++g) {
            dt_output_text(&table, t->run->taxonomy.rank[r].name);
            dt_output_char(&table, '\t');
            dt_output_int(&table, g);
            dt_output_char(&table, '\t');
            dt_output_int(&table, (int64_t)g * importance->region_size);
            dt_output_char(&table, '\t');
            dt_output_int(&table, region_end(importance, g, t->run->config.max_length));
            dt_output_char(&table, '\t');
            dt_output_double(&table, importance->loss[r * importance->regions + g]);
            dt_output_char(&table, '\n');
        }
    return dt_output_commit(&table);
}

static dt_status put_bounds(dt_container *file, const dt_importance *importance, int32_t max_length)
{
    const int64_t regions = importance->regions;
    int32_t *bounds; /* starts, then ends */
    DT_TRY(DT_NEW(bounds, 2 * (size_t)regions));
    for (int32_t g = 0; g < regions; ++g) {
        bounds[g] = g * importance->region_size;
        bounds[regions + g] = region_end(importance, g, max_length);
    }
    dt_status status = dt_container_put_array(file, "start", DT_ELEMENT_INT32, 1, &regions, bounds);
    if (status == DT_OK)
        status =
            dt_container_put_array(file, "end", DT_ELEMENT_INT32, 1, &regions, bounds + regions);
    free(bounds);
    return status;
}

static dt_status put_importance(dt_container *file, const dt_trainer *t,
                                const dt_importance *importance)
{
    const int64_t shape[2] = {importance->tax_ranks, importance->regions};
    const char *names[DT_MAX_TAX_RANKS];
    for (int32_t r = 0; r < importance->tax_ranks; ++r)
        names[r] = t->run->taxonomy.rank[r].name;
    DT_TRY(put_origin(file, t));
    DT_TRY(dt_container_put_attribute_int(file, "", "region_size", importance->region_size));
    DT_TRY(dt_container_put_attribute_int(file, "", "sequences", t->run->split.validation_count));
    DT_TRY(dt_container_put_texts(file, "levels", shape[0], names));
    DT_TRY(dt_container_put_array(file, "accuracy", DT_ELEMENT_FLOAT64, 1, shape,
                                  importance->accuracy));
    DT_TRY(put_bounds(file, importance, t->run->config.max_length));
    return dt_container_put_array(file, "importance", DT_ELEMENT_FLOAT64, 2, shape,
                                  importance->loss);
}

static dt_status write_importance_arrays(const dt_trainer *t, const dt_importance *importance,
                                         const char *path)
{
    dt_container *file;
    DT_TRY(dt_container_create(&file, path, "deeptaxa-importance", VERSION));
    const dt_status status = put_importance(file, t, importance);
    if (status == DT_OK)
        return dt_container_commit(file);
    dt_container_discard(file);
    return status;
}

/* On rank 0. The table is written last: if it exists, both files do. */
static dt_status write_importance_files(const dt_trainer *t, const dt_importance *importance)
{
    char path[PATH_MAX];
    const int32_t epoch = t->run->progress.epoch;
    DT_TRY(dt_run_export_path(&t->output, epoch, IMPORTANCE_ARRAYS, path));
    DT_TRY(write_importance_arrays(t, importance, path));
    DT_TRY(dt_run_export_path(&t->output, epoch, IMPORTANCE_TABLE, path));
    DT_TRY(write_importance_table(t, importance, path));
    dt_info("permutation importance: %s", path);
    return DT_OK;
}

static dt_status write_importance(dt_trainer *t, const dt_evaluation_job *job)
{
    dt_importance importance;
    DT_TRY(dt_importance_measure(&importance, job, region_size(t), t->run->settings.seed));
    dt_status status = DT_OK;
    if (job->comm->world_rank == 0)
        status = write_importance_files(t, &importance);
    dt_importance_free(&importance);
    return dt_agree(job->comm, status, &t->agreed);
}

/* ---- both exports --------------------------------------------------------------------------- */

/* On rank 0: sets *missing to whether a file of the epoch does not exist. */
static dt_status is_missing(const dt_trainer *t, const char *name, bool *missing)
{
    char path[PATH_MAX];
    DT_TRY(dt_run_export_path(&t->output, t->run->progress.epoch, name, path));
    *missing = access(path, F_OK) != 0;
    return DT_OK;
}

/* Rank 0 decides what is to be written, for all ranks. */
static dt_status choose(dt_trainer *t, bool only_missing, bool *embeddings, bool *importance)
{
    dt_comm *comm = t->job->comm;
    bool wanted[2] = {t->job->export_embeddings, t->job->export_importance};
    dt_status status = DT_OK;
    if (only_missing && comm->world_rank == 0) {
        if (wanted[0])
            status = is_missing(t, EMBEDDINGS, &wanted[0]);
        if (wanted[1] && status == DT_OK)
            status = is_missing(t, IMPORTANCE_TABLE, &wanted[1]);
    }
    DT_TRY(dt_agree(comm, status, &t->agreed));
    DT_TRY(comm->ops->broadcast(comm, wanted, sizeof wanted, 0));
    *embeddings = wanted[0];
    *importance = wanted[1];
    return DT_OK;
}

static dt_status write_exports(dt_trainer *t, bool embeddings, bool importance)
{
    const dt_split *split = &t->run->split;
    const size_t count = (size_t)split->validation_count;
    int64_t *sorted;
    DT_TRY(DT_NEW(sorted, count));
    if (split->marks) {
        int64_t next = 0;
        for (size_t i = 0; i < count; ++i)
            sorted[i] = dt_split_next(split, &next);
    } else {
        memcpy(sorted, split->validation, count * sizeof *sorted);
        qsort(sorted, count, sizeof *sorted, compare_indices);
    }
    const dt_evaluation_job job = {.model = t->model,
                                   .comm = t->job->comm,
                                   .dataset = t->job->dataset,
                                   .indices = sorted,
                                   .count = split->validation_count,
                                   .memory = &t->stepper.memory,
                                   .stop = t->job->stop};
    dt_status status = embeddings ? write_embeddings(t, &job) : DT_OK;
    if (status == DT_OK && importance)
        status = write_importance(t, &job);
    free(sorted);
    return status;
}

dt_status dt_exports_write(dt_trainer *t, bool only_missing)
{
    bool embeddings;
    bool importance;
    if (!t->job->export_embeddings && !t->job->export_importance)
        return DT_OK;
    DT_TRY(choose(t, only_missing, &embeddings, &importance));
    if (!embeddings && !importance)
        return DT_OK;
    const dt_status status = write_exports(t, embeddings, importance);
    if (status != DT_STOPPED)
        return status;
    t->stopping = true;
    return DT_OK;
}
