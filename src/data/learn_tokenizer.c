#include "data/learn_tokenizer.h"

#include "io/fasta.h"
#include "sequence/tokenizer_json.h"
#include "sequence/bpe_learn.h"
#include "sequence/normalize.h"

static dt_status add_all(dt_bpe_learner *learner, dt_fasta *fasta, bool normalize,
                         const dt_strand_profile *strand)
{
    dt_fasta_record record = {0};
    dt_status status = DT_OK;
    for (;;) {
        bool found;
        status = dt_fasta_next(fasta, &record, &found);
        if (status != DT_OK || !found)
            break;
        size_t length = record.sequence.length;
        if (normalize)
            length = dt_normalize(record.sequence.data, length);
        if (strand)
            dt_strand_turn(strand, record.sequence.data, length);
        status = dt_bpe_learner_add(learner, record.sequence.data, length);
        if (status != DT_OK)
            break;
    }
    dt_fasta_record_free(&record);
    return status;
}

static dt_status add_file(dt_bpe_learner *learner, const char *fasta_file, bool normalize,
                          const dt_strand_profile *strand)
{
    dt_fasta *fasta;
    DT_TRY(dt_fasta_open(&fasta, fasta_file));
    const dt_status status = add_all(learner, fasta, normalize, strand);
    dt_fasta_close(fasta);
    return status;
}

static dt_status finish_learning(dt_bpe_learner *learner, dt_learnt_tokenizer *learnt)
{
    dt_bpe *bpe;
    DT_TRY(dt_bpe_learner_finish(learner, &bpe));
    dt_tokenizer_spec spec;
    dt_bpe_spec(bpe, &spec);
    learnt->tokens = bpe->vocabulary_size;
    learnt->sequences = bpe->sequences_used;
    learnt->bases = bpe->bases_used;
    const dt_status status = dt_tokenizer_to_json(&spec, &learnt->json);
    dt_bpe_destroy(bpe);
    return status;
}

dt_status dt_learn_tokenizer(const char *fasta_file, bool normalize,
                             const dt_strand_profile *strand, int32_t size,
                             dt_learnt_tokenizer *learnt)
{
    dt_bpe_learner *learner;
    DT_TRY(dt_bpe_learner_create(&learner, size, DT_BPE_DEFAULT_BASES));
    dt_status status = add_file(learner, fasta_file, normalize, strand);
    if (status == DT_OK)
        status = finish_learning(learner, learnt);
    dt_bpe_learner_destroy(learner);
    return status;
}
