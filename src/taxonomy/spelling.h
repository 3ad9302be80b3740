/* How labels are spelled: tables write one taxon with or without a prefix that tells its rank, with
 * blanks or underscores, in upper or lower case. Labels that differ so are different classes all
 * the same; what is here serves to find them.
 */
#ifndef DT_TAXONOMY_SPELLING_H
#define DT_TAXONOMY_SPELLING_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the prefix at the start of a label, 0 without one: a letter, up to two more or
 * digits, and "__" ("d__", "sf__", "R1__"), "D_" with a number and "__" (SILVA up to 132), or a
 * rank's name and "__" ("phylum__", "no rank__"). */
size_t dt_label_prefix(const char *label, size_t length);

/* Writes the label without its prefix, in lower case (ASCII), blanks for underscores, to `out`
 * (room for `length` bytes) and returns its bytes. */
size_t dt_label_plain(char *out, const char *label, size_t length);

/* True when both are the same in dt_label_plain()'s spelling. */
bool dt_labels_alike(const char *a, size_t a_length, const char *b, size_t b_length);

/* 1 for labels that are alike, else the part of the longer one, less than 1, that begins or ends
 * like the other, in dt_label_plain()'s spelling. */
double dt_label_likeness(const char *a, size_t a_length, const char *b, size_t b_length);

#endif
