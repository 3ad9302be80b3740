/* The report of training runs and of a prediction: one HTML file that needs neither network nor
 * other files (docs/report.md). C code gathers the data into one JSON document; the scripts that it
 * carries (page_files.h) draw them.
 *
 * The document:
 *     version, created   of this program; time
 *     runs               [run, …] (run_files.h)
 *     predictions        (predictions.h); null: none
 */
#ifndef DT_REPORT_REPORT_H
#define DT_REPORT_REPORT_H

#include <stdint.h>

#include "core/status.h"

typedef struct {
    const char *const *run; /* (runs) output directories of `train` */
    int32_t runs;
    const char *predictions; /* output directory of `predict`, or its JSON file; NULL: none */
    const char *version;     /* of this program */
} dt_report_sources;

/* Writes the report to `path`, replacing it as a whole. DT_ERR_INPUT: a folder is none of `train`
 * or `predict`, or has no metrics yet; a file is not the JSON that it should be. */
dt_status dt_report_write(const char *path, const dt_report_sources *sources);

#endif
