/* Which strand a sequence is: a profile of the k-mers of the sequences that a model was trained on
 * tells a read of their strand from one of the other, which is then reverse-complemented.
 *
 * The weight of a k-mer x is the log odds ln((n(x) + 1) / (n(x') + 1)), n counting it in the
 * training sequences and x' being its reverse complement; the score of a read is the sum over its
 * k-mers (naive Bayes with equal priors). The read's other strand has minus that score, so that
 * one pass over the read decides. With k = 8 a profile has 65,536 weights; they are whole numbers
 * (64ths of a nat), so that a score depends on no order of adding up.
 */
#ifndef DT_SEQUENCE_STRAND_H
#define DT_SEQUENCE_STRAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

#define DT_STRAND_K 8
#define DT_STRAND_KMERS (1 << 2 * DT_STRAND_K)

typedef struct {
    int16_t weight[DT_STRAND_KMERS]; /* by k-mer, 2 bits a base, A C G T, the first base highest */
} dt_strand_profile;

/* Adds the k-mers of a sequence to `counts`, or with `turned` those of its reverse complement.
 * Upper and lower case, U as T; a k-mer with any other character does not count. */
void dt_strand_count(int64_t *counts /* (DT_STRAND_KMERS) */, const char *sequence, size_t length,
                     bool turned);

/* The profile of what was counted. */
void dt_strand_profile_of(dt_strand_profile *profile, const int64_t *counts);

/* Score of a sequence: above 0 where it fits better as it is, below where its reverse complement
 * does. */
int64_t dt_strand_score(const dt_strand_profile *profile, const char *sequence, size_t length);

/* 1 where the sequence clearly is on the profile's strand, at odds of 1,000 or more by its score,
 * -1 where it clearly is on the other one, else 0. */
int dt_strand_side(const dt_strand_profile *profile, const char *sequence, size_t length);

/* Reverse-complements a sequence that clearly is on the other strand; returns whether. */
bool dt_strand_reorient(const dt_strand_profile *profile, char *sequence, size_t length);

/* Whether it is a profile: the weight of a k-mer is minus that of its reverse complement. */
bool dt_strand_profile_fits(const dt_strand_profile *profile);

/* Whether two profiles are of the same strand: what one of them finds clearly on its strand, the
 * other one tends to. */
bool dt_strand_same(const dt_strand_profile *a, const dt_strand_profile *b);

/* What is known of the strand of a set of sequences. Zero-initialise. */
typedef struct {
    dt_strand_profile *profile; /* owned; NULL: not known (files of older versions) */
    bool sorted;                /* by the profile: --orientation auto */
    int64_t reoriented;         /* sequences that were reverse-complemented then */
} dt_strand_info;

dt_status dt_strand_info_copy(dt_strand_info *to, const dt_strand_info *from);
void dt_strand_info_free(dt_strand_info *info); /* leaves it empty */

/* Reverse complement in place: the ambiguity codes, too (R and Y, K and M, B and V, D and H); upper
 * and lower case and all other characters stay as they are. U becomes A, and A becomes T. */
void dt_reverse_complement(char *sequence, size_t length);

/* ---- Sequences of both strands ------------------------------------------------------------------
 *
 * A set that should be on one strand and is not is sorted before a profile can be learnt of it.
 * The learner looks at up to 16,384 sequences, drawn evenly from all that it is given (algorithm R
 * of Vitter, ACM TOMS 11, 1985), of each at the first 4,096 bases. The longest one sets the strand;
 * profiles of the first 1, 2, 4, … sort the next as many, longest first, so that each is compared
 * with relatives; then each half is sorted by the profile of the other half, until nothing changes.
 * What fits neither strand clearly is left out. At the end the strand that most were given on is
 * kept (at a tie, that of the first): a set that is on one strand stays as it is.
 */
typedef struct dt_strand_learner dt_strand_learner;

dt_status dt_strand_learner_create(dt_strand_learner **out);
void dt_strand_learner_destroy(dt_strand_learner *learner); /* NULL is fine */

/* Gives it a sequence. */
dt_status dt_strand_learner_add(dt_strand_learner *learner, const char *sequence, size_t length);

/* The profile of the strand that most of the sequences are on; all weights 0 where there are none.
 */
void dt_strand_learner_finish(dt_strand_learner *learner, dt_strand_profile *profile);

#endif
