/* Which known name did the user mean? */
#ifndef DT_OPTIONS_SUGGEST_H
#define DT_OPTIONS_SUGGEST_H

#include <stddef.h>

/* Number of single-character insertions, deletions, replacements and swaps of neighbours that turn
 * a into b (optimal string alignment distance; Boytsov, "Indexing methods for approximate
 * dictionary searching", 2011). Of longer strings only the first 63 characters count. */
int dt_edit_distance(const char *a, const char *b);

/* Keeps the best of the candidates that are offered one by one. Zero-initialise. */
typedef struct {
    const char *name; /* the nearest so far, NULL when none is near */
    int distance;
} dt_suggestion;

/* Offers `candidate` for the misspelt `word`. It is near when it is the word's beginning or
 * continuation (at least 3 characters in common), or when at most a third of the word, and never
 * more than 4 characters, need changing. Of equally near ones the first offered stays. */
void dt_suggest(dt_suggestion *best, const char *word, const char *candidate);

#endif
