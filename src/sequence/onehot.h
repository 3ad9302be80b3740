/* One token per nucleotide (`--encoding onehot`, docs/model.md 1): A, C, G and T have the ids 0 to 3,
 * which the model reads as four channels with a 1 in channel `id`; U is T; all other letters are 4,
 * zeros in all channels. A sequence has no special tokens; its first L nucleotides are used.
 *
 * So N, the other IUPAC ambiguity codes and, if sequences are not normalised, lower case and gap
 * characters occupy a position without information about the base.
 */
#ifndef DT_SEQUENCE_ONEHOT_H
#define DT_SEQUENCE_ONEHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The choices of --encoding, in the order of dt_encoding. */
#define DT_ENCODINGS "dnabert|onehot"
typedef enum { DT_ENCODING_DNABERT, DT_ENCODING_ONEHOT } dt_encoding;

#define DT_ONEHOT_CHANNELS 4
#define DT_ONEHOT_OTHER 4 /* all letters except A, C, G, T and U */
#define DT_ONEHOT_IDS 5
#define DT_ONEHOT_NAME "onehot" /* instead of a tokenizer's name */

/* Returns "dnabert" or "onehot". */
const char *dt_encoding_name(dt_encoding encoding);

/* Finds the encoding with this name; returns false if there is none. */
bool dt_encoding_named(const char *name, dt_encoding *encoding);

/* Writes one id per byte. */
void dt_onehot_encode(uint16_t *ids /* (length) */, const char *bytes, size_t length);

#endif
