/* The set of a sequence's k-mers, which the model type kmer reads (docs/model.md 2): the overlapping
 * words of k bases of the forward strand. The id of a word has 2 bits a base, in the order of its
 * bases, the first one highest, with the ids of --encoding onehot (sequence/onehot.h). A word with
 * another letter than A, C, G, T is left out. */
#ifndef DT_SEQUENCE_KMER_H
#define DT_SEQUENCE_KMER_H

#include <stdint.h>

#define DT_KMER_MAX 8

/* Returns the number of words of k bases, 4^k. */
static inline int32_t dt_kmer_ids(int32_t k)
{
    return (int32_t)1 << (2 * k);
}

/* Replaces the `count` >= 1 bases at `ids` by the ids of their different words, in ascending order, or
 * by the id dt_kmer_ids(k) alone if there is no word. Returns the number of ids, 1 … count. */
int32_t dt_kmer_bag(int32_t *ids /* (count) */, int32_t count, int32_t k);

#endif
