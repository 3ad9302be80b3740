/* One nucleotide a token (`--encoding onehot`, docs/model.md 1): A, C, G and T are the ids 0 to
 * 3, which the model reads as four channels with a 1 in channel `id`; every other letter is 4,
 * zeros in all channels. U is T. A sequence has no special tokens; what is read are its first L
 * nucleotides.
 *
 * So N, the other ambiguity codes of IUPAC, and, where sequences are not normalised, lower case and
 * gap characters keep their place and say nothing of the base there.
 */
#ifndef DT_SEQUENCE_ONEHOT_H
#define DT_SEQUENCE_ONEHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How sequences become token ids: the choices of --encoding, in its order. */
#define DT_ENCODINGS "dnabert|onehot"
typedef enum { DT_ENCODING_DNABERT, DT_ENCODING_ONEHOT } dt_encoding;

#define DT_ONEHOT_CHANNELS 4
#define DT_ONEHOT_OTHER 4 /* any letter but A, C, G, T and U */
#define DT_ONEHOT_IDS 5
#define DT_ONEHOT_NAME "onehot" /* where a tokenizer would be named */

/* "dnabert", "onehot". */
const char *dt_encoding_name(dt_encoding encoding);

/* The encoding of that name; false for another. */
bool dt_encoding_named(const char *name, dt_encoding *encoding);

/* One id a byte. */
void dt_onehot_encode(uint16_t *ids /* (length) */, const char *bytes, size_t length);

#endif
