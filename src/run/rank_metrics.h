/* Classification metrics at one taxonomic rank, weighted by support; computed by eval/metrics.h and
 * stored in checkpoints. */
#ifndef DT_RUN_RANK_METRICS_H
#define DT_RUN_RANK_METRICS_H

typedef struct {
    double accuracy;
    double precision;
    double recall;
    double f1;
} dt_metrics;

#endif
