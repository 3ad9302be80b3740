#include "predict/truth.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/log.h"
#include "core/memory.h"
#include "taxonomy/spelling.h"

/* Numbers the table's labels at one tax_rank; unknown labels follow the model's classes. */
static dt_status number_labels(dt_truth *truth, int32_t tax_rank)
{
    const int32_t classes = truth->model->rank[tax_rank].classes;
    const int32_t column = truth->column[tax_rank];
    const dt_tax_rank *labels = &truth->table.taxonomy.rank[column];
    int32_t *number;
    DT_TRY(DT_NEW(number, (size_t)labels->classes));
    truth->number[tax_rank] = number;
    int32_t unclassified = dt_taxonomy_class(truth->model, tax_rank, DT_UNCLASSIFIED);
    for (int32_t c = 0; c < labels->classes; ++c) {
        const int32_t known = dt_taxonomy_class(truth->model, tax_rank, labels->label[c]);
        number[c] = known >= 0 ? known : classes + c;
        if (strcmp(labels->label[c], DT_UNCLASSIFIED) == 0)
            unclassified = number[c];
    }
    truth->unclassified[tax_rank] = unclassified >= 0 ? unclassified : classes + labels->classes;
    return DT_OK;
}

static int32_t find_column(const dt_taxonomy *table, const char *name)
{
    for (int32_t column = 0; column < table->tax_ranks; ++column)
        if (dt_labels_alike(table->rank[column].name, strlen(table->rank[column].name), name,
                            strlen(name)))
            return column;
    return -1;
}

/* ---- labels that the model does not know ---- */

enum { EXAMPLES = 100 }; /* unknown labels to consider as the example */

/* Distinct true labels at one tax_rank, without `Unclassified`. */
typedef struct {
    int32_t labels;
    int32_t known;        /* to the model */
    double likeness;      /* of the two below; < 0: no example */
    const char *own;      /* an unknown label: the example */
    const char *of_model; /* the model's most similar label */
} known_labels;

/* Makes the label the example if it is more similar to one of the model's than the current one. */
static void compare_with_model(known_labels *found, const dt_tax_rank *model, const char *label)
{
    const size_t length = strlen(label);
    for (int32_t c = 0; c < model->classes; ++c) {
        if (strcmp(model->label[c], DT_UNCLASSIFIED) == 0)
            continue;
        const double likeness =
            dt_label_likeness(label, length, model->label[c], strlen(model->label[c]));
        if (likeness <= found->likeness)
            continue;
        found->likeness = likeness;
        found->own = label;
        found->of_model = model->label[c];
    }
}

/* Counts the labels in `seen`; NULL: all labels of the table. */
static known_labels count_known(const dt_truth *truth, int32_t tax_rank, const bool *seen)
{
    known_labels found = {.likeness = -1.0};
    const dt_tax_rank *model = &truth->model->rank[tax_rank];
    const dt_tax_rank *own = &truth->table.taxonomy.rank[truth->column[tax_rank]];
    for (int32_t c = 0; c < own->classes; ++c) {
        const int32_t number = truth->number[tax_rank][c];
        if (strcmp(own->label[c], DT_UNCLASSIFIED) == 0 || (seen && !seen[number]))
            continue;
        found.labels++;
        if (number < model->classes)
            found.known++;
        else if (found.labels - found.known <= EXAMPLES && found.likeness < 1.0)
            compare_with_model(&found, model, own->label[c]);
    }
    return found;
}

/* Adds a tax_rank to the text of the warning. */
static dt_status add_unknown(dt_text *text, const char *name, const known_labels *found)
{
    DT_TRY(dt_text_addf(text, "%s%s (%d of %d", text->length ? ", " : "", name, found->known,
                        found->labels));
    return found->own
               ? dt_text_addf(text, "; '%s' where the model has '%s')", found->own, found->of_model)
               : dt_text_addf(text, ")");
}

static void warn_of_unknown(const dt_truth *truth, const dt_text *text)
{
    if (text->length > 0)
        dt_warn("%s: the model knows hardly any of the true labels at %s, so its predictions there "
                "cannot be right; if only the spelling differs, use the model's spelling",
                truth->table.path, text->data);
}

dt_status dt_truth_report_unknown(const dt_truth *truth, bool *const *seen)
{
    dt_text text = {0};
    dt_status status = DT_OK;
    for (int32_t r = 0; r < truth->model->tax_ranks && status == DT_OK; ++r) {
        if (truth->column[r] < 0 || truth->warned[r])
            continue;
        const known_labels found = count_known(truth, r, seen[r]);
        if ((int64_t)found.known * 10 < found.labels)
            status = add_unknown(&text, truth->model->rank[r].name, &found);
    }
    warn_of_unknown(truth, &text);
    dt_text_free(&text);
    return status;
}

