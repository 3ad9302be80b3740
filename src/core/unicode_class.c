#include "core/unicode_class.h"

#include <stdbool.h>

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
