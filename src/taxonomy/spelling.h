/* The spelling of labels: tables write a taxon with or without a prefix for its rank, with blanks
 * or underscores, in upper or lower case. Labels that differ in this way are still different
 * classes; these functions serve to find them.
 */
#ifndef DT_TAXONOMY_SPELLING_H
#define DT_TAXONOMY_SPELLING_H

#include <stdbool.h>
#include <stddef.h>

/* Returns the length of a label's prefix, 0 if there is none: a letter, up to two more letters or
 * digits, and "__" ("d__", "sf__", "R1__"); "D_", a number and "__" (SILVA up to 132); or the name
 * of a rank and "__" ("phylum__", "no rank__"). */
size_t dt_label_prefix(const char *label, size_t length);

/* Writes the label's plain spelling to `out` (capacity `length` bytes): without prefix, in lower
 * case (ASCII), with blanks for underscores. Returns its length. */
size_t dt_label_plain(char *out, const char *label, size_t length);

/* Returns true if both have the same plain spelling. */
bool dt_labels_alike(const char *a, size_t a_length, const char *b, size_t b_length);

/* Compares plain spellings: returns 1 if they are equal, else the share (< 1) of the longer one
 * that is the same at the beginning or the end of both. */
double dt_label_likeness(const char *a, size_t a_length, const char *b, size_t b_length);

#endif
