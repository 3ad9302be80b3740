#include "sequence/unicode_class.h"

#include <stdbool.h>

/* The smallest code that needs n bytes: a smaller one is an overlong form. */
static const uint32_t smallest_of_length[5] = {0, 0, 0x80, 0x800, 0x10000};

static bool is_valid_code(uint32_t code, size_t bytes)
{
    return code >= smallest_of_length[bytes] && code <= 0x10FFFF &&
           !(code >= 0xD800 && code <= 0xDFFF);
}

size_t dt_utf8_next(const char *bytes, size_t length, uint32_t *code)
{
    const unsigned char first = (unsigned char)bytes[0];
    *code = first;
    if (first < 0x80)
        return 1;
    *code = DT_REPLACEMENT_CHAR;
    const size_t needed = first >= 0xF0 && first < 0xF8   ? 4
                          : first >= 0xE0 && first < 0xF0 ? 3
                          : first >= 0xC0 && first < 0xE0 ? 2
                                                          : 0;
    if (needed == 0 || needed > length)
        return 1;
    uint32_t value = first & (0xFFu >> (needed + 1));
    for (size_t i = 1; i < needed; ++i) {
        const unsigned char next = (unsigned char)bytes[i];
        if ((next & 0xC0) != 0x80)
            return 1;
        value = value << 6 | (next & 0x3Fu);
    }
    if (!is_valid_code(value, needed))
        return 1;
    *code = value;
    return needed;
}

static bool is_space(uint32_t code)
{
    switch (code) {
    case 0x20:
    case 0x85:
    case 0xA0:
    case 0x1680:
    case 0x2028:
    case 0x2029:
    case 0x202F:
    case 0x205F:
    case 0x3000:
        return true;
    default:
        return (code >= 0x09 && code <= 0x0D) || (code >= 0x2000 && code <= 0x200A);
    }
}

dt_char_kind dt_char_kind_of(uint32_t code)
{
    if (is_space(code))
        return DT_CHAR_SPACE;
    size_t low = 0;
    size_t high = dt_word_range_count;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (code > dt_word_ranges[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    return low < dt_word_range_count && code >= dt_word_ranges[low].first ? DT_CHAR_WORD
                                                                          : DT_CHAR_OTHER;
}
