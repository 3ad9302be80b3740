#include "predict/decide.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "layers.h"

dt_status dt_decision_memory_create(dt_decision_memory *memory, const dt_decision *decision)
{
    const size_t classes = (size_t)decision->layout->first[decision->layout->tax_ranks];
    const dt_lineage_tree *tree = decision->lineages;
    *memory = (dt_decision_memory){0};
    dt_status status = DT_NEW(memory->score, classes);
    if (status == DT_OK)
        status = DT_NEW(memory->probability, classes);
    if (status == DT_OK && tree)
        status = DT_NEW(memory->sum, (size_t)dt_lineage_tree_nodes(tree));
    if (status == DT_OK && tree)
        status = DT_NEW(memory->mass, (size_t)dt_lineage_tree_nodes(tree));
    if (status != DT_OK)
        dt_decision_memory_free(memory);
    return status;
}

void dt_decision_memory_free(dt_decision_memory *memory)
{
    free(memory->score);
    free(memory->probability);
    free(memory->sum);
    free(memory->mass);
    *memory = (dt_decision_memory){0};
}

/* Sets score = logits / temperature for all tax_ranks. */
static void scale(double *score, const void *logits, const dt_decision *decision, int32_t member)
{
    const dt_class_layout *layout = decision->layout;
    const double *temperature = decision->temperature[member];
    for (int32_t r = 0; r < layout->tax_ranks; ++r) {
        const double by = temperature ? temperature[r] : 1.0;
        if (decision->statistic_size == 8)
            for (int32_t c = layout->first[r]; c < layout->first[r + 1]; ++c)
                score[c] = ((const double *)logits)[c] / by;
        else
            for (int32_t c = layout->first[r]; c < layout->first[r + 1]; ++c)
                score[c] = (double)((const float *)logits)[c] / by;
    }
}

/* Adds share · softmax(score) of one tax_rank to `probability`; overwrites score. */
static void add_softmax(double *probability, double *score, int32_t classes, double share)
{
    double largest = -HUGE_VAL;
    double sum = 0.0;
    for (int32_t c = 0; c < classes; ++c)
        largest = score[c] > largest ? score[c] : largest;
    for (int32_t c = 0; c < classes; ++c) {
        score[c] = exp(score[c] - largest);
        sum += score[c];
    }
    const double factor = share / sum;
    for (int32_t c = 0; c < classes; ++c)
        probability[c] += factor * score[c];
}

/* Returns the logarithm, of at least the smallest normal number. */
static double log_of(double probability)
{
    return log(probability < DBL_MIN ? DBL_MIN : probability);
}

/* Smaller probabilities add nothing to an entropy. Most of tens of thousands are smaller, and their
 * logarithms would take most of the time of a summed decision. */
#define NO_ENTROPY 1e-20

/* Returns the prediction of one tax_rank from its probabilities. */
static dt_prediction read_probabilities(const double *probability, int32_t classes, int32_t label)
{
    dt_prediction out = {.better = -1};
    double entropy = 0.0;
    for (int32_t c = 0; c < classes; ++c) {
        if (probability[c] > NO_ENTROPY)
            entropy -= probability[c] * log(probability[c]);
        if (probability[c] > probability[out.label])
            out.label = c;
    }
    out.confidence = (float)probability[out.label];
    out.entropy = (float)entropy;
    if (label < 0)
        return out;
    out.better = 0;
    for (int32_t c = 0; c < classes; ++c)
        out.better += probability[c] > probability[label];
    out.loss = (float)-log_of(probability[label]);
    return out;
}

/* Returns true if all members have the logits and temperatures of the first one. */
static bool members_agree(const dt_decision *decision, const void *const *logits)
{
    const int32_t tax_ranks = decision->layout->tax_ranks;
    const size_t bytes =
        (size_t)decision->layout->first[tax_ranks] * (size_t)decision->statistic_size;
    const double *t = decision->temperature[0];
    for (int32_t m = 1; m < decision->members; ++m) {
        const double *other = decision->temperature[m];
        for (int32_t r = 0; r < tax_ranks; ++r)
            if ((t ? t[r] : 1.0) != (other ? other[r] : 1.0))
                return false;
        if (memcmp(logits[m], logits[0], bytes) != 0)
            return false;
    }
    return true;
}

/* Averages the probabilities of the members. */
static void average_members(dt_prediction *prediction, const dt_decision *decision,
                            const dt_decision_memory *memory, const void *const *logits,
                            const int32_t *labels)
{
    const dt_class_layout *layout = decision->layout;
    const int32_t *first = layout->first;
    const double share = 1.0 / decision->members;
    memset(memory->probability, 0, (size_t)first[layout->tax_ranks] * sizeof *memory->probability);
    for (int32_t m = 0; m < decision->members; ++m) {
        scale(memory->score, logits[m], decision, m);
        for (int32_t r = 0; r < layout->tax_ranks; ++r)
            add_softmax(memory->probability + first[r], memory->score + first[r],
                        first[r + 1] - first[r], share);
    }
    for (int32_t r = 0; r < layout->tax_ranks; ++r)
        prediction[r] = read_probabilities(memory->probability + first[r], first[r + 1] - first[r],
                                           labels ? labels[r] : -1);
}

