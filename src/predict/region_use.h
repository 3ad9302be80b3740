/* How reads relate to the region that a model was trained on (--region of train): those with both of
 * its primers cover more than the region and are cut with --extract auto; those with one of them
 * begin or end elsewhere. A read of the region without primers has none: that a primer of 19 bases
 * binds by chance, with three mismatches, is less likely than one in ten thousand reads. */
#ifndef DT_PREDICT_REGION_USE_H
#define DT_PREDICT_REGION_USE_H

#include <stdbool.h>
#include <stdint.h>

#include "predict/predictor.h"
#include "sequence/primer.h"

typedef struct {
    const dt_primers *trained; /* must outlive the struct */
    bool cuts;                 /* --extract auto */
    int64_t sequences;
    int64_t results[DT_AMPLICON_RESULTS];
} dt_region_use;

/* Counts the sequences of a batch. */
void dt_region_use_add(dt_region_use *use, const dt_predicted *predicted);

/* Logs how many sequences were cut or, if more than one in ten has primers, a warning. Returns
 * whether it warned. `file`: name of the input in messages. */
bool dt_region_use_report(const dt_region_use *use, const char *file);

#endif
