/* deeptaxa prepare: FASTA and taxonomy to shards. */
#include "cli/prepare_options.h"

#include <limits.h>

#include "cli/input.h"
#include "cli/shared_options.h"
#include "cli/threads.h"
#include "comm.h"
#include "cli/stop_signal.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "core/output_folder.h"
#include "data/shards.h"

static dt_status write_locked(const dt_prepare_options *options, const dt_dataset *dataset)
{
    dt_output_folder folder;
    dt_stop_signal_watch(); /* the shards so far go, too */
    dt_status status = dt_output_folder_make(&folder, options->output_dir);
    if (status == DT_OK)
        status = dt_output_folder_lock(&folder);
    if (status == DT_OK) {
        dt_remove_unfinished(options->output_dir);
        status = dt_shards_write(options->output_dir, dataset, options->sequences_per_shard);
    }
    dt_output_folder_close(&folder, status);
    return status == DT_STOPPED ? dt_stopped_for_good() : status;
}

/* As the plan of a training shows them. */
static dt_status show_ranks(const dt_dataset *dataset)
{
    dt_text text = {0};
    const dt_status status = dt_dataset_show_ranks(&text, dataset);
    if (status == DT_OK)
        dt_info_lines(text.data);
    dt_text_free(&text);
    return status;
}

/* Every process tokenises its part, world_rank 0 writes. Collective; *agreed as in dt_agree(). */
static dt_status prepare_into(const dt_prepare_options *options, dt_comm *comm, dt_dataset *dataset,
                              bool *agreed)
{
    const double start = dt_seconds();
    dt_thread_wish wish = {.asked = options->threads};
    char note[DT_THREAD_NOTE];
    char folder[PATH_MAX]; /* for a temporary file: --output-dir does not exist yet */
    int threads;
    dt_primers primers;
    dt_status status = DT_OK;
    const dt_status chosen = dt_primers_choose(&primers, options->region, options->forward_primer,
                                               options->reverse_primer);
    DT_TRY(dt_agree(comm, chosen, agreed));
    DT_TRY(dt_agree(comm, dt_check_folder(options->output_dir), agreed));
    DT_TRY(dt_agree(comm, dt_existing_folder(options->output_dir, folder), agreed));
    DT_TRY(dt_ranks_share(comm, &wish.ranks));
    DT_TRY(dt_agree(comm, dt_plan_threads(&wish, &threads, note), agreed));
    DT_TRY(dt_read_input(&(dt_input){.fasta_file = options->fasta_file,
                                     .taxonomy_file = options->taxonomy_file,
                                     .encoding = (dt_encoding)options->encoding,
                                     .tokenizer_file = options->tokenizer_file,
                                     .normalize = !options->no_normalize,
                                     .orient = options->orientation == DT_ORIENTATION_AUTO,
                                     .primers = primers,
                                     .threads = threads,
                                     .comm = comm,
                                     .token_folder = folder,
                                     .agreed = agreed},
                         dataset));
    if (note[0])
        dt_notice("%s", note);
    if (comm->world_rank == 0)
        status = show_ranks(dataset);
    if (status == DT_OK && comm->world_rank == 0)
        status = write_locked(options, dataset);
    DT_TRY(dt_agree(comm, status, agreed)); /* nobody leaves before the shards are there */
    dt_info("wrote %lld sequences, %lld %s, %d ranks to %s in %.1f s", (long long)dataset->count,
            (long long)dataset->offsets[dataset->count],
            dataset->encoding == DT_ENCODING_ONEHOT ? "bases" : "tokens",
            (int)dataset->taxonomy.tax_ranks, options->output_dir, dt_seconds() - start);
    return DT_OK;
}

static dt_status run(const void *parsed)
{
    const dt_prepare_options *options = parsed;
    dt_dataset dataset = {0};
    dt_comm *comm;
    bool agreed = false;
    dt_outlive_log_reader();
    DT_TRY(
        dt_comm_open(&(dt_comm_options){.collective_timeout = options->collective_timeout}, &comm));
    dt_log_quiet(comm->world_rank != 0);
    const dt_status status = prepare_into(options, comm, &dataset, &agreed);
    if (status != DT_OK && !agreed)
        comm->ops->abort(comm, status, dt_error_message());
    if (status != DT_OK && comm->world_size > 1)
        dt_command_report_error(options);
    dt_dataset_free(&dataset);
    comm->ops->destroy(comm);
    return status;
}

int main(int argc, char **argv)
{
    dt_prepare_options options;
    return dt_command_main(&dt_prepare_command, argc, argv, &options, run);
}
