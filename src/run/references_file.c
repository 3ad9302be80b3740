#include "run/references_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/memory.h"
#include "run/checkpoint_format.h"

#define GROUP "references"
#define FORMAT "deeptaxa-references"
#define VERSION 1

/* ---- the parts of a file --------------------------------------------------------------------- */

/* A vector of the file, which is left out if it is empty. */
typedef struct {
    const char *name;
    dt_element element;
    void **values;
    int64_t count;
} vector;

enum { VECTORS = 8 };

static void vectors_of(dt_reference_set *set, vector out[VECTORS])
{
    dt_references *r = &set->sequences;
    const vector all[VECTORS] = {
        {GROUP "/leaf", DT_ELEMENT_INT32, (void **)&r->leaf, r->count},
        {GROUP "/copies", DT_ELEMENT_INT32, (void **)&r->copies, r->count},
        {GROUP "/length", DT_ELEMENT_INT32, (void **)&r->length, r->count},
        {GROUP "/breaks", DT_ELEMENT_INT32, (void **)&r->break_count, r->count},
        {GROUP "/bases", DT_ELEMENT_UINT8, (void **)&r->bases, r->base_bytes},
        {GROUP "/break_at", DT_ELEMENT_INT32, (void **)&r->break_at, r->breaks},
        {GROUP "/names", DT_ELEMENT_UINT8, (void **)&r->names, r->name_bytes},
        {GROUP "/ids", DT_ELEMENT_INT64, (void **)&set->ids, set->total},
    };
    memcpy(out, all, sizeof all);
}

static dt_status put_set(dt_container *file, const dt_reference_set *set)
{
    dt_reference_set borrowed = *set;
    vector all[VECTORS];
    vectors_of(&borrowed, all);
    for (int v = 0; v < VECTORS; ++v)
        if (all[v].count > 0)
            DT_TRY(dt_container_put_array(file, all[v].name, all[v].element, 1, &all[v].count,
                                          *all[v].values));
    return DT_OK;
}

static dt_status load(dt_container *file, vector *one)
{
    bool there;
    DT_TRY(dt_container_has(file, one->name, &there));
    if (!there)
        return dt_calloc(one->values, 1, sizeof(int64_t), one->name);
    return dt_container_load_vector(file, one->name, one->element, one->values, &one->count);
}

static dt_status load_set(dt_container *file, const char *path, const dt_run *run,
                          dt_reference_set *set)
{
    vector all[VECTORS];
    char checksum[DT_REFERENCE_CHECKSUM];
    vectors_of(set, all);
    for (int v = 0; v < VECTORS; ++v)
        DT_TRY(load(file, &all[v]));
    for (int v = 0; v < VECTORS; ++v) {
        const int64_t expected = v < 4              ? run->references.sequences
                                 : v == VECTORS - 1 ? run->references.total
                                                    : all[v].count;
        if (all[v].count != expected)
            return dt_fail(DT_ERR_INPUT, "%s: damaged: %s has %lld elements instead of %lld", path,
                           all[v].name, (long long)all[v].count, (long long)expected);
    }
    set->sequences.count = (int32_t)all[0].count;
    set->sequences.base_bytes = all[4].count;
    set->sequences.breaks = all[5].count;
    set->sequences.name_bytes = all[6].count;
    set->total = all[7].count;
    DT_TRY(dt_reference_set_complete(set, dt_lineage_tree_lineages(&run->lineages), path));
    dt_reference_set_checksum(set, &run->lineages, checksum);
    if (strcmp(checksum, run->references.checksum) != 0)
        return dt_fail(DT_ERR_INPUT, "%s: damaged: the checksum of its references is %s, not %s",
                       path, checksum, run->references.checksum);
    return DT_OK;
}

/* ---- a checkpoint ---------------------------------------------------------------------------- */

dt_status dt_references_put(dt_container *file, const dt_run_references *references)
{
    if (references->sequences == 0)
        return DT_OK;
    DT_TRY(dt_container_put_attribute_int(file, GROUP, "sequences", references->sequences));
    DT_TRY(dt_container_put_attribute_int(file, GROUP, "total", references->total));
    DT_TRY(dt_container_put_attribute_text(file, GROUP, "checksum", references->checksum));
    return references->set ? put_set(file, references->set) : DT_OK;
}

