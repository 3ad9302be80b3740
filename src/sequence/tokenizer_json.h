/* Reads and writes tokenizer.json, the file format of the Hugging Face `tokenizers` library.
 *
 * Of a BPE tokenizer it reads `vocab`, `merges` (strings "A B" or pairs ["A", "B"]), `unk_token`,
 * `fuse_unk`, the pre-tokenizer (Whitespace, WhitespaceSplit or none), the added tokens, and
 * TemplateProcessing for a single sequence. The padding token is that of the `padding` section,
 * else [PAD], else <pad>, else none. The decoder is ignored; so are the sections `truncation` and
 * `padding`: the caller chooses the length, as in Python's transformers. dt_tokenizer_read() says so.
 *
 * Anything else that would change the tokens of a text is rejected by name: another model type, a
 * normalizer, another pre-tokenizer or post-processor, dropout, byte_fallback, ignore_merges,
 * continuing_subword_prefix, end_of_word_suffix, and added tokens with single_word, lstrip or
 * rstrip.
 */
#ifndef DT_SEQUENCE_TOKENIZER_JSON_H
#define DT_SEQUENCE_TOKENIZER_JSON_H

#include <stddef.h>

#include "core/status.h"
#include "sequence/tokenizer.h"

/* Reads the file. *json, if not NULL, receives its text without a UTF-8 byte-order mark,
 * '\0'-terminated; the caller frees it. Errors name the file. */
dt_status dt_tokenizer_read(const char *path, dt_tokenizer **tokenizer, char **json);

/* Reads the same from `length` bytes of text; `name` is the file's name for messages. DT_ERR_INPUT
 * if it is not valid JSON (truncated, binary) or not a supported tokenizer. */
dt_status dt_tokenizer_from_json(const char *json, size_t length, const char *name,
                                 dt_tokenizer **out);

/* Converts a spec (of a learnt tokenizer: dt_bpe_spec()) to this format; the caller frees *json.
 * Both `tokenizers` and dt_tokenizer_from_json() can read it. Merges are written as strings, or as
 * pairs if a token contains a blank. */
dt_status dt_tokenizer_to_json(const dt_tokenizer_spec *spec, char **json);

#endif
