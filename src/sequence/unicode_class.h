/* Characters of UTF-8 text and the three kinds that cut it into words: what the regular expressions
 * \w (UTS 18: alphabetic, mark, decimal number, connector punctuation, join control) and \s
 * (White_Space) match. */
#ifndef DT_SEQUENCE_UNICODE_CLASS_H
#define DT_SEQUENCE_UNICODE_CLASS_H

#include <stddef.h>
#include <stdint.h>

typedef enum { DT_CHAR_SPACE, DT_CHAR_WORD, DT_CHAR_OTHER } dt_char_kind;

#define DT_REPLACEMENT_CHAR 0xFFFDu

/* Reads the character that begins at bytes[0] (length >= 1) into *code and returns its bytes, 1 to
 * 4. A byte that begins no valid character (a stray one, an overlong form, a surrogate, a code
 * above U+10FFFF, a character that is cut off) counts alone, as U+FFFD. */
size_t dt_utf8_next(const char *bytes, size_t length, uint32_t *code);

dt_char_kind dt_char_kind_of(uint32_t code);

/* The ranges that \w matches, first and last code of each, ascending (unicode_word.c). */
typedef struct {
    uint32_t first;
    uint32_t last;
} dt_char_range;

extern const dt_char_range dt_word_ranges[];
extern const size_t dt_word_range_count;

#endif
