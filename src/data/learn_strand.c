#include "data/learn_strand.h"

#include "io/fasta.h"
#include "sequence/normalize.h"

static dt_status add_all(dt_strand_learner *learner, dt_fasta *fasta, bool normalize)
{
    dt_fasta_record record = {0};
    dt_status status = DT_OK;
    for (bool found = true; found && status == DT_OK;) {
        status = dt_fasta_next(fasta, &record, &found);
        if (status != DT_OK || !found)
            break;
        size_t length = record.sequence.length;
        if (normalize)
            length = dt_normalize(record.sequence.data, length);
        status = dt_strand_learner_add(learner, record.sequence.data, length);
    }
    dt_fasta_record_free(&record);
    return status;
}

dt_status dt_learn_strand(const char *fasta_file, bool normalize, dt_strand_profile *profile)
{
    dt_strand_learner *learner;
    dt_fasta *fasta = NULL;
    DT_TRY(dt_strand_learner_create(&learner));
    dt_status status = dt_fasta_open(&fasta, fasta_file);
    if (status == DT_OK)
        status = add_all(learner, fasta, normalize);
    if (status == DT_OK)
        dt_strand_learner_finish(learner, profile);
    dt_fasta_close(fasta);
    dt_strand_learner_destroy(learner);
    return status;
}
