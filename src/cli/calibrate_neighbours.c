#include "cli/calibrate_neighbours.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/memory.h"
#include "neighbours/use.h"

/* ---- asking ---------------------------------------------------------------------------------- */

/* Counts the references of each class. */
static dt_status count_members(dt_asked *asked)
{
    const dt_lineage_tree *tree = &asked->run->lineages;
    const dt_references *references = &asked->set->sequences;
    const int32_t last = tree->tax_ranks - 1;
    for (int32_t r = 0; r <= last; ++r)
        DT_TRY(DT_NEW(asked->members[r], (size_t)asked->run->taxonomy.rank[r].classes));
    for (int32_t i = 0; i < references->count; ++i) {
        int32_t node = tree->first[last] + references->leaf[i];
        for (int32_t r = last; r >= 0; --r, node = tree->parent[node])
            asked->members[r][tree->label[node]] += references->copies[i];
    }
    return DT_OK;
}

dt_status dt_asked_open(dt_asked *asked, const dt_run *run, const dt_reference_set *set,
                        dt_pool *pool)
{
    const int threads = dt_pool_threads(pool);
    asked->run = run;
    asked->set = set;
    asked->pool = pool;
    DT_TRY(dt_neighbour_index_create(&asked->index, &set->sequences, pool));
    asked->use = (dt_neighbour_use){
        .set = set, .index = asked->index, .count = DT_MOST_NEIGHBOURS, .leave_one_out = true};
    DT_TRY(DT_NEW(asked->memory, (size_t)threads));
    for (int t = 0; t < threads; ++t)
        DT_TRY(dt_neighbour_memory_create(&asked->memory[t], &asked->use));
    DT_TRY(DT_GROW(asked->first, asked->first_capacity, 1));
    asked->first[0] = 0;
    return count_members(asked);
}

void dt_asked_free(dt_asked *asked)
{
    for (int t = 0; asked->memory && t < dt_pool_threads(asked->pool); ++t)
        dt_neighbour_memory_free(&asked->memory[t]);
    for (int32_t r = 0; r < DT_MAX_TAX_RANKS; ++r)
        free(asked->members[r]);
    dt_neighbour_index_destroy(asked->index);
    free(asked->memory);
    free(asked->found);
    free(asked->first);
    free(asked->cell);
    free(asked->batch);
    free(asked->batch_count);
    *asked = (dt_asked){0};
}

/* A batch of which the threads take sequences. */
typedef struct {
    dt_asked *asked;
    const dt_predicted *predicted;
    const int32_t *labels;
    dt_novelty_cell *cell; /* (sequences, tax_ranks) */
    bool *identical;       /* (sequences) to a reference */
} batch;

/* Sets what the neighbours say of the sequence's taxa; `left_out`: the reference that it is itself. */
static void judge(const dt_asked *asked, dt_novelty_cell *cell, const int32_t *labels,
                  const dt_neighbour *found, int32_t count, int32_t left_out)
{
    const dt_lineage_tree *tree = &asked->run->lineages;
    const int32_t *leaf = asked->set->sequences.leaf;
    const int32_t last = tree->tax_ranks - 1;
    bool seen[DT_MAX_TAX_RANKS] = {false};
    int64_t copies = 0;
    int32_t node = left_out < 0 ? -1 : tree->first[last] + leaf[left_out];
    for (int32_t r = last; r >= 0; --r) {
        const bool itself = node >= 0 && tree->label[node] == labels[r];
        cell[r] =
            (dt_novelty_cell){.known = labels[r] >= 0 && asked->members[r][labels[r]] > itself,
                              .nearest = count ? (float)found[0].similarity : 0.0f};
        node = node < 0 ? -1 : tree->parent[node];
    }
    for (int32_t n = 0; n < count; ++n) {
        copies += found[n].copies;
        node = tree->first[last] + leaf[found[n].reference];
        for (int32_t r = last; r >= 0; --r, node = tree->parent[node])
            if (!seen[r] && tree->label[node] != labels[r]) {
                seen[r] = true;
                cell[r].outside = (float)found[n].similarity;
            }
    }
    for (int32_t r = 0; r <= last; ++r) /* further down the list than it goes */
        if (!seen[r] && copies == asked->use.count)
            cell[r].outside = (float)found[count - 1].similarity;
}