dt_status dt_references_get(dt_container *file, const char *path, dt_run_references *references)
{
    bool there;
    char *checksum;
    DT_TRY(dt_container_has(file, GROUP, &there));
    if (!there)
        return DT_OK;
    DT_TRY(dt_container_get_attribute_int(file, GROUP, "sequences", &references->sequences));
    DT_TRY(dt_container_get_attribute_int(file, GROUP, "total", &references->total));
    DT_TRY(dt_container_get_attribute_text(file, GROUP, "checksum", &checksum));
    const bool fits = strlen(checksum) == sizeof references->checksum - 1;
    if (fits)
        memcpy(references->checksum, checksum, sizeof references->checksum);
    free(checksum);
    if (!fits || references->sequences < 1 || references->sequences > INT32_MAX ||
        references->total < references->sequences)
        return dt_fail(DT_ERR_INPUT, "%s: damaged: invalid description of its references", path);
    return dt_container_has(file, GROUP "/leaf", &references->inside);
}

void dt_run_set_references(dt_run *run, const dt_reference_set *set)
{
    run->references =
        (dt_run_references){.sequences = set->sequences.count, .total = set->total, .set = set};
    dt_reference_set_checksum(set, &run->lineages, run->references.checksum);
}

/* ---- the file of a run ----------------------------------------------------------------------- */

dt_status dt_references_path(const dt_run *run, const char *checkpoint, char *out)
{
    char folder[PATH_MAX];
    dt_folder_of(checkpoint, folder, sizeof folder);
    return dt_path(out, PATH_MAX, "%s/deeptaxa_%s_references.hdf5", folder, run->settings.run_uuid);
}

dt_status dt_references_write(const char *path, const dt_run *run)
{
    dt_container *file;
    DT_TRY(dt_container_create(&file, path, FORMAT, VERSION));
    const dt_status status = dt_references_put(file, &run->references);
    if (status != DT_OK) {
        dt_container_discard(file);
        return status;
    }
    return dt_container_commit(file);
}

/* The file is that of the run: its description is the same. */
static dt_status check_same(dt_container *file, const char *path, const dt_run *run)
{
    dt_run_references found = {0};
    DT_TRY(dt_references_get(file, path, &found));
    if (found.inside && strcmp(found.checksum, run->references.checksum) == 0 &&
        found.sequences == run->references.sequences && found.total == run->references.total)
        return DT_OK;
    return dt_fail(DT_ERR_INPUT,
                   "%s: its references are not those of the run: they are of other sequences or "
                   "lineages; put the run's own file there, or remove this one and let train "
                   "--resume with --store-references write it again",
                   path);
}

/* `format`: of the file, in versions up to `supported`. */
static dt_status read_from(const char *path, const char *format, int32_t supported,
                           const dt_run *run, dt_reference_set *set)
{
    dt_container *file;
    *set = (dt_reference_set){0};
    DT_TRY(dt_container_open(&file, path, format, supported, NULL));
    dt_status status = check_same(file, path, run);
    if (status == DT_OK)
        status = load_set(file, path, run, set);
    dt_container_close(file);
    if (status != DT_OK)
        dt_reference_set_free(set);
    return status;
}

dt_status dt_references_read_file(const char *path, const dt_run *run, dt_reference_set *set)
{
    return read_from(path, FORMAT, VERSION, run, set);
}

dt_status dt_references_read(const char *checkpoint, const dt_run *run, dt_reference_set *set)
{
    char path[PATH_MAX];
    *set = (dt_reference_set){0};
    if (run->references.sequences == 0)
        return dt_fail(DT_ERR_INPUT,
                       "%s: has no references: train it with --store-references, or add some with "
                       "deeptaxa calibrate --add-references FASTA",
                       checkpoint);
    if (run->references.inside)
        return read_from(checkpoint, DT_CHECKPOINT_FORMAT, DT_CHECKPOINT_VERSION, run, set);
    DT_TRY(dt_references_path(run, checkpoint, path));
    if (access(path, F_OK) != 0)
        return dt_fail(DT_ERR_INPUT,
                       "%s: its references are in another file, %s, which is missing: put it "
                       "there (deeptaxa export writes both into one file), or let train --resume "
                       "with --store-references write it again",
                       checkpoint, path);
    return dt_references_read_file(path, run, set);
}
