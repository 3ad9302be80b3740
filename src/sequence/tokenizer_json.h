/* tokenizer.json, the file of the Hugging Face `tokenizers` library: read and written.
 *
 * Read is what the file says of a BPE tokenizer: `vocab`, `merges` (strings "A B" or pairs ["A",
 * "B"]), `unk_token`, `fuse_unk`, the pre-tokenizer (Whitespace, WhitespaceSplit or none), the
 * added tokens and TemplateProcessing for a single sequence. The padding token is the one of the
 * `padding` section, else [PAD], else <pad>, else none. Not used are the decoder and, with a
 * notice, the sections `truncation` and `padding`: the length is the caller's to choose, as in
 * Python's transformers.
 *
 * Everything that would make other tokens of the same text is refused by its name: another model
 * type, a normalizer, another pre-tokenizer or post-processor, dropout, byte_fallback,
 * ignore_merges, continuing_subword_prefix, end_of_word_suffix, and added tokens with single_word,
 * lstrip or rstrip.
 */
#ifndef DT_SEQUENCE_TOKENIZER_JSON_H
#define DT_SEQUENCE_TOKENIZER_JSON_H

#include <stddef.h>

#include "core/status.h"
#include "sequence/tokenizer.h"

/* Reads the file. *json receives its whole text but for a UTF-8 byte-order mark, '\0' at the end,
 * the caller's to free(); it may be NULL. Errors name the file. */
dt_status dt_tokenizer_read(const char *path, dt_tokenizer **tokenizer, char **json);

/* The same from `length` bytes of text; `name` stands for it in messages. DT_ERR_INPUT where it is
 * no JSON (cut short, binary) or not a tokenizer that is supported. */
dt_status dt_tokenizer_from_json(const char *json, size_t length, const char *name,
                                 dt_tokenizer **out);

/* Writes a spec (of a learnt tokenizer: dt_bpe_spec()) as such a text, the caller's to free().
 * `tokenizers` reads it, and so does dt_tokenizer_from_json(); merges are written as strings, as
 * pairs only where a token holds a blank. */
dt_status dt_tokenizer_to_json(const dt_tokenizer_spec *spec, char **json);

#endif
