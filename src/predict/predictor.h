/* Streaming prediction: FASTA in, what the model says of each sequence out, in the input's order.
 *
 * Three stages work at the same time, joined by bounded queues, so that memory does not grow with
 * the input:
 *
 *     one thread      reads, normalises, tokenises (in the pool's threads), packs
 *     the caller's    drives the device
 *     one thread      hands the results to the sink
 */
#ifndef DT_PREDICT_PREDICTOR_H
#define DT_PREDICT_PREDICTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "backend.h"
#include "core/status.h"
#include "io/fasta.h"
#include "model/model.h"
#include "predict/truth.h"
#include "sequence/tokenizer.h"

/* Results of sequences that follow each other in the input. Valid during the call of the sink. */
typedef struct {
    int32_t sequences;
    int32_t tax_ranks;
    const dt_fasta_record *record;   /* (sequences) as they were tokenised */
    const int32_t *truth;            /* (sequences, tax_ranks) numbers of true labels; NULL: none */
    const bool *has_row;             /* (sequences) the taxonomy file has a row; NULL likewise */
    const dt_prediction *prediction; /* (sequences, tax_ranks) */
    const float
        *probability; /* (sequences, columns) of predict/probability.h; NULL without truth */
} dt_predicted;

/* Called for one batch after the other, from a thread of its own. A failure ends the prediction. */
typedef dt_status (*dt_predicted_sink)(void *context, const dt_predicted *predicted);

typedef struct {
    dt_model *model; /* with its parameters, reserved for batch_size sequences of max_length */
    const dt_tokenizer *tokenizer;
    const dt_truth *truth;     /* true labels; NULL: none are known */
    const double *temperature; /* (tax_ranks) divisors of the logits; NULL: all 1 */
    bool normalize;            /* as the sequences of the training were */
    int32_t batch_size;        /* sequences computed at a time */
    int threads;               /* that tokenise */
    dt_predicted_sink sink;
    void *context;
} dt_predictor;

/* Predicts all records of `input`; *sequences (may be NULL) is their number. Fails with the first
 * error of any stage: the reader's, a sequence of gap characters only, the device's, the sink's. */
dt_status dt_predictor_run(const dt_predictor *predictor, dt_fasta *input, int64_t *sequences);

#endif
