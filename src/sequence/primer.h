/* PCR primers in the IUPAC alphabet, the primer pairs of usual amplicons, and the search for both
 * primers in a sequence: PCR in the computer.
 *
 * A primer binds where at most `most_mismatches` of its bases differ. A base of the sequence matches
 * a code of the primer if all bases that it can stand for are among those of the code: A matches R
 * (A or G), N matches only N. Insertions and deletions are not considered.
 */
#ifndef DT_SEQUENCE_PRIMER_H
#define DT_SEQUENCE_PRIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

#define DT_MAX_PRIMER 64
#define DT_MAX_MISMATCHES 7

/* The primers of an amplicon, both from 5' to 3'. */
typedef struct {
    const char *name; /* "V4" */
    const char *forward, *reverse;
    const char *source; /* the names of the primers and where they were published */
} dt_region;

extern const dt_region dt_regions[]; /* ends with a name of NULL */

/* Returns the region of this name, ignoring case and '-'; NULL if there is none. */
const dt_region *dt_region_find(const char *name);

/* The primers that a model's training sequences were cut out with, in upper case. */
typedef struct {
    char region[8];                  /* name of the region; "": the primers were given */
    char forward[DT_MAX_PRIMER + 1]; /* "": none, whole sequences or unknown */
    char reverse[DT_MAX_PRIMER + 1];
} dt_primers;

/* Sets the primers of the region with this name or, if it is NULL, those given; all NULL: none.
 * DT_ERR_USAGE as dt_primer_search_create(), for an unknown region and for one primer alone. */
dt_status dt_primers_choose(dt_primers *primers, const char *region, const char *forward,
                            const char *reverse);

/* What to find. Immutable after dt_primer_search_create(): threads may share it. */
typedef struct dt_primer_search dt_primer_search;

enum { DT_STRAND_FORWARD = 1, DT_STRAND_REVERSE = 2, DT_STRAND_BOTH = 3 };

typedef struct {
    const char *forward, *reverse; /* primers, from 5' to 3', in upper or lower case */
    int most_mismatches[2]; /* of the forward and the reverse primer, at most DT_MAX_MISMATCHES and
                               less than their lengths */
    int strands;            /* on which the primers are looked for */
} dt_primer_pair;

/* DT_ERR_USAGE: a primer is empty, longer than DT_MAX_PRIMER, has a character that is no IUPAC code,
 * or no more bases than mismatches. */
dt_status dt_primer_search_create(dt_primer_search **out, const dt_primer_pair *pair);
void dt_primer_search_destroy(dt_primer_search *search); /* NULL is allowed */

/* The defaults: share of a primer's bases that match, and bases of an amplicon, at least. */
#define DT_PRIMER_IDENTITY 0.8
#define DT_AMPLICON_MIN_LENGTH 50

/* Returns the mismatches that an identity allows in a primer. */
int dt_primer_mismatches(const char *primer, double identity);

/* Creates the search on both strands, with the default identity. */
dt_status dt_primers_search(const dt_primers *primers, dt_primer_search **out);

typedef enum {
    DT_AMPLICON_FOUND,
    DT_AMPLICON_NO_FORWARD, /* only the reverse primer was found */
    DT_AMPLICON_NO_REVERSE,
    DT_AMPLICON_NO_PRIMER,
    DT_AMPLICON_ORDER, /* both were found on a strand, but the reverse one not behind the other */
    DT_AMPLICON_TOO_SHORT, /* dt_cut.min_length */
    DT_AMPLICON_TOO_LONG,  /* dt_cut.max_length */
    DT_AMPLICON_RESULTS
} dt_amplicon_result;

/* Positions are 0 … length of the sequence as it was given. */
typedef struct {
    dt_amplicon_result result;
    bool reversed;             /* found on the other strand */
    int mismatches[2];         /* of the forward and the reverse primer */
    size_t outer[2], inner[2]; /* begin and end with and without the primers */
} dt_amplicon;

/* Finds the amplicon in a sequence without gaps, in upper or lower case. Of several places the one
 * with the fewest mismatches in total counts, of equal ones the shortest, then the first, and the
 * forward strand before the other. */
dt_amplicon dt_primers_find(const dt_primer_search *search, const char *sequence, size_t length);

/* What becomes of an amplicon. */
typedef struct {
    const dt_primer_search *search;
    bool find_only; /* change nothing */
    bool keep_primers;
    int64_t min_length, max_length; /* of an amplicon as it is cut out; max_length 0: no limit */
    int64_t trunc_length;           /* longer ones are cut to this length at the end; 0: none */
} dt_cut;

/* Replaces a sequence of *length bases by its amplicon, on the forward strand, and sets *length. The
 * sequence is unchanged if the result is not DT_AMPLICON_FOUND, or with find_only. */
dt_amplicon dt_cut_amplicon(const dt_cut *cut, char *sequence, size_t *length);

#endif
