/* A batch of sequences on its way through the stages of predict/predictor.c: the sequences, the
 * input of the device, and the results. Identical sequences are computed once (predict/repeats.h):
 * the input of the device contains only the different ones, and the results are spread over all. */
#ifndef DT_PREDICT_JOB_H
#define DT_PREDICT_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "backend.h"
#include "core/status.h"
#include "data/sequence_reader.h"
#include "model/classify.h"
#include "predict/decide.h"
#include "predict/neighbours.h"
#include "predict/repeats.h"
#include "predict/truth.h"

typedef struct {
    int32_t most; /* sequences */
    int32_t tax_ranks;
    int32_t members;        /* models */
    int32_t kmer_size;      /* not 0: the models read sets of k-mers (sequence/kmer.h) */
    int32_t columns;        /* of the probabilities; 0: not needed */
    int64_t features;       /* of the embeddings; 0: not needed */
    dt_logit_range logits;  /* needed on the host */
    int32_t statistic_size; /* bytes of a logit */
    int32_t activation_size;
    bool independent;
    bool neighbours;
} dt_job_sizes;

/* A row for each sequence; NULL: not needed. */
typedef struct {
    dt_prediction *prediction;     /* (most, tax_ranks) */
    int32_t *independent;          /* (most, tax_ranks) unless lineages are independent */
    float *probability;            /* (most, columns) from the logits */
    float *embedding;              /* (most, features) of the first model */
    dt_nearest_reference *nearest; /* (most) */
} dt_result_rows;

typedef struct {
    dt_sequence_block block;
    int32_t *truth;   /* (most, tax_ranks) numbers of true labels (predict/truth.h) */
    bool *has_row;    /* (most) */
    int32_t *slot;    /* (most) with repeats: of dt_repeats_find() */
    bool *repeated;   /* (most) identical to an earlier sequence; false without repeats */
    int32_t computed; /* sequences that are not repeated; the following have a row for each */
    int32_t *source;  /* (most) where such a sequence is in the block */

    int32_t *cu_seqlens;   /* (most + 1) */
    int32_t *tokens;       /* packed */
    size_t token_capacity; /* of `tokens` */
    int32_t *labels;       /* (most, tax_ranks) true classes (dt_truth_class()) */
    dt_result_rows result;
    void *logits[DT_MAX_MEMBERS]; /* (most, logits.count) of each model; NULL: not needed */
    void *activations;            /* (most, features) of the first model; NULL: not needed */
} dt_job;

/* Free both with the functions below, also on failure; zeroed ones are allowed. */
dt_status dt_job_create(dt_job *job, const dt_job_sizes *sizes);
void dt_job_free(dt_job *job, const dt_job_sizes *sizes);
dt_status dt_result_rows_create(dt_result_rows *rows, const dt_job_sizes *sizes);
void dt_result_rows_free(dt_result_rows *rows);

/* Returns the bytes of a sequence's results. */
size_t dt_result_bytes(const dt_job_sizes *sizes);

/* Prepares the input of the device from job->block. truth: NULL: unknown. repeats: for rows of
 * dt_result_bytes(); NULL: all sequences are computed. */
dt_status dt_job_fill(dt_job *job, const dt_job_sizes *sizes, const dt_truth *truth,
                      dt_repeats *repeats);

/* Sets the results of all sequences from the computed and the stored ones. Call it once for each
 * job, in the order of dt_job_fill(). */
void dt_job_spread(const dt_job *job, const dt_job_sizes *sizes, dt_repeats *repeats,
                   dt_result_rows *all);

#endif
