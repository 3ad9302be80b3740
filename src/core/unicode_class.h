/* The three classes of characters (core/utf8.h) by which a text is split into words: characters
 * that match the regular expression \w (UTS 18: alphabetic, mark, decimal number, connector
 * punctuation, join control), those that match \s (White_Space), and all others. */
#ifndef DT_CORE_UNICODE_CLASS_H
#define DT_CORE_UNICODE_CLASS_H

#include <stddef.h>
#include <stdint.h>

#include "core/utf8.h"

typedef enum { DT_CHAR_SPACE, DT_CHAR_WORD, DT_CHAR_OTHER } dt_char_kind;

dt_char_kind dt_char_kind_of(uint32_t code);

/* The ranges that match \w, as first and last code, ascending (unicode_word.c). */
typedef struct {
    uint32_t first;
    uint32_t last;
} dt_char_range;

extern const dt_char_range dt_word_ranges[];
extern const size_t dt_word_range_count;

#endif
