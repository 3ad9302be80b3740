/* Whether the fields of a dataset.json agree with each other and have values that `deeptaxa
 * prepare` could have written. Its id does not show that: whoever changes a field can compute the
 * id anew. That the shards agree with it is checked where they are opened (data/shards.c). Private
 * to data/.
 */
#ifndef DT_DATA_DATASET_CHECK_H
#define DT_DATA_DATASET_CHECK_H

#include "core/status.h"
#include "data/dataset.h"
#include "data/dataset_summary.h"

/* `path` is the file. DT_ERR_INPUT, with the file and the first field that is wrong. */
dt_status dt_dataset_check(const dt_dataset *dataset, const dt_dataset_summary *summary,
                           const char *path);

/* Fails with "<path>: <message>; run `deeptaxa prepare` again", for a file of a set. */
dt_status dt_dataset_refuse(const char *path, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same with "the file is damaged: <message>"; the format is a string literal. */
#define dt_dataset_damaged(path, ...) dt_dataset_refuse(path, "the file is damaged: " __VA_ARGS__)

#endif
