/* Measures of a classification at one taxonomic rank, weighted by support, as eval/metrics.h
 * computes them. They stand here because a checkpoint keeps those of the last evaluation. */
#ifndef DT_RUN_RANK_METRICS_H
#define DT_RUN_RANK_METRICS_H

typedef struct {
    double accuracy;
    double precision;
    double recall;
    double f1;
} dt_metrics;

#endif