/* Returns false if a model's output was not finite. */
static bool are_usable(const dt_prediction *prediction, const dt_class_layout *layout)
{
    for (int32_t r = 0; r < layout->tax_ranks; ++r)
        if (prediction[r].label < 0 ||
            prediction[r].label >= layout->first[r + 1] - layout->first[r] ||
            !isfinite(prediction[r].confidence))
            return false;
    return true;
}

/* Replaces the labels with those of the best lineage. A rank's log-probabilities are its scores
 * plus a constant, so the new confidence follows from the old one. */
static void make_consistent(dt_prediction *prediction, const dt_decision *decision,
                            const dt_decision_memory *memory)
{
    const dt_class_layout *layout = decision->layout;
    int32_t labels[DT_MAX_TAX_RANKS];
    if (!dt_lineage_tree_best(labels, decision->lineages, memory->score, layout->first,
                              memory->sum))
        return;
    for (int32_t r = 0; r < layout->tax_ranks; ++r) {
        dt_prediction *p = &prediction[r];
        const double *score = memory->score + layout->first[r];
        if (labels[r] == p->label)
            continue;
        p->confidence = (float)((double)p->confidence * exp(score[labels[r]] - score[p->label]));
        p->label = labels[r];
    }
}

/* Sets memory->mass to the distribution over the lineages and memory->probability to its marginals.
 * Returns false if it is not a number. */
static bool sum_lineages(const dt_decision *decision, const dt_decision_memory *memory,
                         const void *const *logits, int32_t members, const dt_vote *vote)
{
    const dt_lineage_tree *tree = decision->lineages;
    const int32_t *first = decision->layout->first;
    const bool votes = vote && vote->count > 0;
    const double share = (votes ? 1.0 - decision->neighbour_weight : 1.0) / members;
    double *leaves = memory->mass + tree->first[tree->tax_ranks - 1];
    memset(leaves, 0, (size_t)dt_lineage_tree_lineages(tree) * sizeof *leaves);
    for (int32_t m = 0; m < members; ++m) {
        scale(memory->score, logits[m], decision, m);
        if (!dt_lineage_tree_add_softmax(memory->mass, tree, memory->score, first, share,
                                         memory->sum))
            return false;
    }
    for (int32_t v = 0; votes && v < vote->count; ++v)
        leaves[vote->share[v].leaf] += decision->neighbour_weight * vote->share[v].share;
    dt_lineage_tree_add_up(memory->mass, memory->probability, tree, first);
    return true;
}

/* Replaces the prediction with that of the distribution over the lineages. */
static void read_lineages(dt_prediction *prediction, const dt_decision *decision,
                          const dt_decision_memory *memory, const int32_t *labels)
{
    const dt_lineage_tree *tree = decision->lineages;
    const int32_t *first = decision->layout->first;
    int32_t path[DT_MAX_TAX_RANKS];
    dt_lineage_tree_descend(path, tree, memory->mass);
    for (int32_t r = 0; r < tree->tax_ranks; ++r) {
        prediction[r] = read_probabilities(memory->probability + first[r], first[r + 1] - first[r],
                                           labels ? labels[r] : -1);
        prediction[r].label = tree->label[path[r]];
        prediction[r].confidence = (float)memory->mass[path[r]];
    }
}

/* Returns true if the prediction has been replaced. */
static bool decide_summed(dt_prediction *prediction, const dt_decision *decision,
                          const dt_decision_memory *memory, const void *const *logits,
                          int32_t members, const dt_vote *vote, const int32_t *labels)
{
    if (!sum_lineages(decision, memory, logits, members, vote)) {
        for (int32_t r = 0; r < decision->layout->tax_ranks; ++r)
            prediction[r].confidence = NAN;
        return false;
    }
    read_lineages(prediction, decision, memory, labels);
    return true;
}

bool dt_decide(dt_prediction *prediction, int32_t *independent, const dt_decision *decision,
               const dt_decision_memory *memory, const void *const *logits, const dt_vote *vote,
               const int32_t *labels)
{
    const bool averages = !members_agree(decision, logits);
    if (averages)
        average_members(prediction, decision, memory, logits, labels);
    for (int32_t r = 0; independent && r < decision->layout->tax_ranks; ++r)
        independent[r] = prediction[r].label;
    if (decision->lineage == DT_LINEAGE_INDEPENDENT || !are_usable(prediction, decision->layout))
        return averages;
    if (decision->lineage == DT_LINEAGE_SUMMED)
        return decide_summed(prediction, decision, memory, logits, averages ? decision->members : 1,
                             vote, labels);
    if (!averages)
        scale(memory->score, logits[0], decision, 0);
    for (int32_t c = 0; averages && c < decision->layout->first[decision->layout->tax_ranks]; ++c)
        memory->score[c] = log_of(memory->probability[c]);
    make_consistent(prediction, decision, memory);
    return averages;
}
