#include "cli/training_set.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/input.h"
#include "cli/threads.h"
#include "core/log.h"
#include "core/memory.h"

int32_t dt_model_class(const dt_taxonomy *model, int32_t r, const char *label)
{
    const char empty[] = {(char)tolower((unsigned char)model->rank[r].name[0]), '_', '_', '\0'};
    const int32_t class = dt_taxonomy_class(model, r, label);
    if (class >= 0 || strcmp(label, DT_UNCLASSIFIED) != 0)
        return class;
    return dt_taxonomy_class(model, r, empty);
}

dt_status dt_check_model_ranks(const dt_taxonomy *model, const dt_dataset *dataset,
                               const char *advice)
{
    const dt_taxonomy *given = &dataset->taxonomy;
    bool same = given->tax_ranks == model->tax_ranks;
    for (int32_t r = 0; same && r < model->tax_ranks; ++r)
        same = strcasecmp(given->rank[r].name, model->rank[r].name) == 0;
    if (!same)
        return dt_fail(DT_ERR_INPUT, "%s: its taxonomic ranks are not those of the model: %s",
                       dataset->taxonomy_file ? dataset->taxonomy_file : dataset->fasta_file,
                       advice);
    return DT_OK;
}

/* Replaces the classes of the dataset by those of the model. */
static dt_status renumber(const dt_taxonomy *model, dt_dataset *dataset)
{
    const int32_t ranks = model->tax_ranks;
    DT_TRY(dt_check_model_ranks(model, dataset, "give the files of the training"));
    for (int64_t i = 0; i < dataset->count * ranks; ++i) {
        const int32_t r = (int32_t)(i % ranks);
        const char *label = dataset->taxonomy.rank[r].label[dataset->labels[i]];
        dataset->labels[i] = dt_model_class(model, r, label);
        if (dataset->labels[i] < 0)
            return dt_fail(DT_ERR_INPUT,
                           "%s: the model does not know the %s '%.100s' of sequence %.100s: give "
                           "the files of the training",
                           dataset->taxonomy_file, model->rank[r].name, label,
                           dt_dataset_id(dataset, i / ranks));
    }
    return DT_OK;
}

/* The lengths of the sequences of the training part, or of all if the run knows no split. */
static dt_status add_lengths(dt_run *run, const dt_dataset *dataset)
{
    int64_t *all;
    if (run->split.training_count > 0)
        return dt_length_quantiles_of(&run->lengths, dataset, run->split.training,
                                      run->split.training_count);
    DT_TRY(DT_NEW(all, (size_t)dataset->count));
    for (int64_t i = 0; i < dataset->count; ++i)
        all[i] = i;
    const dt_status status = dt_length_quantiles_of(&run->lengths, dataset, all, dataset->count);
    free(all);
    return status;
}

static dt_status say(const dt_run *run, const dt_run *before, const char *fasta_file)
{
    dt_text added = {0};
    dt_status status = DT_OK;
    if (before->lineages.tax_ranks == 0)
        status =
            dt_text_addf(&added, "%d lineages, ", (int)dt_lineage_tree_lineages(&run->lineages));
    if (status == DT_OK && !before->strand.profile)
        status = dt_text_addf(&added, "strand profile, ");
    if (status == DT_OK && !before->lengths.known)
        status =
            dt_text_addf(&added, "lengths (%lld to %lld bases), ", (long long)run->lengths.bases[0],
                         (long long)run->lengths.bases[DT_LENGTH_QUANTILES - 1]);
    if (status == DT_OK)
        dt_info("Added from %s: %.*s", fasta_file, (int)added.length - 2, added.data);
    dt_text_free(&added);
    return status;
}

static dt_status add(dt_run *run, dt_dataset *dataset)
{
    const dt_run before = *run; /* not owned: what was there */
    const int64_t trained = run->settings.total_sequences;
    if (trained > 0 && trained != dataset->count)
        return dt_fail(DT_ERR_INPUT,
                       "%s: has %lld sequences, but the model was trained and validated with %lld: "
                       "give the files of the training",
                       dataset->fasta_file, (long long)dataset->count, (long long)trained);
    DT_TRY(renumber(&run->taxonomy, dataset));
    if (before.lineages.tax_ranks == 0)
        DT_TRY(dt_lineage_tree_build(&run->lineages, dataset->labels, dataset->count,
                                     run->taxonomy.tax_ranks));
    if (!before.strand.profile)
        DT_TRY(dt_strand_info_copy(&run->strand, &dataset->strand));
    if (!before.lengths.known)
        DT_TRY(add_lengths(run, dataset));
    return say(run, &before, dataset->fasta_file);
}

dt_status dt_add_training_set(dt_run *run, const char *fasta_file, const char *taxonomy_file)
{
    char note[DT_THREAD_NOTE];
    dt_dataset dataset;
    dt_input input = {.fasta_file = fasta_file,
                      .taxonomy_file = taxonomy_file,
                      .encoding = run->config.encoding,
                      .tokenizer_json = run->tokenizer_json,
                      .tokenizer_json_name = run->settings.tokenizer_name,
                      .trained = true,
                      .normalize = run->settings.normalize};
    if (run->lineages.tax_ranks > 0 && run->strand.profile && run->lengths.known)
        return dt_fail(DT_ERR_USAGE, "--fasta-file: the checkpoint has the lineages, strand and "
                                     "lengths of its training sequences: omit the flag");
    DT_TRY(dt_plan_threads(&(dt_thread_wish){.ranks = {1, 1}}, &input.threads, note));
    if (note[0])
        dt_notice("%s", note);
    DT_TRY(dt_read_input(&input, &dataset));
    const dt_status status = add(run, &dataset);
    dt_dataset_free(&dataset);
    return status;
}
