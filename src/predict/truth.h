/* The true labels of a test set, numbered by the classes of the tested model (docs/model.md 1
 * and 4).
 *
 * At each of the model's tax_ranks a true label has a number: the model's class if the model knows
 * the label, otherwise a number of its own, `classes` or more; DT_NO_TRUTH if the table has no
 * column for the rank. A sequence without a row is `Unclassified` at every tax_rank.
 */
#ifndef DT_PREDICT_TRUTH_H
#define DT_PREDICT_TRUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"
#include "taxonomy/taxonomy_table.h"
#include "taxonomy/taxonomy.h"

#define DT_NO_TRUTH (-1)

typedef struct {
    const dt_taxonomy *model; /* the labels that the model knows; not owned */
    dt_taxonomy_table table;
    int32_t column[DT_MAX_TAX_RANKS];       /* of the table, by the model's tax_rank; -1: none */
    int32_t *number[DT_MAX_TAX_RANKS];      /* class in the table → number */
    int32_t unclassified[DT_MAX_TAX_RANKS]; /* number of `Unclassified` */
    bool warned[DT_MAX_TAX_RANKS]; /* dt_truth_read() has warned that the model knows no label */
} dt_truth;

/* Reads the table and matches its columns to the model's tax_ranks by name. DT_ERR_INPUT if no
 * column matches. Logs a warning for each tax_rank without a column, and one for the tax_ranks at
 * which the model knows none of the table's labels. `model` must outlive *truth. Free with
 * dt_truth_free(), which accepts a zero-initialised struct. */
dt_status dt_truth_read(dt_truth *truth, const dt_taxonomy *model, const char *path);
void dt_truth_free(dt_truth *truth);

/* Returns how many numbers true labels may have at a tax_rank with a column: 0 … result - 1. */
int32_t dt_truth_numbers(const dt_truth *truth, int32_t tax_rank);

/* Logs one warning for all tax_ranks where the model knows fewer than one in ten of the true labels
 * in `seen`, not counting `Unclassified`: how many it knows, and an unknown one with the model's
 * most similarly spelled label. seen[tax_rank] (dt_truth_numbers(), NULL without a column) marks
 * the labels that count, by number. Skips tax_ranks that dt_truth_read() has warned of. */
dt_status dt_truth_report_unknown(const dt_truth *truth, bool *const *seen);

/* Sets numbers[0 … tax_ranks-1] for the sequence with this id. Returns false if the table has no
 * row for it. */
bool dt_truth_find(const dt_truth *truth, const char *id, size_t length, int32_t *numbers);

/* Returns the label with this number, NULL for DT_NO_TRUTH; owned by the truth or the model. */
const char *dt_truth_label(const dt_truth *truth, int32_t tax_rank, int32_t number);

/* Returns the model's class of a true label; where the model lacks a species, the class with the
 * longest label that agrees with it (dt_labels_agree()). -1: none. */
int32_t dt_truth_class(const dt_truth *truth, int32_t tax_rank, int32_t number);

/* Returns true if the prediction agrees with the true label: they are equal or, at the species
 * rank, the true label ends in " " or "__" followed by the prediction. */
bool dt_labels_agree(const char *true_label, const char *predicted, bool species);

/* Returns true if the tax_rank is called "species", ignoring case. */
bool dt_is_species(const dt_taxonomy *taxonomy, int32_t tax_rank);

#endif
