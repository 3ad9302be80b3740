#include "train/store_references.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/log.h"
#include "io/output.h"
#include "run/references_file.h"
#include "run/references_of.h"

static dt_status write_set(dt_run *run, const dt_reference_set *set, const char *path)
{
    char text[2][DT_NUMBER_SIZE];
    struct stat info;
    dt_run_set_references(run, set);
    const dt_status status = dt_references_write(path, run);
    run->references.set = NULL; /* the checkpoints refer to the file */
    if (status == DT_OK && stat(path, &info) == 0)
        dt_info("References: %s sequences, %s of them different, in %s (%.1f MB)",
                dt_with_commas(set->total, text[0]), dt_with_commas(set->sequences.count, text[1]),
                path, 1e-6 * (double)info.st_size);
    return status;
}

/* Writes the sequences of the training set; of a run that had references, they must be the same. */
static dt_status collect(const dt_training *job, const char *path)
{
    dt_run *run = job->run;
    dt_reference_set set;
    char checksum[DT_REFERENCE_CHECKSUM];
    int64_t left_out;
    DT_TRY(dt_references_of(&set, job->dataset, &run->lineages, &left_out));
    dt_reference_set_checksum(&set, &run->lineages, checksum);
    dt_status status = DT_OK;
    if (run->references.sequences > 0 && strcmp(checksum, run->references.checksum) != 0)
        status =
            dt_fail(DT_ERR_INPUT,
                    "%s: the references of the run are missing, and the training set no longer "
                    "has their sequences: put the file back",
                    path);
    if (status == DT_OK)
        status = write_set(run, &set, path);
    dt_reference_set_free(&set);
    return status;
}

/* Finds the references of the resumed checkpoint and writes them to `path`. */
static dt_status copy(const dt_training *job, const char *path)
{
    dt_reference_set set;
    DT_TRY(dt_references_read(job->resume_path, job->run, &set));
    const dt_status status = write_set(job->run, &set, path);
    dt_reference_set_free(&set);
    return status;
}

static dt_status check(const dt_run *run, const char *path)
{
    dt_reference_set set;
    DT_TRY(dt_references_read_file(path, run, &set));
    dt_reference_set_free(&set);
    return DT_OK;
}

/* The references of a resumed run. */
static dt_status keep(const dt_training *job, const char *path)
{
    dt_run *run = job->run;
    dt_status status;
    if (access(path, F_OK) == 0)
        status = check(run, path);
    else if (!run->references.inside && job->store_references)
        status = collect(job, path);
    else
        status = copy(job, path);
    run->references.inside = false;
    return status;
}

dt_status dt_store_references(const dt_training *job, const dt_run_output *output)
{
    char checkpoint[PATH_MAX];
    char path[PATH_MAX];
    const bool has = job->run->references.sequences > 0;
    if (!has && !job->store_references)
        return DT_OK;
    DT_TRY(dt_run_checkpoint_path(output, 0, checkpoint));
    DT_TRY(dt_references_path(job->run, checkpoint, path));
    return has ? keep(job, path) : collect(job, path);
}

void dt_notice_references(const dt_run *run)
{
    char text[DT_NUMBER_SIZE];
    if (run->references.sequences > 0)
        dt_notice("the model has references: who gets a file of deeptaxa export, convert or "
                  "calibrate gets the %s sequences of the training set and their names with it "
                  "(export --no-references leaves them out)",
                  dt_with_commas(run->references.total, text));
}
