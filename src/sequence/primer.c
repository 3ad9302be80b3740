#include "sequence/primer.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "sequence/strand.h"

/* ---- primers --------------------------------------------------------------------------------- */

const dt_region dt_regions[] = {
    {"V1V2", "AGAGTTTGATCMTGGCTCAG", "TGCTGCCTCCCGTAGGAGT", "27F, 338R; Fierer et al., PNAS 2008"},
    {"V1V3", "AGAGTTTGATCCTGGCTCAG", "ATTACCGCGGCTGCTGG",
     "27F, 534R; Jumpstart Consortium of the Human Microbiome Project, PLoS ONE 2012"},
    {"V3V4", "CCTACGGGNGGCWGCAG", "GACTACHVGGGTATCTAATCC",
     "341F, 805R; Klindworth et al., Nucleic Acids Research 2013"},
    {"V4", "GTGYCAGCMGCCGCGGTAA", "GGACTACNVGGGTWTCTAAT",
     "515F, 806R; Parada et al., Environmental Microbiology 2016, Apprill et al., Aquatic "
     "Microbial "
     "Ecology 2015"},
    {"V4V5", "GTGYCAGCMGCCGCGGTAA", "CCGYCAATTYMTTTRAGTTT",
     "515F, 926R; Parada et al., Environmental Microbiology 2016"},
    {"V1V9", "AGRGTTYGATYMTGGCTCAG", "RGYTACCTTGTTACGACTT",
     "27F, 1492R; Callahan et al., Nucleic Acids Research 2019"},
    {0},
};

const dt_region *dt_region_find(const char *name)
{
    for (const dt_region *region = dt_regions; region->name; ++region) {
        const char *a = name;
        const char *b = region->name;
        while (*a && (*a == '-' || toupper((unsigned char)*a) == *b))
            b += *a++ != '-';
        if (!*a && !*b)
            return region;
    }
    return NULL;
}

/* The bases of an IUPAC code: A 1, C 2, G 4, T and U 8. */
static const uint8_t bases_of[256] = {
    ['A'] = 1, ['C'] = 2,  ['G'] = 4, ['T'] = 8,  ['U'] = 8,  ['R'] = 5,  ['Y'] = 10, ['S'] = 6,
    ['W'] = 9, ['K'] = 12, ['M'] = 3, ['B'] = 14, ['D'] = 13, ['H'] = 11, ['V'] = 7,  ['N'] = 15};

static uint8_t bases(char code)
{
    return bases_of[toupper((unsigned char)code)];
}

static dt_status check_primer(const char *which, const char *primer, int most_mismatches)
{
    const size_t length = strlen(primer);
    if (length == 0 || length > DT_MAX_PRIMER)
        return dt_fail(DT_ERR_USAGE, "the %s primer '%.80s' must have 1 to %d bases", which, primer,
                       DT_MAX_PRIMER);
    for (size_t i = 0; i < length; ++i)
        if (!bases(primer[i]))
            return dt_fail(DT_ERR_USAGE,
                           "the %s primer '%s' contains '%c', which is no IUPAC code of bases",
                           which, primer, primer[i] >= ' ' && primer[i] <= '~' ? primer[i] : '?');
    if (most_mismatches < 0 || most_mismatches > DT_MAX_MISMATCHES)
        return dt_fail(DT_ERR_USAGE, "%d mismatches in the %s primer: must be 0 to %d",
                       most_mismatches, which, DT_MAX_MISMATCHES);
    if ((size_t)most_mismatches >= length)
        return dt_fail(DT_ERR_USAGE, "%d mismatches in the %s primer '%s' of %zu bases: too many",
                       most_mismatches, which, primer, length);
    return DT_OK;
}

/* ---- search ----------------------------------------------------------------------------------------
 *
 * Four patterns are looked for at once: the forward primer and the reverse complement of the reverse
 * one, which are the ends of an amplicon on the forward strand, and the reverse primer and the
 * reverse complement of the forward one, those of an amplicon on the other strand.
 *
 * A pattern has one counter for each of its positions: the mismatches of the alignment in which that
 * position is at the current base (Baeza-Yates and Gonnet, "A new approach to text searching",
 * Communications of the ACM 1992). A base moves each counter by one position and adds 1 where it
 * differs from the pattern. The counters are bit slices, three words that have a bit for each
 * position; they begin at 7 - most_mismatches, so that one mismatch too many is an overflow, which
 * is kept in a fourth word. The last position is the highest bit.
 */

enum { FORWARD, REVERSE_RC, REVERSE, FORWARD_RC, PATTERNS };
enum { SLICES = 3 };

typedef uint64_t words __attribute__((vector_size(8 * PATTERNS)));

struct dt_primer_search {
    int32_t length[PATTERNS];
    int most_mismatches[PATTERNS];
    int strands;
    words start[SLICES]; /* the first position's counter at its beginning */
    words positions;     /* 1 at the positions of a pattern */
    words differs[256];  /* by character: 1 at the positions that do not match it */
};

