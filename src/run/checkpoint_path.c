#include "run/checkpoint_path.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/sha256.h"
#include "core/uuid.h"
#include "run/checkpoint.h"

/* A checkpoint file and the training progress given in its name. */
typedef struct {
    char name[NAME_MAX + 1];
    long epochs; /* completed */
    long steps;  /* of the current epoch */
} candidate;

typedef struct {
    candidate *item;
    size_t count;
    size_t capacity;
} candidates;

/* Parses "deeptaxa_<id>_epoch<N>.h5" or "deeptaxa_<id>_epoch<N>_step<S>.h5"; false for any other
 * name. */
static bool parse_name(candidate *out, const char *name, const char *id)
{
    char *end;
    if (strncmp(name, "deeptaxa_", 9) != 0 || strncmp(name + 9, id, strlen(id)) != 0)
        return false;
    const char *epoch = strstr(name + 9 + strlen(id), "_epoch");
    if (!epoch)
        return false;
    out->epochs = strtol(epoch + 6, &end, 10);
    out->steps = 0;
    if (strncmp(end, "_step", 5) == 0) {
        out->epochs--;
        out->steps = strtol(end + 5, &end, 10);
    }
    snprintf(out->name, sizeof out->name, "%s", name);
    return strcmp(end, ".h5") == 0;
}

static dt_status list_candidates(candidates *list, const char *folder, const char *id)
{
    dt_status status = DT_OK;
    DIR *dir = opendir(folder);
    if (!dir && errno == ENOENT)
        return DT_OK;
    if (!dir)
        return dt_fail(DT_ERR_IO, "%s: cannot read the directory: %s", folder, strerror(errno));
    for (struct dirent *entry = readdir(dir); entry && status == DT_OK; entry = readdir(dir)) {
        candidate found;
        if (!parse_name(&found, entry->d_name, id))
            continue;
        status = DT_GROW(list->item, list->capacity, list->count + 1);
        if (status == DT_OK)
            list->item[list->count++] = found;
    }
    closedir(dir);
    return status;
}

/* Sorts by descending progress. */
static int by_progress(const void *a, const void *b)
{
    const candidate *x = a;
    const candidate *y = b;
    if (x->epochs != y->epochs)
        return x->epochs > y->epochs ? -1 : 1;
    return x->steps != y->steps ? (x->steps > y->steps ? -1 : 1) : strcmp(x->name, y->name);
}

static dt_status can_be_resumed(const char *path)
{
    dt_run content;
    DT_TRY(dt_checkpoint_read(path, &content));
    const bool whole = content.has_optimizer;
    dt_run_free(&content);
    if (!whole)
        return dt_fail(DT_ERR_INPUT, "%s: contains weights only", path);
    return dt_checkpoint_verify(path);
}

dt_status dt_newest_checkpoint(const char *output_dir, char *path)
{
    char folder[PATH_MAX];
    char id[DT_RUN_ID_SIZE];
    candidates list = {0};
    path[0] = '\0';
    DT_TRY(dt_run_id_read(output_dir, id));
    DT_TRY(dt_path(folder, sizeof folder, "%s/checkpoints", output_dir));
    dt_status status = list_candidates(&list, folder, id);
    if (status == DT_OK && list.count > 0)
        qsort(list.item, list.count, sizeof *list.item, by_progress);
    for (size_t i = 0; status == DT_OK && i < list.count; ++i) {
        status = dt_path(path, PATH_MAX, "%s/%s", folder, list.item[i].name);
        if (status == DT_OK && can_be_resumed(path) == DT_OK)
            break;
        if (status == DT_OK)
            dt_warn("skipped: %s", dt_error_message());
        path[0] = '\0';
    }
    free(list.item);
    return status;
}

static dt_status newest_of_run(const char *folder, char *out)
{
    DT_TRY(dt_newest_checkpoint(folder, out));
    if (out[0])
        return DT_OK;
    return dt_fail(DT_ERR_INPUT,
                   "%s: is a directory without a complete checkpoint: name a checkpoint, or the "
                   "--output-dir of a training",
                   folder);
}

static dt_status resolve(const char *argument, char *out)
{
    const size_t length = strlen(argument);
    struct stat info;
    if (stat(argument, &info) == 0 && S_ISDIR(info.st_mode))
        return newest_of_run(argument, out);
    DT_TRY(dt_path(out, PATH_MAX, "%s", argument));
    if (length < 4 || strcmp(argument + length - 3, ".pt") != 0 || access(argument, F_OK) == 0)
        return DT_OK;
    memcpy(out + length - 3, ".h5", 4);
    if (access(out, F_OK) == 0)
        dt_notice("%s does not exist; using %s", argument, out);
    else
        memcpy(out, argument, length + 1);
    return DT_OK;
}

dt_status dt_checkpoint_path(const char *argument, const char *expected, char *out)
{
    DT_TRY(resolve(argument, out));
    return expected ? dt_sha256_expect(out, expected) : DT_OK;
}

dt_status dt_calibrated_path(const char *checkpoint, char *out)
{
    size_t stem = strlen(checkpoint);
    const char *end = stem > 3 ? checkpoint + stem - 3 : "";
    if (strcmp(end, ".h5") == 0 || strcmp(end, ".pt") == 0)
        stem -= 3;
    return dt_path(out, PATH_MAX, "%.*s_calibrated.h5", (int)stem, checkpoint);
}
