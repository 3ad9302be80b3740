/* UTF-8 (RFC 3629), the encoding of all texts that the program writes: JSON, tables, HDF5,
 * train.log.
 *
 * Ids and labels that are not UTF-8 are rejected when they are read. Other external texts (file
 * names, flags) are used unchanged, and converted to valid UTF-8 when they are written. */
#ifndef DT_CORE_UTF8_H
#define DT_CORE_UTF8_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

#define DT_REPLACEMENT_CHAR 0xFFFDu

/* Decodes the character at bytes[0] (length >= 1) into *code and returns its length, 1 to 4 bytes.
 * A byte that begins no valid character (a stray byte, an overlong form, a surrogate, a code above
 * U+10FFFF, a truncated character) is decoded on its own as U+FFFD. */
size_t dt_utf8_next(const char *bytes, size_t length, uint32_t *code);

/* Returns the number of leading bytes that are valid UTF-8: `length` if all are. */
size_t dt_utf8_valid(const char *bytes, size_t length);

/* Sets *out to a copy of `text` in which each byte that is not UTF-8 is replaced by U+FFFD; the
 * caller frees it. */
dt_status dt_utf8_copy(char **out, const char *text);

/* Formats bytes for a message: at most 40, unprintable ones as '?', followed by "..." if there are
 * more. Returns `out`. */
#define DT_EXCERPT_SIZE 48
const char *dt_excerpt(char out[DT_EXCERPT_SIZE], const char *bytes, size_t length);

#endif
