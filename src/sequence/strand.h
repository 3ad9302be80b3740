/* Strand detection: a profile of the k-mers of the training sequences distinguishes reads on their
 * strand from reads on the other one, which are then reverse-complemented.
 *
 * The weight of a k-mer x is the log odds ln((n(x) + 1) / (n(x') + 1)), where n counts occurrences
 * in the training sequences and x' is the reverse complement of x; the score of a read is the sum
 * over its k-mers (naive Bayes with equal priors). The score of the read's reverse complement is
 * the negative of that, so one pass over the read decides. With k = 8 a profile has 65,536 weights,
 * stored as whole numbers (64ths of a nat), so that a score does not depend on the order of
 * addition.
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
    int16_t
        weight[DT_STRAND_KMERS]; /* by k-mer, 2 bits per base (A C G T), the first base highest */
} dt_strand_profile;

/* Adds the k-mers of a sequence, or with `reverse` those of its reverse complement, to `counts`.
 * Ignores case, reads U as T, and skips k-mers that contain any other character. */
void dt_strand_count(int64_t *counts /* (DT_STRAND_KMERS) */, const char *sequence, size_t length,
                     bool reverse);

/* Computes the profile from counts. */
void dt_strand_profile_of(dt_strand_profile *profile, const int64_t *counts);

/* Returns the score of a sequence: > 0 if it fits better as it is, < 0 if its reverse complement
 * does. */
int64_t dt_strand_score(const dt_strand_profile *profile, const char *sequence, size_t length);

/* Returns 1 if the sequence is clearly on the profile's strand (odds of at least 1,000 by its
 * score), -1 if it is clearly on the other strand, else 0. */
int dt_strand_side(const dt_strand_profile *profile, const char *sequence, size_t length);

/* Reverse-complements a sequence that is clearly on the other strand; returns true if it did. */
bool dt_strand_reorient(const dt_strand_profile *profile, char *sequence, size_t length);

/* Returns true if the profile is valid: the weights of a k-mer and its reverse complement add up to
 * 0. */
bool dt_strand_profile_fits(const dt_strand_profile *profile);

/* Returns true if two profiles are of the same strand: their dot product is >= 0. */
bool dt_strand_same(const dt_strand_profile *a, const dt_strand_profile *b);

/* Information about the strand of a set of sequences. Zero-initialise. */
typedef struct {
    dt_strand_profile *profile; /* owned; NULL: unknown (files of older versions) */
    bool sorted;                /* --orientation auto: reoriented by the profile */
    int64_t reoriented;         /* number of sequences that were reverse-complemented */
} dt_strand_info;

dt_status dt_strand_info_copy(dt_strand_info *to, const dt_strand_info *from);
void dt_strand_info_free(dt_strand_info *info); /* leaves an empty one */

/* Reverse-complements in place, including ambiguity codes (R and Y, K and M, B and V, D and H).
 * Case and all other characters are preserved. U becomes A, and A becomes T. */
void dt_reverse_complement(char *sequence, size_t length);

/* ---- Learning the strand ---------------------------------------------------------------------
 *
 * If a set contains sequences on both strands, they must be sorted before a profile can be learnt.
 * The learner uses up to 16,384 sequences, sampled uniformly from all that it receives (algorithm R
 * of Vitter, ACM TOMS 11, 1985), and the first 4,096 bases of each. The longest one defines the
 * strand; then profiles of the first 1, 2, 4, … sequences, longest first, sort as many further
 * ones, so that each is compared with relatives. Afterwards each half is sorted by the profile of
 * the other half, until nothing changes. Sequences that fit neither strand clearly are left out.
 * The result is the strand on which most sequences were given (at a tie, that of the first one): a
 * set on one strand stays as it is.
 */
typedef struct dt_strand_learner dt_strand_learner;

dt_status dt_strand_learner_create(dt_strand_learner **out);
void dt_strand_learner_destroy(dt_strand_learner *learner); /* NULL is allowed */

/* Adds a sequence. */
dt_status dt_strand_learner_add(dt_strand_learner *learner, const char *sequence, size_t length);

/* Computes the profile of the strand of the majority of the sequences; all weights are 0 if there
 * are none. */
void dt_strand_learner_finish(dt_strand_learner *learner, dt_strand_profile *profile);

#endif