static void set_pattern(dt_primer_search *search, int p, const char *primer, bool complement,
                        int most_mismatches)
{
    char text[DT_MAX_PRIMER + 1];
    const int32_t length = (int32_t)strlen(primer);
    memcpy(text, primer, (size_t)length);
    if (complement)
        dt_reverse_complement(text, (size_t)length);
    search->length[p] = length;
    search->most_mismatches[p] = most_mismatches;
    search->positions[p] = ~UINT64_C(0) << (64 - length);
    for (int32_t i = 0; i < length; ++i) {
        const uint64_t bit = UINT64_C(1) << (64 - length + i);
        for (int c = 0; c < 256; ++c) {
            const uint8_t base = bases((char)c);
            if (base == 0 || (base & ~bases(text[i])) != 0)
                search->differs[c][p] |= bit;
        }
    }
    for (int s = 0; s < SLICES; ++s)
        if ((DT_MAX_MISMATCHES - most_mismatches) >> s & 1)
            search->start[s][p] = UINT64_C(1) << (64 - length);
}

dt_status dt_primer_search_create(dt_primer_search **out, const dt_primer_pair *pair)
{
    dt_primer_search *search;
    DT_TRY(check_primer("forward", pair->forward, pair->most_mismatches[0]));
    DT_TRY(check_primer("reverse", pair->reverse, pair->most_mismatches[1]));
    search = aligned_alloc(sizeof(words), sizeof *search);
    if (!search)
        return dt_fail(DT_ERR_MEMORY, "no memory for a primer search");
    memset(search, 0, sizeof *search);
    search->strands = pair->strands;
    set_pattern(search, FORWARD, pair->forward, false, pair->most_mismatches[0]);
    set_pattern(search, REVERSE_RC, pair->reverse, true, pair->most_mismatches[1]);
    set_pattern(search, REVERSE, pair->reverse, false, pair->most_mismatches[1]);
    set_pattern(search, FORWARD_RC, pair->forward, true, pair->most_mismatches[0]);
    *out = search;
    return DT_OK;
}

void dt_primer_search_destroy(dt_primer_search *search)
{
    free(search);
}

int dt_primer_mismatches(const char *primer, double identity)
{
    return (int)floor((1.0 - identity) * (double)strlen(primer) + 1e-9);
}

static dt_status search_for(const char *forward, const char *reverse, dt_primer_search **out)
{
    return dt_primer_search_create(
        out,
        &(dt_primer_pair){.forward = forward,
                          .reverse = reverse,
                          .most_mismatches = {dt_primer_mismatches(forward, DT_PRIMER_IDENTITY),
                                              dt_primer_mismatches(reverse, DT_PRIMER_IDENTITY)},
                          .strands = DT_STRAND_BOTH});
}

dt_status dt_primers_search(const dt_primers *primers, dt_primer_search **out)
{
    return search_for(primers->forward, primers->reverse, out);
}

static void copy_primer(char *to, const char *from)
{
    for (size_t i = 0; i <= strlen(from); ++i)
        to[i] = (char)toupper((unsigned char)from[i]);
}

dt_status dt_primers_choose(dt_primers *primers, const char *region, const char *forward,
                            const char *reverse)
{
    const dt_region *known = region ? dt_region_find(region) : NULL;
    dt_primer_search *search = NULL;
    *primers = (dt_primers){0};
    if (region && !known)
        return dt_fail(DT_ERR_USAGE, "'%.40s' is no region", region);
    if (known) {
        snprintf(primers->region, sizeof primers->region, "%s", known->name);
        forward = known->forward;
        reverse = known->reverse;
    }
    if (!forward && !reverse)
        return DT_OK;
    if (!forward || !reverse)
        return dt_fail(DT_ERR_USAGE, "one primer alone: both are needed");
    DT_TRY(search_for(forward, reverse, &search));
    dt_primer_search_destroy(search);
    copy_primer(primers->forward, forward);
    copy_primer(primers->reverse, reverse);
    return DT_OK;
}

/* ---- pairs of places ------------------------------------------------------------------------------ */

typedef struct {
    size_t end; /* behind the last base */
    int mismatches;
} place;

/* The two ends of amplicons on one strand. */
typedef struct {
    place waiting[DT_MAX_PRIMER]; /* first ends that may still overlap with the second end */
    int waiting_count;
    bool found[2]; /* any place of either end */
    place first;   /* the best one that ends before the second end begins; of equals the last */
    bool has_first;
    bool has_pair;
    place best[2]; /* the best pair so far */
} strand;

/* Makes places that end at or before `position` first ends of later second ones. */
static void settle(strand *s, size_t position)
{
    int left = 0;
    for (int i = 0; i < s->waiting_count; ++i) {
        const place *p = &s->waiting[i];
        if (p->end > position) {
            s->waiting[left++] = *p;
        } else if (!s->has_first || p->mismatches <= s->first.mismatches) {
            s->first = *p;
            s->has_first = true;
        }
    }
    s->waiting_count = left;
}

