#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/philox.h"
#include "sequence/strand.h"

#define SAMPLE 16384   /* sequences */
#define MAX_BASES 4096 /* of one sequence */
#define MAX_ROUNDS 10  /* of sorting each half by the other half's profile */
#define HALVES 2

/* A sequence of the sample. */
typedef struct {
    char *bases;
    size_t length;
    int64_t number; /* in input order */
    int side;       /* 1: same strand as the longest, -1: the other, 0: unclear */
} sampled;

struct dt_strand_learner {
    int64_t given; /* sequences added so far */
    int64_t count; /* sequences in the sample */
    sampled sample[SAMPLE];
    int64_t counts[HALVES][DT_STRAND_KMERS];
    int64_t all[DT_STRAND_KMERS];
    dt_strand_profile profile[HALVES];
};

dt_status dt_strand_learner_create(dt_strand_learner **out)
{
    dt_strand_learner *learner;
    DT_TRY(DT_NEW(learner, 1));
    *out = learner;
    return DT_OK;
}

void dt_strand_learner_destroy(dt_strand_learner *learner)
{
    if (!learner)
        return;
    for (int64_t i = 0; i < learner->count; ++i)
        free(learner->sample[i].bases);
    free(learner);
}

/* Returns the sample slot of the next sequence; SAMPLE: none. */
static int64_t draw_place(const dt_strand_learner *learner)
{
    if (learner->given < SAMPLE)
        return learner->given;
    const uint32_t drawn =
        dt_draw_below((uint32_t)learner->given + 1, 0, dt_stream(DT_DRAW_SAMPLE, 0, 0),
                      (uint32_t)learner->given, 0, 0);
    return drawn < SAMPLE ? drawn : SAMPLE;
}

dt_status dt_strand_learner_add(dt_strand_learner *learner, const char *sequence, size_t length)
{
    const int64_t place = draw_place(learner);
    const size_t kept = length < MAX_BASES ? length : MAX_BASES;
    const int64_t number = learner->given++;
    if (place == SAMPLE)
        return DT_OK;
    sampled *s = &learner->sample[place];
    char *bases = realloc(s->bases, kept + 1);
    if (!bases)
        return dt_fail(DT_ERR_MEMORY,
                       "out of memory for the sequences from which the strand is learnt");
    memcpy(bases, sequence, kept);
    *s = (sampled){.bases = bases, .length = kept, .number = number};
    if (place == learner->count)
        learner->count++;
    return DT_OK;
}

/* ---- sorting --------------------------------------------------------------------------------- */

/* Longest first; of equal lengths, in input order. */
static int by_length(const void *a, const void *b)
{
    const sampled *x = a;
    const sampled *y = b;
    if (x->length != y->length)
        return x->length < y->length ? 1 : -1;
    return (x->number > y->number) - (x->number < y->number);
}

static void add_counts(int64_t *counts, const sampled *s)
{
    if (s->side != 0)
        dt_strand_count(counts, s->bases, s->length, s->side < 0);
}

static int side_of(const dt_strand_profile *profile, const sampled *s)
{
    return dt_strand_side(profile, s->bases, s->length);
}

/* Sorts each sequence by the profile of those before it, in batches that double in size. */
static void sort_greedily(dt_strand_learner *learner)
{
    int64_t *counts = learner->all;
    memset(counts, 0, sizeof learner->all);
    learner->sample[0].side = 1;
    add_counts(counts, &learner->sample[0]);
    for (int64_t done = 1; done < learner->count;) {
        const int64_t end = 2 * done < learner->count ? 2 * done : learner->count;
        dt_strand_profile_of(&learner->profile[0], counts);
        for (; done < end; ++done) {
            sampled *s = &learner->sample[done];
            s->side = side_of(&learner->profile[0], s);
            add_counts(counts, s);
        }
    }
}

/* Sorts each half by the profile of the other half, so that no sequence influences its own side;
 * returns true if any side changes. */
static bool sort_halves(dt_strand_learner *learner)
{
    bool changed = false;
    memset(learner->counts, 0, sizeof learner->counts);
    for (int64_t i = 0; i < learner->count; ++i)
        add_counts(learner->counts[i % HALVES], &learner->sample[i]);
    for (int h = 0; h < HALVES; ++h)
        dt_strand_profile_of(&learner->profile[h], learner->counts[h]);
    for (int64_t i = 0; i < learner->count; ++i) {
        sampled *s = &learner->sample[i];
        const int side = side_of(&learner->profile[(i + 1) % HALVES], s);
        changed = changed || side != s->side;
        s->side = side;
    }
    return changed;
}

/* Returns true if the strand of the longest sequence is not the majority's. */
static bool is_other_strand(const dt_strand_learner *learner)
{
    const sampled *first = NULL; /* in input order */
    int64_t sum = 0;
    for (int64_t i = 0; i < learner->count; ++i) {
        const sampled *s = &learner->sample[i];
        sum += s->side;
        if (s->side != 0 && (!first || s->number < first->number))
            first = s;
    }
    return sum < 0 || (sum == 0 && first && first->side < 0);
}

void dt_strand_learner_finish(dt_strand_learner *learner, dt_strand_profile *profile)
{
    memset(learner->all, 0, sizeof learner->all);
    if (learner->count > 0) {
        qsort(learner->sample, (size_t)learner->count, sizeof *learner->sample, by_length);
        sort_greedily(learner);
        for (int round = 0; round < MAX_ROUNDS && sort_halves(learner); ++round)
            ;
    }
    const bool other = is_other_strand(learner);
    memset(learner->all, 0, sizeof learner->all);
    for (int64_t i = 0; i < learner->count; ++i) {
        sampled *s = &learner->sample[i];
        s->side = other ? -s->side : s->side;
        add_counts(learner->all, s);
    }
    dt_strand_profile_of(profile, learner->all);
}
