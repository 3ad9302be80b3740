#include "data/learn.h"

#include "data/sequence_reader.h"
#include "sequence/bpe_learn.h"
#include "sequence/tokenizer_json.h"

static dt_status add_to_profile(void *learner, dt_sequence_block *block)
{
    for (int32_t i = 0; i < block->count; ++i) {
        const dt_text *sequence = &block->record[i].sequence;
        DT_TRY(dt_strand_learner_add(learner, sequence->data, sequence->length));
    }
    return DT_OK;
}

dt_status dt_learn_strand(const char *fasta_file, bool normalize, const dt_cut *amplicons,
                          dt_strand_profile *profile)
{
    dt_strand_learner *learner;
    DT_TRY(dt_strand_learner_create(&learner));
    const dt_status status = dt_read_sequence_file(fasta_file,
                                                   &(dt_reading){.normalize = normalize,
                                                                 .amplicons = amplicons,
                                                                 .block_size = DT_BLOCK_SEQUENCES,
                                                                 .threads = 1},
                                                   add_to_profile, learner);
    if (status == DT_OK)
        dt_strand_learner_finish(learner, profile);
    dt_strand_learner_destroy(learner);
    return status;
}

static dt_status add_to_vocabulary(void *learner, dt_sequence_block *block)
{
    for (int32_t i = 0; i < block->count; ++i) {
        const dt_text *sequence = &block->record[i].sequence;
        DT_TRY(dt_bpe_learner_add(learner, sequence->data, sequence->length));
    }
    return DT_OK;
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

dt_status dt_learn_tokenizer(const char *fasta_file, bool normalize, const dt_cut *amplicons,
                             const dt_strand_profile *strand, int32_t size,
                             dt_learnt_tokenizer *learnt)
{
    dt_bpe_learner *learner;
    DT_TRY(dt_bpe_learner_create(&learner, size, DT_BPE_DEFAULT_BASES));
    dt_status status = dt_read_sequence_file(fasta_file,
                                             &(dt_reading){.normalize = normalize,
                                                           .amplicons = amplicons,
                                                           .strand = strand,
                                                           .block_size = DT_BLOCK_SEQUENCES,
                                                           .threads = 1},
                                             add_to_vocabulary, learner);
    if (status == DT_OK)
        status = finish_learning(learner, learnt);
    dt_bpe_learner_destroy(learner);
    return status;
}