static dt_status ask(void *context, int64_t i, int worker)
{
    const batch *b = context;
    dt_asked *asked = b->asked;
    const int32_t ranks = b->predicted->tax_ranks;
    const dt_fasta_record *record = &b->predicted->record[i];
    const dt_neighbour *found = asked->memory[worker].found;
    dt_neighbour *out = asked->batch + i * DT_FIT_NEIGHBOURS;
    dt_nearest_reference nearest;
    int32_t kept = 0;
    if (!b->predicted->has_row[i])
        return DT_OK;
    const int32_t count = dt_ask_neighbours(&asked->memory[worker], &asked->use, record->id.data,
                                            &record->sequence, &nearest);
    b->identical[i] = nearest.identical;
    judge(asked, b->cell + i * ranks, b->labels + i * ranks, found, count, nearest.left_out);
    for (int32_t copies = 0; kept < count && copies < DT_FIT_NEIGHBOURS; ++kept) {
        out[kept] = found[kept];
        copies += found[kept].copies;
    }
    asked->batch_count[i] = kept;
    return DT_OK;
}

/* Appends what was found of sequence i of the batch. */
static dt_status append(dt_asked *asked, const batch *b, int32_t i)
{
    const size_t ranks = (size_t)b->predicted->tax_ranks;
    const size_t cells = (size_t)asked->count * ranks;
    const size_t used = (size_t)asked->first[asked->count];
    const size_t count = (size_t)asked->batch_count[i];
    DT_TRY(DT_GROW(asked->found, asked->found_capacity, used + count));
    DT_TRY(DT_GROW(asked->first, asked->first_capacity, (size_t)asked->count + 2));
    DT_TRY(DT_GROW(asked->cell, asked->cell_capacity, cells + ranks));
    if (count > 0)
        memcpy(asked->found + used, asked->batch + (ptrdiff_t)i * DT_FIT_NEIGHBOURS,
               count * sizeof *asked->found);
    memcpy(asked->cell + cells, b->cell + (size_t)i * ranks, ranks * sizeof *asked->cell);
    asked->first[++asked->count] = (int64_t)(used + count);
    return DT_OK;
}

dt_status dt_asked_add(dt_asked *asked, const dt_predicted *predicted, const int32_t *labels)
{
    const size_t sequences = (size_t)predicted->sequences;
    batch b = {.asked = asked, .predicted = predicted, .labels = labels};
    if (!asked->set)
        return DT_OK;
    DT_TRY(DT_GROW(asked->batch, asked->batch_capacity, sequences * DT_FIT_NEIGHBOURS));
    DT_TRY(DT_GROW(asked->batch_count, asked->count_capacity, sequences));
    DT_TRY(DT_NEW(b.cell, sequences * (size_t)predicted->tax_ranks));
    dt_status status = DT_NEW(b.identical, sequences);
    if (status == DT_OK)
        status = dt_pool_run(asked->pool, ask, &b, predicted->sequences);
    for (int32_t i = 0; status == DT_OK && i < predicted->sequences; ++i)
        if (predicted->has_row[i]) {
            asked->identical += b.identical[i];
            status = append(asked, &b, i);
        }
    free(b.identical);
    free(b.cell);
    return status;
}

/* ---- the fit --------------------------------------------------------------------------------- */

/* Uses of the network and neighbours whose quality is shown. */
enum { NETWORK, NETWORK_AFTER, DEFAULTS, FITTED, USES };

static void show_rank(const dt_run *run, dt_rank_quality quality[USES][DT_MAX_TAX_RANKS], int uses,
                      int32_t r)
{
    char line[256];
    int used = snprintf(line, sizeof line, "%-12s %9lld", run->taxonomy.rank[r].name,
                        (long long)quality[0][r].known);
    for (int u = 0; u < uses && quality[0][r].known; ++u) {
        const dt_rank_quality *q = &quality[u][r];
        used +=
            snprintf(line + used, sizeof line - (size_t)used, " | %8.4f %8.4f %7.4f",
                     (double)q->right / (double)q->known, q->loss > 0.0 ? q->loss : 0.0, q->error);
    }
    dt_info("%s", line);
}

static void show_quality(const dt_run *run, dt_rank_quality quality[USES][DT_MAX_TAX_RANKS],
                         int uses)
{
    static const char *const names[USES] = {"summed lineages", "calibrated", "with neighbours",
                                            "calibrated"};
    char line[2][256];
    int used[2] = {snprintf(line[0], sizeof line[0], "%-22s", ""),
                   snprintf(line[1], sizeof line[1], "%-12s %9s", "Rank", "Sequences")};
    for (int u = 0; u < uses; ++u) {
        used[0] +=
            snprintf(line[0] + used[0], sizeof line[0] - (size_t)used[0], " | %-25s", names[u]);
        used[1] += snprintf(line[1] + used[1], sizeof line[1] - (size_t)used[1], " | %8s %8s %7s",
                            "Accuracy", "NLL", "ECE");
    }
    dt_info("%s", line[0]);
    dt_info("%s", line[1]);
    for (int32_t r = 0; r < run->taxonomy.tax_ranks; ++r)
        show_rank(run, quality, uses, r);
}

