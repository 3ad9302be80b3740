/* The letters that tokens stand for: the inverse of tokenising, as far as it can be inverted. Upper
 * case, the unknown token and what is no letter become N: an unknown token may stand for several
 * letters, so that what follows an N may be moved. */
#ifndef DT_SEQUENCE_DECODE_H
#define DT_SEQUENCE_DECODE_H

#include <stdint.h>

#include "core/memory.h"
#include "core/status.h"
#include "sequence/tokenizer.h"

typedef struct dt_decoder dt_decoder;

/* The tokenizer must outlive the decoder. */
dt_status dt_decoder_create(dt_decoder **out, const dt_tokenizer *tokenizer);
void dt_decoder_destroy(dt_decoder *decoder); /* NULL is allowed */

/* Sets `out` to the letters of a whole sequence, with its prefix and suffix (dt_encoder_encode()),
 * which have none. DT_ERR_INPUT for an id that is not in the vocabulary. */
dt_status dt_decoder_decode(const dt_decoder *decoder, const uint16_t *tokens, int64_t count,
                            dt_text *out);

#endif
