/* UTF-8 (RFC 3629), which all texts are that the program writes: JSON, tables, HDF5, train.log.
 *
 * Ids and labels that are not UTF-8 are refused where they are read. What else comes from outside
 * (names of files, flags) is used as it is, and made UTF-8 where it is written down. */
#ifndef DT_CORE_UTF8_H
#define DT_CORE_UTF8_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

#define DT_REPLACEMENT_CHAR 0xFFFDu

/* Reads the character that begins at bytes[0] (length >= 1) into *code and returns its bytes, 1 to
 * 4. A byte that begins no valid character (a stray one, an overlong form, a surrogate, a code
 * above U+10FFFF, a character that is cut off) counts alone, as U+FFFD. */
size_t dt_utf8_next(const char *bytes, size_t length, uint32_t *code);

/* Bytes of valid UTF-8 that the text begins with: `length` when all are. */
size_t dt_utf8_valid(const char *bytes, size_t length);

/* *out: a copy of `text`, the caller's to free(), each byte that is not UTF-8 replaced by U+FFFD.
 */
dt_status dt_utf8_copy(char **out, const char *text);

#endif