/* Measures the uses before and after the fit, with and without neighbours. */
static dt_status measure(const dt_neighbour_heldout *heldout, const dt_run *run, dt_pool *pool)
{
    dt_rank_quality quality[USES][DT_MAX_TAX_RANKS];
    dt_neighbour_heldout before = *heldout;
    const dt_run_neighbours network = {.count = 1, .temperature = 1.0};
    const dt_run_neighbours alone = {.count = 1, .temperature = run->lineage_temperature};
    const dt_run_neighbours defaults = {.count = DT_NEIGHBOURS,
                                        .weight = DT_NEIGHBOUR_WEIGHT,
                                        .exponent = DT_NEIGHBOUR_EXPONENT,
                                        .temperature = 1.0};
    before.decision.temperature[0] = NULL;
    DT_TRY(dt_neighbour_quality(quality[NETWORK], &before, &network, pool));
    DT_TRY(dt_neighbour_quality(quality[NETWORK_AFTER], heldout, &alone, pool));
    if (!heldout->references) {
        show_quality(run, quality, DEFAULTS);
        return DT_OK;
    }
    DT_TRY(dt_neighbour_quality(quality[DEFAULTS], &before, &defaults, pool));
    DT_TRY(dt_neighbour_quality(quality[FITTED], heldout,
                                run->neighbours.count ? &run->neighbours : &defaults, pool));
    show_quality(run, quality, USES);
    return DT_OK;
}

static dt_status fit_novelty(const dt_asked *asked, dt_run *run)
{
    const int32_t ranks = run->taxonomy.tax_ranks;
    dt_novelty_rank rank[DT_MAX_TAX_RANKS];
    DT_TRY(dt_fit_novelty(rank, asked->cell, asked->count, ranks));
    dt_info("Taxa that the references do not have, by the similarity to the nearest of them:");
    dt_info("%-12s %10s %15s %9s %22s", "Rank", "Sequences", "Min-similarity", "Kept",
            "Unassigned if new");
    for (int32_t r = 0; r < ranks; ++r) {
        const double known = rank[r].known ? (double)rank[r].known : 1.0;
        run->neighbours.similarity[r] = rank[r].similarity;
        dt_info("%-12s %10lld %15.4f %9.4f %22.4f%s", run->taxonomy.rank[r].name,
                (long long)rank[r].known, rank[r].similarity, (double)rank[r].kept / known,
                (double)rank[r].novel / known,
                rank[r].known < DT_NOVELTY_ENOUGH ? "  too few sequences of its own" : "");
    }
    run->neighbours.similarities = ranks;
    return DT_OK;
}

static dt_status fit_vote(const dt_neighbour_heldout *heldout, dt_run *run, dt_pool *pool)
{
    dt_run_neighbours *found = &run->neighbours;
    DT_TRY(dt_fit_neighbours(found, heldout, run->lineage_temperature, pool));
    if (found->count)
        dt_info(
            "Neighbours: %d, weight %.4f, exponent %g, temperature of lineages beside them %.4f",
            found->count, found->weight, found->exponent, found->temperature);
    else
        dt_notice("fewer than %d held-out sequences have a label that the model knows: neighbours "
                  "keep their defaults",
                  DT_FIT_ENOUGH);
    return DT_OK;
}

dt_status dt_asked_fit(const dt_asked *asked, const dt_logit_store *store,
                       const dt_class_layout *layout, dt_run *run, dt_pool *pool)
{
    const dt_neighbour_heldout heldout = {
        .decision = {.layout = layout,
                     .statistic_size = sizeof *store->logits,
                     .members = 1,
                     .temperature = {dt_run_has_lineage_layer(run) ? NULL : run->temperature},
                     .lineage = DT_LINEAGE_SUMMED,
                     .lineages = &run->lineages},
        .references = asked->set ? &asked->set->sequences : NULL,
        .logits = store->logits,
        .labels = store->labels,
        .found = asked->found,
        .first = asked->first,
        .count = store->count};
    if (run->lineages.tax_ranks == 0)
        return DT_OK;
    if (asked->identical)
        dt_warn("%lld of %lld held-out sequences are identical to a reference: if the model was "
                "trained with them, what is found is too sure of itself: give sequences that are "
                "not in the training file",
                (long long)asked->identical, (long long)asked->count);
    DT_TRY(dt_fit_lineages(&run->lineage_temperature, &heldout, pool));
    dt_info("Lineages: temperature %.4f", run->lineage_temperature);
    if (asked->set)
        DT_TRY(fit_vote(&heldout, run, pool));
    DT_TRY(measure(&heldout, run, pool));
    return asked->set ? fit_novelty(asked, run) : DT_OK;
}
