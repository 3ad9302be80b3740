#include "eval/auc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

#define DIGIT_BITS 11
#define DIGITS (1 << DIGIT_BITS)

/* The input and the working memory, shared by all labels. */
typedef struct {
    const float *probability; /* (count, classes) */
    const int32_t *truth;
    int64_t count;
    int32_t classes;
    int64_t *support; /* (classes) */
    double *sum;      /* (count) row sums over the labels that occur in the truth */
    uint64_t *key;    /* (count) score, and in the lowest bit whether the label is true */
    uint64_t *sorted; /* (count) working memory */
} auc_input;

/* Sorts the keys in ascending order (LSD radix sort). */
static void sort_keys(auc_input *in)
{
    for (int shift = 0; shift < 64; shift += DIGIT_BITS) {
        int64_t start[DIGITS + 1] = {0};
        for (int64_t i = 0; i < in->count; ++i)
            start[(in->key[i] >> shift & (DIGITS - 1)) + 1]++;
        for (int d = 0; d < DIGITS; ++d)
            start[d + 1] += start[d];
        for (int64_t i = 0; i < in->count; ++i)
            in->sorted[start[in->key[i] >> shift & (DIGITS - 1)]++] = in->key[i];
        uint64_t *const other = in->key;
        in->key = in->sorted;
        in->sorted = other;
    }
}

/* The bit patterns of doubles >= 0 are ordered like their values; the lowest bit is the truth. */
static uint64_t key_of(double score, int is_true)
{
    uint64_t bits;
    memcpy(&bits, &score, sizeof bits);
    return bits << 1 | (uint64_t)is_true;
}

/* Returns the fraction of (true, not true) pairs in which the true one has the higher score; ties
 * count half. */
static double area(auc_input *in, int32_t label)
{
    for (int64_t i = 0; i < in->count; ++i) {
        const double p = (double)in->probability[i * in->classes + label];
        in->key[i] = key_of(in->sum[i] > 0.0 ? p / in->sum[i] : p, in->truth[i] == label);
    }
    sort_keys(in);
    double won = 0.0;
    int64_t below = 0; /* not true, with a lower score */
    for (int64_t i = 0; i < in->count;) {
        int64_t equal[2] = {0, 0};
        const uint64_t score = in->key[i] >> 1;
        for (; i < in->count && in->key[i] >> 1 == score; ++i)
            equal[in->key[i] & 1]++;
        won += (double)equal[1] * ((double)below + 0.5 * (double)equal[0]);
        below += equal[0];
    }
    return won / ((double)in->support[label] * (double)(in->count - in->support[label]));
}

static double weighted_area(auc_input *in)
{
    int32_t labels = 0;
    int32_t last = 0;
    for (int32_t c = 0; c < in->classes; ++c) {
        if (!in->support[c])
            continue;
        labels++;
        last = c;
        for (int64_t i = 0; i < in->count; ++i)
            in->sum[i] += (double)in->probability[i * in->classes + c];
    }
    if (labels < 2)
        return (double)NAN;
    if (labels == 2)
        return area(in, last);
    double sum = 0.0;
    for (int32_t c = 0; c < in->classes; ++c)
        if (in->support[c])
            sum += (double)in->support[c] * area(in, c);
    return sum / (double)in->count;
}

dt_status dt_auc(double *auc, const float *probability, const int32_t *truth, int64_t count,
                 int32_t classes)
{
    auc_input in = {.probability = probability, .truth = truth, .count = count, .classes = classes};
    dt_status status;
    DT_TRY_OR(done, DT_NEW(in.support, (size_t)classes));
    DT_TRY_OR(done, DT_NEW(in.sum, (size_t)count));
    DT_TRY_OR(done, DT_NEW(in.key, (size_t)count));
    DT_TRY_OR(done, DT_NEW(in.sorted, (size_t)count));
    for (int64_t i = 0; i < count; ++i)
        in.support[truth[i]]++;
    *auc = weighted_area(&in);
done:
    free(in.support);
    free(in.sum);
    free(in.key);
    free(in.sorted);
    return status;
}
