/* Sequences for a synthetic taxonomy: real 16S sequences are the ancestors of the families, from
 * which genera, species and records descend by mutation.
 */
#ifndef DT_BENCHMARKS_MADE_SEQUENCES_H
#define DT_BENCHMARKS_MADE_SEQUENCES_H

#include <stdint.h>

#include "core/memory.h"
#include "core/status.h"
#include "made_taxonomy.h"

/* Zero-initialise; free with dt_made_sequences_free(). */
typedef struct {
    dt_text *species; /* (count) */
    int32_t count;
    uint32_t seed;
} dt_made_sequences;

/* Reads microbiomeutil's rRNA16S.gold.fasta, whose headers end in the lineage, and derives the
 * sequences of all species from it. Families are assigned to the real sequences in the order of
 * their lineages, so that neighbours in the synthetic tree descend from relatives, Archaea from
 * Archaea. Returns DT_ERR_INPUT if the file has another format. */
dt_status dt_made_sequences_create(dt_made_sequences *sequences, const dt_made_taxonomy *taxonomy,
                                   const char *gold_fasta, uint32_t seed);
void dt_made_sequences_free(dt_made_sequences *sequences);

/* Sets *out to the sequence of a record of a species, which depends only on `record` (a number
 * unique to the record) and the seed. */
dt_status dt_made_record(const dt_made_sequences *sequences, int32_t species, uint32_t record,
                         dt_text *out);

#endif
