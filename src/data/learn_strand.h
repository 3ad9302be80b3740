/* Learning which strand the sequences of a FASTA file are on. */
#ifndef DT_DATA_LEARN_STRAND_H
#define DT_DATA_LEARN_STRAND_H

#include <stdbool.h>

#include "core/status.h"
#include "sequence/strand.h"

/* Learns the profile of the strand that most sequences of a file are on (dt_strand_learner_…()),
 * normalised (sequence/normalize.h) or as they are. */
dt_status dt_learn_strand(const char *fasta_file, bool normalize, dt_strand_profile *profile);

#endif
