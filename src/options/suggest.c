#include "options/suggest.h"

#include <stdbool.h>
#include <string.h>

#define LONGEST 63

static int min_int(int a, int b)
{
    return a < b ? a : b;
}

int dt_edit_distance(const char *a, const char *b)
{
    const int rows = (int)strnlen(a, LONGEST);
    const int columns = (int)strnlen(b, LONGEST);
    int row[3][LONGEST + 1]; /* rows of a[i - 2], a[i - 1] and a[i] */
    int *before = row[0];
    int *above = row[1];
    int *here = row[2];
    for (int j = 0; j <= columns; ++j)
        above[j] = j;
    for (int i = 1; i <= rows; ++i) {
        here[0] = i;
        for (int j = 1; j <= columns; ++j) {
            const int change = above[j - 1] + (a[i - 1] != b[j - 1]);
            here[j] = min_int(change, min_int(above[j], here[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                here[j] = min_int(here[j], before[j - 2] + 1);
        }
        int *oldest = before;
        before = above;
        above = here;
        here = oldest;
    }
    return above[columns];
}

void dt_suggest(dt_suggestion *best, const char *word, const char *candidate)
{
    const int length = (int)strlen(word);
    const int other = (int)strlen(candidate);
    const int shorter = min_int(length, other);
    const int most = min_int((length + 2) / 3, 4);
    const bool prefix = shorter >= 3 && strncmp(word, candidate, (size_t)shorter) == 0;
    if (!prefix && length + other - 2 * shorter > most) /* the distance is not less */
        return;
    int distance = dt_edit_distance(word, candidate);
    if (prefix)
        distance = min_int(distance, 1); /* abbreviated or extended */
    if (distance > most)
        return;
    if (!best->name || distance < best->distance)
        *best = (dt_suggestion){candidate, distance};
}
