#include "data/learn_strand.h"

#include "data/sequence_reader.h"

static dt_status add_block(void *learner, dt_sequence_block *block)
{
    for (int32_t i = 0; i < block->count; ++i) {
        const dt_text *sequence = &block->record[i].sequence;
        DT_TRY(dt_strand_learner_add(learner, sequence->data, sequence->length));
    }
    return DT_OK;
}

dt_status dt_learn_strand(const char *fasta_file, bool normalize, dt_strand_profile *profile)
{
    dt_strand_learner *learner;
    DT_TRY(dt_strand_learner_create(&learner));
    const dt_status status = dt_read_sequence_file(
        fasta_file,
        &(dt_reading){.normalize = normalize, .block_size = DT_BLOCK_SEQUENCES, .threads = 1},
        add_block, learner);
    if (status == DT_OK)
        dt_strand_learner_finish(learner, profile);
    dt_strand_learner_destroy(learner);
    return status;
}
