/* deeptaxa prepare: FASTA and taxonomy to shards. */
#include "cli/prepare_options.h"

#include "cli/input.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "io/shards.h"

static dt_status write_locked(const dt_prepare_options *options, const dt_dataset *dataset)
{
    int lock;
    DT_TRY(dt_make_folder(options->output_dir));
    DT_TRY(dt_lock_folder(options->output_dir, &lock));
    const dt_status status =
        dt_shards_write(options->output_dir, dataset, options->sequences_per_shard);
    dt_unlock_folder(lock);
    return status;
}

static dt_status prepare_into(const dt_prepare_options *options, dt_dataset *dataset)
{
    const double start = dt_seconds();
    DT_TRY(dt_read_input(&(dt_input){.fasta_file = options->fasta_file,
                                     .taxonomy_file = options->taxonomy_file,
                                     .tokenizer_file = options->tokenizer_file,
                                     .normalize = !options->no_normalize,
                                     .threads = options->threads},
                         dataset));
    DT_TRY(write_locked(options, dataset));
    dt_info("wrote %lld sequences, %lld tokens, %d ranks to %s in %.1f s",
            (long long)dataset->count, (long long)dataset->offsets[dataset->count],
            (int)dataset->taxonomy.tax_ranks, options->output_dir, dt_seconds() - start);
    return DT_OK;
}

dt_status dt_command_prepare(const dt_prepare_options *options)
{
    dt_dataset dataset = {0};
    DT_TRY(dt_check_folder(options->output_dir));
    const dt_status status = prepare_into(options, &dataset);
    dt_dataset_free(&dataset);
    return status;
}