static void add_first(strand *s, place p, int32_t length_of_second)
{
    settle(s, p.end > (size_t)length_of_second ? p.end - (size_t)length_of_second : 0);
    s->waiting[s->waiting_count++] = p;
    s->found[0] = true;
}

static void add_second(strand *s, place p, int32_t length)
{
    settle(s, p.end - (size_t)length);
    s->found[1] = true;
    if (!s->has_first)
        return;
    const int total = s->first.mismatches + p.mismatches;
    const int best = s->best[0].mismatches + s->best[1].mismatches;
    if (!s->has_pair || total < best ||
        (total == best && p.end - s->first.end < s->best[1].end - s->best[0].end)) {
        s->best[0] = s->first;
        s->best[1] = p;
        s->has_pair = true;
    }
}

/* ---- one sequence --------------------------------------------------------------------------------- */

static void note(const dt_primer_search *search, strand *strands, int pattern, place p)
{
    strand *s = &strands[pattern / 2];
    const int32_t length = search->length[pattern];
    if (pattern % 2 == 0)
        add_first(s, p, search->length[pattern + 1]);
    else
        add_second(s, p, length);
}

static void walk(const dt_primer_search *search, const char *sequence, size_t length,
                 strand *strands)
{
    words count[SLICES] = {{0}};
    words over = search->positions; /* alignments that begin before the sequence */
    for (size_t i = 0; i < length; ++i) {
        words carry = search->differs[(unsigned char)sequence[i]];
        for (int s = 0; s < SLICES; ++s) {
            const words moved = count[s] << 1 | search->start[s];
            count[s] = moved ^ carry;
            carry &= moved;
        }
        over = over << 1 | carry;
        if ((over[0] & over[1] & over[2] & over[3]) >> 63)
            continue;
        for (int p = 0; p < PATTERNS; ++p)
            if (!(over[p] >> 63)) {
                int counted = 0;
                for (int s = 0; s < SLICES; ++s)
                    counted |= (int)(count[s][p] >> 63) << s;
                counted -= DT_MAX_MISMATCHES - search->most_mismatches[p];
                note(search, strands, p, (place){i + 1, counted});
            }
    }
}

/* The reason why there is no pair, by which primers are there on a strand that counts. */
static dt_amplicon_result missing(const dt_primer_search *search, const strand *strands)
{
    bool any[2] = {false, false}; /* forward and reverse primer */
    for (int s = 0; s < 2; ++s) {
        if (!(search->strands >> s & 1))
            continue;
        if (strands[s].found[0] && strands[s].found[1])
            return DT_AMPLICON_ORDER;
        any[s] |= strands[s].found[0];
        any[1 - s] |= strands[s].found[1];
    }
    return any[0]   ? DT_AMPLICON_NO_REVERSE
           : any[1] ? DT_AMPLICON_NO_FORWARD
                    : DT_AMPLICON_NO_PRIMER;
}

static int total(const strand *s)
{
    return s->best[0].mismatches + s->best[1].mismatches;
}

dt_amplicon dt_primers_find(const dt_primer_search *search, const char *sequence, size_t length)
{
    strand strands[2] = {{.waiting_count = 0}, {.waiting_count = 0}};
    dt_amplicon found = {0};
    walk(search, sequence, length, strands);
    const bool pair[2] = {strands[0].has_pair && search->strands & DT_STRAND_FORWARD,
                          strands[1].has_pair && search->strands & DT_STRAND_REVERSE};
    if (!pair[0] && !pair[1]) {
        found.result = missing(search, strands);
        return found;
    }
    const size_t s = !pair[0] || (pair[1] && total(&strands[1]) < total(&strands[0]));
    const place *ends = strands[s].best;
    found.reversed = s == 1;
    found.mismatches[0] = ends[s].mismatches;
    found.mismatches[1] = ends[1 - s].mismatches;
    found.inner[0] = ends[0].end;
    found.inner[1] = ends[1].end - (size_t)search->length[2 * s + 1];
    found.outer[0] = ends[0].end - (size_t)search->length[2 * s];
    found.outer[1] = ends[1].end;
    return found;
}

dt_amplicon dt_cut_amplicon(const dt_cut *cut, char *sequence, size_t *length)
{
    dt_amplicon found = dt_primers_find(cut->search, sequence, *length);
    const size_t *part = cut->keep_primers ? found.outer : found.inner;
    if (found.result != DT_AMPLICON_FOUND)
        return found;
    size_t bases = part[1] - part[0];
    if ((int64_t)bases < cut->min_length)
        found.result = DT_AMPLICON_TOO_SHORT;
    else if (cut->max_length > 0 && (int64_t)bases > cut->max_length)
        found.result = DT_AMPLICON_TOO_LONG;
    if (found.result != DT_AMPLICON_FOUND || cut->find_only)
        return found;
    memmove(sequence, sequence + part[0], bases);
    if (found.reversed)
        dt_reverse_complement(sequence, bases);
    if (cut->trunc_length > 0 && (int64_t)bases > cut->trunc_length)
        bases = (size_t)cut->trunc_length;
    *length = bases;
    return found;
}