/* Warns, before anything is predicted, of tax_ranks where no label of the table can match. */
static dt_status report_unmatched(dt_truth *truth)
{
    dt_text text = {0};
    dt_status status = DT_OK;
    for (int32_t r = 0; r < truth->model->tax_ranks && status == DT_OK; ++r) {
        if (truth->column[r] < 0)
            continue;
        const known_labels found = count_known(truth, r, NULL);
        truth->warned[r] = found.labels > 0 && found.known == 0;
        if (truth->warned[r])
            status = add_unknown(&text, truth->model->rank[r].name, &found);
    }
    warn_of_unknown(truth, &text);
    dt_text_free(&text);
    return status;
}

int32_t dt_truth_numbers(const dt_truth *truth, int32_t tax_rank)
{
    return truth->model->rank[tax_rank].classes +
           truth->table.taxonomy.rank[truth->column[tax_rank]].classes + 1;
}

/* ---- reading ---- */

dt_status dt_truth_read(dt_truth *truth, const dt_taxonomy *model, const char *path)
{
    *truth = (dt_truth){.model = model};
    dt_status status;
    DT_TRY_OR(failed, dt_taxonomy_table_read(&truth->table, path));
    int32_t matched = 0;
    for (int32_t r = 0; r < model->tax_ranks; ++r) {
        truth->column[r] = find_column(&truth->table.taxonomy, model->rank[r].name);
        if (truth->column[r] < 0)
            continue;
        matched++;
        DT_TRY_OR(failed, number_labels(truth, r));
    }
    if (!matched) {
        status = dt_fail(DT_ERR_INPUT,
                         "%s: no column is named after a taxonomic rank of the model, such as %s; "
                         "use a taxonomy with the model's ranks",
                         path, model->rank[0].name);
        goto failed;
    }
    for (int32_t r = 0; r < model->tax_ranks; ++r)
        if (truth->column[r] < 0)
            dt_warn("%s: no column %s: predictions at that rank are not compared", path,
                    model->rank[r].name);
    DT_TRY_OR(failed, report_unmatched(truth));
    return DT_OK;
failed:
    dt_truth_free(truth);
    return status;
}

void dt_truth_free(dt_truth *truth)
{
    for (int32_t r = 0; r < DT_MAX_TAX_RANKS; ++r)
        free(truth->number[r]);
    dt_taxonomy_table_free(&truth->table);
    *truth = (dt_truth){0};
}

bool dt_truth_find(const dt_truth *truth, const char *id, size_t length, int32_t *numbers)
{
    const dt_taxonomy_table *table = &truth->table;
    const int64_t row = dt_taxonomy_table_find(table, id, length);
    for (int32_t r = 0; r < truth->model->tax_ranks; ++r) {
        const int32_t column = truth->column[r];
        if (column < 0)
            numbers[r] = DT_NO_TRUTH;
        else if (row < 0)
            numbers[r] = truth->unclassified[r];
        else
            numbers[r] = truth->number[r][table->labels[row * table->taxonomy.tax_ranks + column]];
    }
    return row >= 0;
}

const char *dt_truth_label(const dt_truth *truth, int32_t tax_rank, int32_t number)
{
    const dt_tax_rank *known = &truth->model->rank[tax_rank];
    if (number == DT_NO_TRUTH)
        return NULL;
    if (number < known->classes)
        return known->label[number];
    const dt_tax_rank *own = &truth->table.taxonomy.rank[truth->column[tax_rank]];
    return number - known->classes < own->classes ? own->label[number - known->classes]
                                                  : DT_UNCLASSIFIED;
}

/* Returns true if a label's part from `at` on can agree with a prediction. */
static bool begins_name(const char *label, const char *at)
{
    return at > label && (at[-1] == ' ' || (at >= label + 2 && at[-1] == '_' && at[-2] == '_'));
}

int32_t dt_truth_class(const dt_truth *truth, int32_t tax_rank, int32_t number)
{
    if (number < truth->model->rank[tax_rank].classes)
        return number;
    if (!dt_is_species(truth->model, tax_rank))
        return -1;
    const char *label = dt_truth_label(truth, tax_rank, number);
    for (const char *at = label; *at; ++at) {
        const int32_t class =
            begins_name(label, at) ? dt_taxonomy_class(truth->model, tax_rank, at) : -1;
        if (class >= 0)
            return class;
    }
    return -1;
}

bool dt_labels_agree(const char *true_label, const char *predicted, bool species)
{
    if (strcmp(true_label, predicted) == 0)
        return true;
    const size_t length = strlen(true_label);
    const size_t tail = strlen(predicted);
    if (!species || !tail || length <= tail || strcmp(true_label + length - tail, predicted) != 0)
        return false;
    return begins_name(true_label, true_label + length - tail);
}

bool dt_is_species(const dt_taxonomy *taxonomy, int32_t tax_rank)
{
    return strcasecmp(taxonomy->rank[tax_rank].name, "species") == 0;
}
