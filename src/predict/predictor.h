/* Streaming prediction: reads FASTA and passes the model's predictions on, in the input's order.
 *
 * Three stages run concurrently, connected by bounded queues, so that memory does not grow with the
 * input:
 *
 *     a thread             reads, normalises, tokenises (in the threads of a pool) and packs
 *     the calling thread   drives the device; it launches a micro-batch before it waits for the
 *                          results of the previous one
 *     a thread             passes the results to the sink
 *
 * Batches and micro-batches. On the CPU a batch is batch_size sequences, computed in micro-batches
 * of at most 8192 tokens (or one sequence); larger ones are no faster and take more memory. (Those of
 * the model type kmer, which has no activations for each token, are not limited.) A GPU
 * needs many tokens at a time to be fast, and its memory limits tokens rather than sequences:
 * there, a batch is up to eight times as many sequences (at most 4096, unless batch_size is
 * larger), computed in micro-batches of at most batch_size · max_length tokens. Thus amplicons are
 * computed hundreds at a time in the memory of batch_size long sequences. A sequence's result does
 * not depend on the rest of its micro-batch, except for rounding on devices whose matrix products
 * change the order of summation with the number of rows.
 *
 * If all logits are needed on the host (predict/decide.h), a pool of threads decides before the
 * sink is called, and a batch on a GPU is limited to 512 sequences: logits take 4 bytes per class,
 * sequence and model, for five batches.
 *
 * Identical sequences are computed once (repeats_memory): those that give the same tokens and have the
 * same true labels. A repeated one gets the bits of the first; an evicted one is computed again.
 *
 * Micro-batches keep the input's order. Sorting sequences by length, the usual way to reduce
 * padding, would gain nothing: sequences are packed without padding, and only the grids of the
 * attention kernels are sized by the longest sequence. Their blocks past the end of a shorter
 * sequence return at once. With tiles of 64 queries, lengths of 263 to 367 tokens leave at most one
 * block in six idle, in an operation that is a twentieth of the work; 55 beside 512 tokens leave
 * seven blocks in eight idle, about a thousand, which cost a few microseconds per layer in
 * micro-batches that take milliseconds. Nor would shapes recur more often: token counts of sorted
 * micro-batches differ more than those of unsorted ones.
 */
#ifndef DT_PREDICT_PREDICTOR_H
#define DT_PREDICT_PREDICTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "backend.h"
#include "core/status.h"
#include "io/fasta.h"
#include "model/model.h"
#include "predict/decide.h"
#include "predict/neighbours.h"
#include "predict/truth.h"
#include "predict/unique_ids.h"
#include "profile/profile.h"
#include "sequence/judge.h"
#include "sequence/primer.h"
#include "sequence/strand.h"
#include "sequence/tokenizer.h"

/* Memory for the results of identical sequences: those of 109,000 different sequences, for a model of
 * up to 512 tokens and seven ranks. */
#define DT_REPEATS_MEMORY ((int64_t)128 << 20)

/* Results of consecutive sequences of the input. Valid during the call of the sink. */
typedef struct {
    int32_t sequences;
    int32_t tax_ranks;
    const dt_fasta_record *record;   /* (sequences) as they were tokenised */
    const int32_t *truth;            /* (sequences, tax_ranks) numbers of true labels, or NULL */
    const bool *has_row;             /* (sequences) has a row in the taxonomy file, or NULL */
    const bool *reoriented;          /* (sequences) `record` was reoriented; NULL: none */
    const dt_amplicon *amplicon;     /* (sequences) found by the predictor's cut, or NULL */
    const dt_judged *judged;         /* (sequences) whether the model can judge them, or NULL */
    const dt_prediction *prediction; /* (sequences, tax_ranks) */
    const int32_t *independent;      /* (sequences, tax_ranks) labels predicted independently; NULL
                                   with DT_LINEAGE_INDEPENDENT */
    const void *logits;     /* (sequences, C) of the first model, if requested; else NULL */
    const float *embedding; /* (sequences, dt_model_features()) of the first model, if requested;
                                 else NULL */
    const dt_nearest_reference *nearest; /* (sequences) with neighbours; else NULL */
    const float
        *probability; /* (sequences, columns) of predict/probability.h; NULL without truth */
} dt_predicted;

/* Called for each batch in turn, from a thread of its own. A failure ends the prediction. */
typedef dt_status (*dt_predicted_sink)(void *context, const dt_predicted *predicted);

/* A further member of an ensemble. */
typedef struct {
    dt_model *model; /* same classes, max_length and reserved sizes; on a backend of its own with
                        the same statistic_size */
    const double *temperature; /* (tax_ranks); NULL: all 1 */
} dt_ensemble_member;

typedef struct {
    dt_model *model; /* with its parameters, reserved for dt_predictor_max_sequences() sequences
                        and dt_predictor_max_tokens() tokens */
    const dt_tokenizer *tokenizer;
    const dt_truth *truth;           /* true labels; NULL: unknown */
    const double *temperature;       /* (tax_ranks) divisors of the logits; NULL: all 1 */
    int32_t others;                  /* further models, 0 … DT_MAX_MEMBERS - 1 */
    const dt_ensemble_member *other; /* (others) averaged with the first model */
    dt_lineage_choice lineage;
    const dt_lineage_tree *lineages;    /* of all models; NULL with DT_LINEAGE_INDEPENDENT */
    const dt_neighbour_use *neighbours; /* with DT_LINEAGE_SUMMED: they vote; NULL: none */
    bool logits;                        /* pass the logits of all classes to the sink; with
                                        DT_LINEAGE_SUMMED those of the heads (dt_decide()) */
    bool embeddings;                    /* pass the sequence embeddings to the sink */
    int64_t repeats_memory;             /* bytes to keep results for identical sequences, which are
                                        computed once; 0, or with `logits`: all are computed */
    bool normalize;                     /* as in training */
    int64_t min_length;                 /* skip sequences with fewer letters after normalisation */
    dt_unique_ids *ids;                 /* refuse duplicate ids (32-64 bytes each); NULL: allow */
    const dt_cut *cut;               /* replace sequences by their amplicon, or find it; NULL: no */
    const dt_strand_profile *strand; /* reorient sequences of the other strand; NULL: no */
    int32_t batch_size;              /* >= 1, see above */
    int threads;                     /* for tokenising */
    dt_predicted_sink sink;
    void *context;
    dt_profile *profile; /* measures all three stages; the models' backends are then its wrappers.
                            NULL: no profile */
} dt_predictor;

/* Returns the largest number of sequences in a batch. */
int32_t dt_predictor_max_sequences(const dt_backend *backend, int32_t batch_size);
/* Returns the largest number of tokens in a micro-batch. */
int64_t dt_predictor_max_tokens(const dt_backend *backend, const dt_model_config *config,
                                int32_t batch_size);

/* Numbers of records. */
typedef struct {
    int64_t predicted;
    int64_t repeated; /* of these: identical to an earlier sequence, and not computed again */
    int64_t left_out; /* shorter than min_length */
} dt_predictor_counts;

/* Predicts all records of `input`; `counts` may be NULL. Returns the first error of any stage: an
 * error of the reader, device or sink, a sequence that consists of gap characters only (unless it
 * is skipped), or a duplicate id. */
dt_status dt_predictor_run(const dt_predictor *predictor, dt_fasta *input,
                           dt_predictor_counts *counts);

#endif
