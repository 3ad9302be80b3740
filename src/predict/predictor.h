/* Streaming prediction: FASTA in, what the model says of each sequence out, in the input's order.
 *
 * Three stages work at the same time, joined by bounded queues, so that memory does not grow with
 * the input:
 *
 *     one thread      reads, normalises, tokenises (in the pool's threads), packs
 *     the caller's    drives the device, which has the next piece before its results are waited for
 *     one thread      hands the results to the sink
 *
 * Pieces. On the CPU batch_size sequences are read and handed over together, and computed in pieces
 * of at most 8192 tokens, or one sequence: larger ones are no faster, and take more memory. A GPU
 * is fast when it is given many tokens at a time, and what it has memory for is tokens rather than
 * sequences: there, sequences are read up to eight times as many together (and no more than 4096,
 * unless batch_size is larger), and computed in pieces of at most batch_size · max_length tokens.
 * So amplicons go hundreds at a time, at the memory that batch_size long sequences take. What is
 * computed of a sequence does not depend on the others of its piece, but for how the device's
 * matrix products round, whose order of sums may change with their number of rows.
 *
 * Where all logits come to the host (predict/decide.h), threads of their own decide before the sink
 * is called, and on a GPU no more than 512 sequences are read together: their logits take
 * 4 bytes a class each, five times over for every model.
 *
 * Pieces keep the input's order. Sorting several of them by length, the usual way to waste less on
 * padding, gains nothing here: sequences stand back to back without padding, and only the grids of
 * the attention kernels are as long as the longest sequence for all. Their blocks past the end of a
 * shorter one return at once. With tiles of 64 queries, at 263 to 367 tokens that is at most one
 * block in six of an operation that is a twentieth of the work; with 55 beside 512 tokens seven
 * blocks in eight, some thousand whose cost is a few microseconds a layer, in pieces that take
 * milliseconds. Nor would shapes recur more often: the token counts of pieces that are sorted by
 * length lie further apart than those of pieces in an arbitrary order.
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
#include "predict/truth.h"
#include "predict/unique_ids.h"
#include "profile/profile.h"
#include "sequence/judge.h"
#include "sequence/strand.h"
#include "sequence/tokenizer.h"

/* Results of sequences that follow each other in the input. Valid during the call of the sink. */
typedef struct {
    int32_t sequences;
    int32_t tax_ranks;
    const dt_fasta_record *record; /* (sequences) as they were tokenised */
    const int32_t *truth;          /* (sequences, tax_ranks) numbers of true labels; NULL: none */
    const bool *has_row;           /* (sequences) the taxonomy file has a row; NULL likewise */
    const bool
        *reoriented; /* (sequences) was reverse-complemented, as `record` has it; NULL: none was */
    const dt_judged *judged;         /* (sequences) whether the model can judge them; NULL:
                                        not known */
    const dt_prediction *prediction; /* (sequences, tax_ranks) */
    const int32_t *independent; /* (sequences, tax_ranks) labels of each tax_rank by itself, where
                                   consistent lineages are predicted; else NULL */
    const void *logits;  /* (sequences, classes of all tax_ranks) statistics of the first model,
                            where they were asked for; else NULL */
    const float *vector; /* (sequences, dt_model_features()) that stand for them in the first
                            model, where they were asked for; else NULL */
    const float
        *probability; /* (sequences, columns) of predict/probability.h; NULL without truth */
} dt_predicted;

/* Called for one batch after the other, from a thread of its own. A failure ends the prediction. */
typedef dt_status (*dt_predicted_sink)(void *context, const dt_predicted *predicted);

/* One more model that votes. */
typedef struct {
    dt_model *model; /* of the same classes and max_length, reserved alike, on a backend of its own
                        with statistics of the same size */
    const double *temperature; /* (tax_ranks); NULL: all 1 */
} dt_voter;

typedef struct {
    dt_model *model; /* with its parameters, reserved for dt_predictor_most_sequences() sequences
                        and dt_predictor_most_tokens() tokens */
    const dt_tokenizer *tokenizer;
    const dt_truth *truth;     /* true labels; NULL: none are known */
    const double *temperature; /* (tax_ranks) divisors of the logits; NULL: all 1 */
    int32_t others;            /* further models, 0 … DT_MAX_VOTERS - 1 */
    const dt_voter *other;     /* (others) whose probabilities are averaged with the first's */
    const dt_lineage_tree *lineages; /* to predict one of; NULL: each tax_rank by itself */
    bool logits;                     /* the sink wants the logits of all classes */
    bool vectors;                    /* the sink wants the vectors that stand for sequences */
    bool normalize;                  /* as the sequences of the training were */
    int64_t min_length;              /* sequences of fewer letters, once normalised, are left out */
    dt_unique_ids *ids;              /* to refuse an id that comes twice, which takes
                                        memory for each; NULL: it may */
    const dt_strand_profile *strand; /* sequences of the other strand are turned; NULL: none are */
    int32_t batch_size;              /* >= 1: sequences computed at a time, see above */
    int threads;                     /* that tokenise */
    dt_predicted_sink sink;
    void *context;
    dt_profile *profile; /* measures all three stages; the models' backends are its stand-ins then.
                            NULL: none */
} dt_predictor;

/* Sequences that a batch of the model may have. */
int32_t dt_predictor_most_sequences(const dt_backend *backend, int32_t batch_size);
/* Tokens that it may have. */
int64_t dt_predictor_most_tokens(const dt_backend *backend, int32_t batch_size, int32_t max_length);

/* Records of the input. */
typedef struct {
    int64_t predicted;
    int64_t left_out; /* shorter than min_length */
} dt_predictor_counts;

/* Predicts the records of `input`; *counts may be NULL. Fails with the first error of any stage:
 * the reader's, a sequence of gap characters only that is not left out, an id that comes twice, the
 * device's, the sink's. */
dt_status dt_predictor_run(const dt_predictor *predictor, dt_fasta *input,
                           dt_predictor_counts *counts);

#endif
