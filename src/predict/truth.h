/* The true labels of a test set, in the numbering of the model that is tested (docs/model.md 1
 * and 4).
 *
 * At each of the model's tax_ranks a true label is a number: the model's class where the model
 * knows the label, else a number of `classes` or more of its own; DT_NO_TRUTH where the table has
 * no column of that name. A sequence without a row is `Unclassified` at every tax_rank.
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
    bool told[DT_MAX_TAX_RANKS]; /* dt_truth_read() has warned that the model knows no label */
} dt_truth;

/* Reads the table and matches its columns by name. DT_ERR_INPUT when none of the model's tax_ranks
 * is among them; a warning names the ones that are missing when some are, another the tax_ranks at
 * which the model knows none of the table's labels. `model` must outlive *truth. Free with
 * dt_truth_free(), which takes a zero-initialised one, too. */
dt_status dt_truth_read(dt_truth *truth, const dt_taxonomy *model, const char *path);
void dt_truth_free(dt_truth *truth);

/* Numbers that true labels may have at a tax_rank with a column: 0 … this - 1. */
int32_t dt_truth_numbers(const dt_truth *truth, int32_t tax_rank);

/* One warning for all tax_ranks where the model knows fewer than one in ten of the true labels in
 * `seen`, `Unclassified` aside: how many, and one of them beside the model's label that is spelled
 * most like it. seen[tax_rank] (dt_truth_numbers(), NULL without a column) says by number which
 * labels count. Where dt_truth_read() has warned nothing is said again. */
dt_status dt_truth_tell_unknown(const dt_truth *truth, bool *const *seen);

/* Sets numbers[0 … tax_ranks-1] for the sequence of this id. False when the table has no row. */
bool dt_truth_find(const dt_truth *truth, const char *id, size_t length, int32_t *numbers);

/* The label of a number, NULL for DT_NO_TRUTH. Belongs to the truth or the model. */
const char *dt_truth_label(const dt_truth *truth, int32_t tax_rank, int32_t number);

/* True when the prediction agrees with the true label: the same, or at the species rank a true
 * label that ends in " " or "__" followed by the prediction. */
bool dt_labels_agree(const char *true_label, const char *predicted, bool species);

/* True for the tax_rank that is called species, in whatever case. */
bool dt_is_species(const dt_taxonomy *taxonomy, int32_t tax_rank);

#endif
