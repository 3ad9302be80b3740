/* The lineages of a prediction, counted as a tree. Nodes are identified by their whole path.
 *
 * As JSON, only the largest nodes are written, and the others below a node are merged into one:
 *     label      [text, …], null: merged
 *     parent     [position in these arrays, …], -1: the first taxonomic rank
 *     count      [sequences of the node, …]
 *     answered   [those of them with an answer at all ranks down to this one, …]
 *     confidence [mean confidence of the node's label, …], null: merged
 *     merged     [number of different nodes that were merged, 0: none, …]
 *     smallest   sequences of the smallest node that is written as such
 */
#ifndef DT_REPORT_COMPOSITION_H
#define DT_REPORT_COMPOSITION_H

#include <stdbool.h>
#include <stdint.h>

#include "core/strmap.h"
#include "io/json_writer.h"

typedef struct {
    int32_t parent, label, tax_rank;
    int64_t count, answered;
    double confidence; /* sum */
} dt_composition_node;

/* Zero-initialise; free with dt_composition_free(). */
typedef struct {
    dt_composition_node *node; /* (nodes) parents before children */
    int32_t nodes;
    size_t capacity;
    dt_strmap *index; /* parent and label → node */
} dt_composition;

void dt_composition_free(dt_composition *composition);

/* Counts a sequence: its labels, a number by tax_rank, and their confidences. It has answers at the
 * first `answers` ranks. */
dt_status dt_composition_add(dt_composition *composition, const int32_t *label,
                             const double *confidence, int32_t tax_ranks, int32_t answers);

/* Adds the tree as a value, with at most `most` nodes that are not merged.
 * names[tax_rank][label]. */
dt_status dt_composition_json(const dt_composition *composition, dt_json *json, int32_t most,
                              char **const *names);

/* Writes a label or id, of which very long ones are cut. */
void dt_report_label(dt_json *json, const char *text);

#endif
