#include "cli/references.h"

#include <stdlib.h>
#include <string.h>

#include "cli/input.h"
#include "cli/training_set.h"
#include "core/log.h"
#include "core/memory.h"
#include "io/output.h"
#include "run/references_file.h"
#include "run/references_of.h"

/* Replaces the classes of the dataset by those of the model, -1 where it has none. */
static void renumber(const dt_taxonomy *model, dt_dataset *dataset)
{
    const int32_t ranks = model->tax_ranks;
    for (int64_t i = 0; i < dataset->count * ranks; ++i) {
        const int32_t r = (int32_t)(i % ranks);
        dataset->labels[i] =
            dt_model_class(model, r, dataset->taxonomy.rank[r].label[dataset->labels[i]]);
    }
}

/* Builds the tree of the lineages that the model knows at all ranks. */
static dt_status build_lineages(dt_run *run, const dt_dataset *dataset)
{
    const int32_t ranks = run->taxonomy.tax_ranks;
    int32_t *known;
    int64_t count = 0;
    DT_TRY(DT_NEW(known, (size_t)(dataset->count * ranks)));
    for (int64_t i = 0; i < dataset->count; ++i) {
        const int32_t *labels = dataset->labels + i * ranks;
        int32_t r = 0;
        while (r < ranks && labels[r] >= 0)
            ++r;
        if (r == ranks)
            memcpy(known + count++ * ranks, labels, (size_t)ranks * sizeof *labels);
    }
    const dt_status status =
        count > 0 ? dt_lineage_tree_build(&run->lineages, known, count, ranks)
                  : dt_fail(DT_ERR_INPUT,
                            "%s: the model knows the labels of none of its sequences at all ranks: "
                            "give references with the taxonomy of the training",
                            dataset->fasta_file);
    free(known);
    return status;
}

/* Sets *count to the number of lineages, of `known` ones, that have a reference. */
static dt_status count_lineages(int64_t *count, const dt_reference_set *set, int64_t known)
{
    bool *seen;
    DT_TRY(DT_NEW(seen, (size_t)known));
    for (int32_t i = 0; i < set->sequences.count; ++i) {
        *count += !seen[set->sequences.leaf[i]];
        seen[set->sequences.leaf[i]] = true;
    }
    free(seen);
    return DT_OK;
}

static dt_status add(dt_run *run, dt_dataset *dataset, dt_reference_set *set)
{
    char text[4][DT_NUMBER_SIZE];
    int64_t left_out;
    int64_t lineages = 0;
    DT_TRY(dt_check_model_ranks(&run->taxonomy, dataset, "give references with these ranks"));
    renumber(&run->taxonomy, dataset);
    if (run->lineages.tax_ranks == 0)
        DT_TRY(build_lineages(run, dataset));
    DT_TRY(dt_references_of(set, dataset, &run->lineages, &left_out));
    if (left_out)
        dt_warn("%s: %lld of %lld sequences are left out, because the model does not know a label "
                "of theirs or their lineage",
                dataset->fasta_file, (long long)left_out, (long long)dataset->count);
    dt_run_set_references(run, set);
    DT_TRY(count_lineages(&lineages, set, dt_lineage_tree_lineages(&run->lineages)));
    dt_info("References: %s sequences, %s of them different, from %s; they are of %s lineages, the "
            "model knows %s",
            dt_with_commas(set->total, text[0]), dt_with_commas(set->sequences.count, text[1]),
            dataset->fasta_file, dt_with_commas(lineages, text[2]),
            dt_with_commas(dt_lineage_tree_lineages(&run->lineages), text[3]));
    return DT_OK;
}

dt_status dt_add_references(dt_run *run, const char *fasta_file, const char *taxonomy_file,
                            int threads, dt_reference_set *set)
{
    dt_dataset dataset;
    const dt_input input = {.fasta_file = fasta_file,
                            .taxonomy_file = taxonomy_file,
                            .encoding = run->config.encoding,
                            .tokenizer_json = run->tokenizer_json,
                            .tokenizer_json_name = run->settings.tokenizer_name,
                            .trained = true,
                            .normalize = run->settings.normalize,
                            .orient = run->strand.sorted && run->strand.profile,
                            .strand = run->strand.profile,
                            .threads = threads};
    *set = (dt_reference_set){0};
    DT_TRY(dt_read_input(&input, &dataset));
    const dt_status status = add(run, &dataset, set);
    dt_dataset_free(&dataset);
    return status;
}
