#include "sequence/normalize.h"

#include <stdbool.h>

static bool is_gap(char c)
{
    return c == '-' || c == '.';
}

/* Converts to upper case and U to T, without branches so that the loop is vectorised; returns true
 * if there are gaps. */
static bool map_letters(char *sequence, size_t length)
{
    unsigned char any_gap = 0;
    for (size_t i = 0; i < length; ++i) {
        unsigned char c = (unsigned char)sequence[i];
        const unsigned char lower = (unsigned char)(c - 'a') < 26;
        c = (unsigned char)(c - (lower ? 'a' - 'A' : 0));
        c = c == 'U' ? 'T' : c;
        any_gap |= (unsigned char)((c == '-') | (c == '.'));
        sequence[i] = (char)c;
    }
    return any_gap != 0;
}

size_t dt_normalize(char *sequence, size_t length)
{
    if (!map_letters(sequence, length))
        return length;
    size_t kept = 0;
    for (size_t i = 0; i < length; ++i) {
        const char c = sequence[i];
        sequence[kept] = c;
        kept += !is_gap(c);
    }
    return kept;
}

size_t dt_count_gaps(const char *sequence, size_t length)
{
    size_t gaps = 0;
    for (size_t i = 0; i < length; ++i)
        gaps += is_gap(sequence[i]);
    return gaps;
}
