#include "predict/truth.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/log.h"
#include "core/memory.h"

/* Numbers the table's labels at one tax_rank; what the model lacks comes after its classes. */
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
        if (strcasecmp(table->rank[column].name, name) == 0)
            return column;
    return -1;
}

/* Tells when the model knows no label of the table but `Unclassified`: most likely the two name
 * the same taxa differently. */
static void tell_strangers(const dt_truth *truth, const char *path)
{
    const char *own = NULL;
    const char *known = NULL;
    for (int32_t r = 0; r < truth->model->tax_ranks; ++r) {
        const dt_tax_rank *model = &truth->model->rank[r];
        const int32_t column = truth->column[r];
        for (int32_t c = 0; column >= 0 && c < truth->table.taxonomy.rank[column].classes; ++c) {
            const char *label = truth->table.taxonomy.rank[column].label[c];
            if (strcmp(label, DT_UNCLASSIFIED) == 0)
                continue;
            if (truth->number[r][c] < model->classes)
                return;
            known = own ? known : model->label[0];
            own = own ? own : label;
        }
    }
    if (own)
        dt_warn("%s: the model knows none of its labels, so that all predictions count as wrong: "
                "it has '%s' where the model has '%s', for one; give the taxonomy that the model "
                "was trained with",
                path, own, known);
}

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
                         "%s: no column is named as a taxonomic rank of the model, %s for one; "
                         "give the taxonomy of the model's ranks",
                         path, model->rank[0].name);
        goto failed;
    }
    for (int32_t r = 0; r < model->tax_ranks; ++r)
        if (truth->column[r] < 0)
            dt_warn("%s: no column %s: its predictions are not compared", path,
                    model->rank[r].name);
    tell_strangers(truth, path);
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

bool dt_labels_agree(const char *true_label, const char *predicted, bool species)
{
    if (strcmp(true_label, predicted) == 0)
        return true;
    const size_t length = strlen(true_label);
    const size_t tail = strlen(predicted);
    if (!species || !tail || length <= tail || strcmp(true_label + length - tail, predicted) != 0)
        return false;
    const char *before = true_label + length - tail;
    return before[-1] == ' ' || (length >= tail + 2 && before[-1] == '_' && before[-2] == '_');
}

bool dt_is_species(const dt_taxonomy *taxonomy, int32_t tax_rank)
{
    return strcasecmp(taxonomy->rank[tax_rank].name, "species") == 0;
}
