/* Suggests the known name that a misspelt word probably means. */
#ifndef DT_OPTIONS_SUGGEST_H
#define DT_OPTIONS_SUGGEST_H

#include <stddef.h>

/* Returns the number of single-character insertions, deletions, replacements and swaps of
 * neighbours that turn a into b (optimal string alignment distance; Boytsov, "Indexing methods for
 * approximate dictionary searching", 2011). Only the first 63 characters of a string count. */
int dt_edit_distance(const char *a, const char *b);

/* The best of the candidates offered so far. Zero-initialise. */
typedef struct {
    const char *name; /* the nearest, NULL if none is near */
    int distance;
} dt_suggestion;

/* Offers `candidate` for the misspelt `word`. It is near if it abbreviates or extends the word (at
 * least 3 characters in common), or if at most a third of the word's characters, and never more
 * than 4, need to change. Among equally near candidates the first is retained. */
void dt_suggest(dt_suggestion *best, const char *word, const char *candidate);

#endif
