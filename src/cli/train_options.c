#include "cli/train_options.h"

#include <string.h>

#include "backend.h"
#include "cli/primer_options.h"
#include "cli/shared_options.h"
#include "run/settings.h"

#define LARGEST_BATCH 1048576 /* that of --batch-size */
#define AT(member) offsetof(dt_train_options, member)

static const dt_option data_options[] = {
    {.group = "Input and output",
     .name = "fasta-file",
     .kind = DT_VALUE_TEXT,
     .offset = AT(fasta_file),
     .may_differ = true,
     .value = "FILE",
     .reads = true,
     .help = "sequences in FASTA, plain or compressed; -: standard input (required without "
             "--data)"},
    {.name = "taxonomy-file",
     .kind = DT_VALUE_TEXT,
     .offset = AT(taxonomy_file),
     .may_differ = true,
     .value = "FILE",
     .reads = true,
     .help = "taxonomy: a table with sequence_id and one column per rank, or QIIME 2 format, plain "
             "or compressed (default: the lineages in the headers of --fasta-file)"},
    {.name = "data",
     .kind = DT_VALUE_TEXT,
     .offset = AT(data),
     .may_differ = true,
     .value = "DIR",
     .holds = "dataset.json tokenizer.json shard_*.h5",
     .help = "directory written by `deeptaxa prepare`, instead of the two files"},
    {.name = "stream-data",
     .kind = DT_VALUE_FLAG,
     .offset = AT(stream_data),
     .help = "read the tokens of --data during training, for datasets larger than memory; each "
             "epoch then shuffles the shards, and the sequences within groups of a few shards"},
    {.name = "output-dir",
     .kind = DT_VALUE_TEXT,
     .offset = AT(output_dir),
     .may_differ = true,
     .value = "DIR",
     .holds = "deeptaxa_uuid.txt train.log train_rank*.log report.html checkpoints/deeptaxa_* "
              "metrics/deeptaxa_* metadata/deeptaxa_* weights/deeptaxa_*",
     .required = true,
     .help = "directory for checkpoints, metrics and logs; created if missing"},
    {.name = "config",
     .kind = DT_VALUE_TEXT,
     .offset = AT(parsed.config),
     .value = "FILE",
     .reads = true,
     .help = "read options from a JSON file, either written by --print-config or the metrics of an "
             "earlier run; the command line overrides them"},
    {.name = "print-config",
     .kind = DT_VALUE_FLAG,
     .offset = AT(parsed.print_config),
     .may_differ = true,
     .help = "print the options in the format of --config and exit"},
    DT_OPTION_TOKENIZER_FILE(dt_train_options),
    DT_OPTION_NO_NORMALIZE(dt_train_options),
    DT_OPTION_ORIENTATION(dt_train_options),
    DT_OPTIONS_OF_PRIMERS(dt_train_options, NULL),
    {.name = "resume",
     .kind = DT_VALUE_TEXT,
     .offset = AT(resume),
     .value = "CKPT",
     .reads = true,
     .holds = DT_CHECKPOINTS_OF_RUN,
     .help =
         "resume from this checkpoint (.h5, or .pt of DeepTaxa); auto: the newest complete one in "
         "--output-dir, or a new run"},
    {.name = "reset-lr-on-resume",
     .kind = DT_VALUE_FLAG,
     .offset = AT(reset_lr_on_resume),
     .help = "restart the learning-rate schedule of the resumed run, with --learning-rate, "
             "--scheduler-warmup-ratio and --epochs if given"},
    {.name = "init-weights",
     .kind = DT_VALUE_TEXT,
     .offset = AT(init_weights),
     .may_differ = true,
     .value = "CKPT",
     .reads = true,
     .holds = DT_CHECKPOINTS_OF_RUN,
     .help =
         "initialise a new run with the parameters of this checkpoint (.h5, or .pt of DeepTaxa) "
         "and (without --tokenizer-file) its tokenizer; heads with a different number of labels "
         "are "
         "initialised randomly"},
    {.name = "store-references",
     .kind = DT_VALUE_FLAG,
     .offset = AT(store_references),
     .help =
         "keep the training sequences with the model, for predict --neighbours: a model that is "
         "shared then publishes them"},
    {.name = "expect-sha256",
     .kind = DT_VALUE_TEXT,
     .offset = AT(expect_sha256),
     .value = "HEX",
     .help = "refuse the checkpoint of --init-weights or --resume if its file has another SHA-256"},
    {.name = "keep-checkpoints",
     .kind = DT_VALUE_INT,
     .offset = AT(keep_checkpoints),
     .value = "N",
     .default_value = "0",
     .range = "[0, 1000000]",
     .help = "number of newest epoch checkpoints to keep; 0: all"},
    {.name = "save-best-only",
     .kind = DT_VALUE_FLAG,
     .offset = AT(save_best_only),
     .help = "keep only the epoch checkpoint with the lowest validation loss and, until the end of "
             "the run, the newest one (to resume from)"},
    {.name = "save-every-steps",
     .kind = DT_VALUE_INT,
     .offset = AT(save_every_steps),
     .value = "N",
     .default_value = "0",
     .range = "[0, 1000000000]",
     .help = "also save every N updates within an epoch; only the newest of these checkpoints is "
             "kept, until the end of the epoch; 0: off"},
    {.name = "save-every-minutes",
     .kind = DT_VALUE_DOUBLE,
     .offset = AT(save_every_minutes),
     .value = "X",
     .default_value = "0",
     .range = "[0, 1000000]",
     .help = "the same every X minutes; 0: off"},
    {0},
};

/* The options after those of run/settings.h. */
static const dt_option further_options[] = {
    {.name = "batch-size-per-rank",
     .kind = DT_VALUE_INT,
     .offset = AT(batch_size_per_rank),
     .value = "N",
     .default_value = "0",
     .range = "[0, 1048576]",
     .help = "instead of --batch-size: batches of N sequences for each rank of a new run; 0: "
             "--batch-size counts"},
    {.name = "no-level-weights",
     .kind = DT_VALUE_FLAG,
     .offset = AT(no_level_weights),
     .help = "use weight 1 for every taxonomic rank; overrides --level-weights"},

    {.group = "Exports",
     .name = "export-sequence-embeddings",
     .kind = DT_VALUE_FLAG,
     .offset = AT(export_sequence_embeddings),
     .help = "for each evaluated epoch, write the embeddings of the validation sequences (input of "
             "the heads) to weights/…_sequence_embeddings.h5"},
    {.name = "export-permutation-importance",
     .kind = DT_VALUE_FLAG,
     .offset = AT(export_permutation_importance),
     .help = "for each evaluated epoch, write the loss of accuracy when a region of tokens is "
             "permuted between validation sequences to weights/…_permutation_importance.tsv and "
             ".h5"},
    {.name = "perm-region-size",
     .kind = DT_VALUE_INT,
     .offset = AT(perm_region_size),
     .value = "N",
     .default_value = "0",
     .range = "[0, 65536]",
     .help = "tokens per region; each region costs an evaluation; 0: a quarter of --max-length"},
    {.name = "no-report",
     .kind = DT_VALUE_FLAG,
     .offset = AT(no_report),
     .help = "do not write report.html, the charts of the run, into --output-dir"},
    {.name = "tensorboard",
     .kind = DT_VALUE_FLAG,
     .offset = AT(tensorboard),
     .help = "also write losses, learning rate, gradient norm, throughput, metrics and settings to "
             "tensorboard/ in --output-dir, for TensorBoard"},

    {.group = "Machine",
     .name = "deterministic",
     .kind = DT_VALUE_FLAG,
     .offset = AT(deterministic),
     .help = "make runs reproducible bit for bit; always the case on the CPU; on a GPU, algorithms "
             "of matrix products are not chosen by timing"},
    DT_OPTION_DEVICE(dt_train_options),
    DT_OPTION_PRECISION(dt_train_options),
    DT_OPTION_ATTENTION(dt_train_options),
    {.name = "gpus",
     .kind = DT_VALUE_INT,
     .offset = AT(gpus),
     .value = "N",
     .default_value = "0",
     .range = "[0, 64]",
     .help = "train on N GPUs of this machine: start N processes with mpiexec, each bound to cores "
             "near its GPU"},
    {.name = "ranks",
     .kind = DT_VALUE_INT,
     .offset = AT(ranks),
     .value = "N",
     .default_value = "0",
     .range = "[0, 4096]",
     .help = "start N processes with mpiexec, which share this machine's cores"},
    {.name = "hosts",
     .kind = DT_VALUE_TEXT,
     .offset = AT(hosts),
     .value = "HOST:N,…",
     .help = "start N processes on each of these machines, with mpiexec over ssh (docs/cloud.md)"},
    DT_OPTION_THREADS(dt_train_options),
    DT_OPTION_NUM_WORKERS(dt_train_options),
    {.name = "comm",
     .kind = DT_VALUE_CHOICE,
     .offset = AT(comm),
     .default_value = "auto",
     .choices = "auto|mpi|nccl",
     .help = "library for the sum of gradients over processes; auto: NCCL if each process has its "
             "own GPU, else MPI"},
    {.name = "grad-dtype",
     .kind = DT_VALUE_CHOICE,
     .offset = AT(grad_dtype),
     .default_value = "fp32",
     .choices = "fp32|bf16",
     .help = "number format for the communication of gradients; bf16 halves the traffic and rounds "
             "sums to 8 bits"},
    {.name = "shard-optimizer",
     .kind = DT_VALUE_FLAG,
     .offset = AT(shard_optimizer),
     .help = "divide the optimizer's state among the processes of a host, which needs less memory "
             "on each; the results are the same"},
    DT_OPTION_COLLECTIVE_TIMEOUT(dt_train_options),
    {.name = "micro-batch-size",
     .kind = DT_VALUE_INT,
     .offset = AT(micro_batch_size),
     .value = "N",
     .default_value = "0",
     .range = "[0, 1048576]",
     .help = "sequences that a process computes at a time; fewer need less memory; 0: chosen "
             "automatically"},
    {.name = "validate-on",
     .kind = DT_VALUE_CHOICE,
     .offset = AT(validate_on),
     .default_value = "all",
     .choices = "all|rank0",
     .help = "processes that compute the validation"},
    {.name = "dry-run",
     .kind = DT_VALUE_FLAG,
     .offset = AT(dry_run),
     .help = "read the input, print the plan (parameters, labels, steps, memory) and exit"},
    {.name = "preflight-only",
     .kind = DT_VALUE_FLAG,
     .offset = AT(preflight_only),
     .help =
         "do all that precedes the first step, check the processes and their sums, print a table "
         "of them and exit; nothing is written"},
    DT_OPTION_PROFILE(dt_train_options),
    DT_OPTION_PROFILE_TRACE(dt_train_options),
    DT_OPTION_VERBOSE(dt_train_options),
    DT_OPTIONS_OF_MESSAGES(dt_train_options),

    {.group = "DeepTaxa options for compatibility (without effect unless stated)",
     .name = "tokenizer-name",
     .kind = DT_VALUE_TEXT,
     .offset = AT(tokenizer_name),
     .value = "NAME",
     .reads = true,
     .holds = "tokenizer.json",
     .help = "used if it is a local tokenizer.json or a directory that contains one; "
             "zhihan1996/DNABERT-2-117M: the installed one; otherwise ignored with a notice"},
    {.name = "tokenizer-revision",
     .kind = DT_VALUE_TEXT,
     .value = "TEXT",
     .ignored = "nothing is downloaded"},
    DT_OPTION_OUTPUT_ATTENTIONS,
    {0},
};

static dt_status check_input(const dt_train_options *train)
{
    if (!train->data && !train->fasta_file)
        return dt_fail(DT_ERR_USAGE, "missing training sequences: give --fasta-file FILE and, "
                                     "if its headers have no lineages, --taxonomy-file FILE; or "
                                     "--data DIR");
    if (train->data && (train->fasta_file || train->taxonomy_file))
        return dt_fail(DT_ERR_USAGE, "--data cannot be combined with --fasta-file or "
                                     "--taxonomy-file: the directory contains both");
    if (train->data && train->tokenizer_file)
        return dt_fail(DT_ERR_USAGE, "--tokenizer-file cannot be combined with --data, whose "
                                     "sequences are already tokenised");
    if (train->data && train->no_normalize)
        return dt_fail(DT_ERR_USAGE, "--no-normalize cannot be combined with --data: give it to "
                                     "`deeptaxa prepare`");
    if (train->data && dt_option_given(&train->parsed, "orientation"))
        return dt_fail(DT_ERR_USAGE, "--orientation cannot be combined with --data: give it to "
                                     "`deeptaxa prepare`");
    if (train->data && (train->region || train->forward_primer || train->reverse_primer))
        return dt_fail(DT_ERR_USAGE,
                       "--region and primers cannot be combined with --data: give them "
                       "to `deeptaxa prepare`");
    DT_TRY(dt_check_primers(train->region, train->forward_primer, train->reverse_primer));
    if (train->stream_data && !train->data)
        return dt_fail(DT_ERR_USAGE, "--stream-data requires --data with shards written by "
                                     "`deeptaxa prepare`");
    return DT_OK;
}

/* A file of --print-config has both. */
static dt_status check_batch_size(const dt_train_options *train)
{
    const dt_parsed *parsed = &train->parsed;
    const bool same_origin =
        dt_option_typed(parsed, "batch-size") == dt_option_typed(parsed, "batch-size-per-rank");
    if (train->batch_size_per_rank > 0 && same_origin && dt_option_given(parsed, "batch-size") &&
        (dt_option_typed(parsed, "batch-size") ||
         train->asked.settings.batch_size != DT_RATE_SEQUENCES))
        return dt_fail(DT_ERR_USAGE,
                       "--batch-size-per-rank cannot be combined with --batch-size: the batch of "
                       "the run is that of all ranks together");
    return DT_OK;
}

dt_status dt_train_batch_size(dt_train_options *options, int32_t ranks)
{
    const int row = dt_command_find(&dt_train_command, "batch-size", strlen("batch-size"));
    const int64_t batch = options->batch_size_per_rank * ranks;
    if (dt_option_typed(&options->parsed, "batch-size"))
        options->batch_size_per_rank = 0;
    if (options->batch_size_per_rank == 0)
        return DT_OK;
    if (batch > LARGEST_BATCH)
        return dt_fail(DT_ERR_USAGE,
                       "--batch-size-per-rank %lld: a batch of %lld sequences on %d ranks is more "
                       "than %d",
                       (long long)options->batch_size_per_rank, (long long)batch, ranks,
                       LARGEST_BATCH);
    options->asked.settings.batch_size = (int32_t)batch;
    options->parsed.origin[row] = DT_FROM_DEFAULT; /* not that of a file */
    return DT_OK;
}

const char *dt_train_hosts(const dt_train_options *options)
{
    return options->hosts && strcmp(options->hosts, "none") != 0 ? options->hosts : NULL;
}

static dt_status check_ranks(const dt_train_options *train)
{
    char device[16];
    dt_option_choice(&dt_train_command, "device", train->device, device, sizeof device);
    if (train->gpus > 0 && train->ranks > 0)
        return dt_fail(DT_ERR_USAGE, "--gpus cannot be combined with --ranks: --gpus N starts a "
                                     "process per GPU, --ranks N starts N processes without");
    if (dt_train_hosts(train) && (train->gpus > 0 || train->ranks > 0))
        return dt_fail(DT_ERR_USAGE,
                       "--hosts cannot be combined with --gpus or --ranks: it says how "
                       "many processes to start on each machine");
    if (train->gpus > 0 && strcmp(device, "cpu") == 0)
        return dt_fail(DT_ERR_USAGE,
                       "--gpus %d cannot be combined with --device cpu: use --ranks for processes "
                       "on the CPU",
                       (int)train->gpus);
    return DT_OK;
}

static dt_status check_kernels(const dt_model_config *config)
{
    for (int32_t k = 0; k < config->kernels; ++k)
        if (config->width[k] % 2 == 0)
            return dt_fail(DT_ERR_USAGE,
                           "--kernel-sizes %d: widths must be odd, so that a kernel has a centre",
                           config->width[k]);
    return DT_OK;
}

static dt_status check_level_weights(const dt_run_settings *settings)
{
    double sum = 0;
    for (int32_t r = 0; r < settings->level_weight_count; ++r)
        sum += settings->level_weight[r];
    if (settings->level_weight_count > 0 && sum <= 0)
        return dt_fail(DT_ERR_USAGE, "--level-weights: at least one weight must be above 0");
    return DT_OK;
}

static dt_status check_start(const dt_train_options *train)
{
    const bool automatic = train->resume && strcmp(train->resume, "auto") == 0;
    if (train->reset_lr_on_resume && (!train->resume || automatic))
        return dt_fail(DT_ERR_USAGE,
                       "--reset-lr-on-resume requires --resume with the name of a checkpoint%s",
                       automatic ? ": with auto, every start would reset the schedule" : "");
    if (train->init_weights && train->resume && !automatic)
        return dt_fail(DT_ERR_USAGE, "--init-weights cannot be combined with --resume: a resumed "
                                     "run already has weights");
    if (train->expect_sha256 && !train->init_weights && (!train->resume || automatic))
        return dt_fail(DT_ERR_USAGE, "--expect-sha256 requires --init-weights or --resume with the "
                                     "name of a checkpoint");
    return DT_OK;
}

static dt_status check_exports(const dt_train_options *train)
{
    if (train->perm_region_size > 0 && !train->export_permutation_importance)
        return dt_fail(DT_ERR_USAGE, "--perm-region-size requires --export-permutation-importance");
    return DT_OK;
}

/* Options that depend on evaluations require validation sequences. */
static dt_status check_evaluated(const dt_train_options *train)
{
    const struct {
        const char *flag;
        bool given;
    } needs[] = {
        {"early-stopping-patience", train->asked.settings.early_stopping_patience > 0},
        {"save-best-only", train->save_best_only},
        {"export-sequence-embeddings", train->export_sequence_embeddings},
        {"export-permutation-importance", train->export_permutation_importance},
        {"eval-every", dt_option_typed(&train->parsed, "eval-every")},
        {"validate-on", dt_option_typed(&train->parsed, "validate-on")},
    };
    if (dt_run_validates(&train->asked.settings))
        return DT_OK;
    for (size_t i = 0; i < sizeof needs / sizeof *needs; ++i)
        if (needs[i].given)
            return dt_fail(DT_ERR_USAGE,
                           "--%s cannot be combined with --val-split 0: without validation "
                           "sequences there is no evaluation",
                           needs[i].flag);
    return DT_OK;
}

static dt_status check_purpose(const dt_train_options *train)
{
    if (train->dry_run && train->preflight_only)
        return dt_fail(DT_ERR_USAGE, "--preflight-only cannot be combined with --dry-run, which "
                                     "reserves no memory and sums nothing");
    return DT_OK;
}

static dt_status check_kept(const dt_train_options *train)
{
    if (train->save_best_only && train->keep_checkpoints > 0)
        return dt_fail(DT_ERR_USAGE, "--save-best-only cannot be combined with --keep-checkpoints");
    return DT_OK;
}

/* A run that is resumed has the settings that are not given, and refuses others. */
static bool resumes(const void *parsed)
{
    return ((const dt_train_options *)parsed)->resume;
}

static dt_status check_loss(const dt_train_options *train)
{
    const dt_run_settings *asked = &train->asked.settings;
    const bool type_known = !train->resume || dt_option_given(&train->parsed, "loss-type");
    if (asked->focal_weight && type_known && asked->loss_type != DT_LOSS_FOCAL)
        return dt_fail(DT_ERR_USAGE, "--focal-weight requires --loss-type focal; the cross "
                                     "entropy takes --class-weights");
    if (asked->focal_weight && asked->class_weights != DT_CLASS_WEIGHTS_NONE)
        return dt_fail(DT_ERR_USAGE, "--focal-weight cannot be combined with --class-weights");
    return DT_OK;
}

static dt_status check_encoding(const dt_train_options *train)
{
    const dt_model_config *config = &train->asked.config;
    if (train->resume)
        return DT_OK;
    if (dt_model_has_bag(config) && config->encoding != DT_ENCODING_ONEHOT)
        return dt_fail(DT_ERR_USAGE,
                       "--encoding %s cannot be combined with --model-type kmer, "
                       "which reads bases: use --encoding onehot",
                       dt_encoding_name(config->encoding));
    if (config->encoding != DT_ENCODING_ONEHOT)
        return DT_OK;
    if (train->tokenizer_file)
        return dt_fail(DT_ERR_USAGE, "--tokenizer-file cannot be combined with --encoding onehot, "
                                     "which needs no tokenizer");
    if (dt_model_has_encoder(config))
        return dt_fail(DT_ERR_USAGE, "--encoding onehot requires --model-type cnn or kmer: the "
                                     "BERT encoder of the other types reads tokens");
    if (dt_model_has_cnn(config) && dt_option_typed(&train->parsed, "embed-dim") &&
        train->asked.config.embed_dim != DT_ONEHOT_CHANNELS)
        return dt_fail(DT_ERR_USAGE,
                       "--embed-dim %d cannot be combined with --encoding onehot, which has %d "
                       "channels and no embedding: omit --embed-dim",
                       train->asked.config.embed_dim, DT_ONEHOT_CHANNELS);
    return DT_OK;
}

static dt_status check_sizes(const dt_train_options *train)
{
    const dt_model_config *config = &train->asked.config;
    if (!train->resume && dt_model_has_encoder(config) && config->hidden % config->heads)
        return dt_fail(DT_ERR_USAGE,
                       "--hidden-size %d: must be a multiple of --num-attention-heads (%d)",
                       config->hidden, config->heads);
    return check_kernels(config);
}

static dt_status check(const void *parsed)
{
    const dt_train_options *train = parsed;
    DT_TRY(check_input(train));
    DT_TRY(check_encoding(train));
    DT_TRY(check_batch_size(train));
    DT_TRY(check_ranks(train));
    DT_TRY(check_sizes(train));
    DT_TRY(check_loss(train));
    DT_TRY(check_purpose(train));
    DT_TRY(check_kept(train));
    DT_TRY(check_evaluated(train));
    DT_TRY(check_exports(train));
    DT_TRY(check_start(train));
    return train->no_level_weights ? DT_OK : check_level_weights(&train->asked.settings);
}

const dt_command dt_train_command = {
    .name = "train",
    .summary = "Trains a classifier on sequences with known taxonomy, and writes checkpoints, "
               "metrics and logs.",
    .usage = "--fasta-file FILE --taxonomy-file FILE --output-dir DIR [options]",
    .tables = {DT_OPTION_TABLE(data_options),
               {dt_settings, sizeof *dt_settings, offsetof(dt_train_options, asked)},
               DT_OPTION_TABLE(further_options)},
    .options_size = sizeof(dt_train_options),
    .check = check,
    .resumes = resumes,
    .tells_unused = true,
    .deeptaxa_names =
        "fasta-file taxonomy-file model-type batch-size epochs learning-rate val-split seed "
        "output-dir reset-lr-on-resume resume init-weights eval-every accum-steps focal-gamma "
        "level-weights num-workers optimizer-betas optimizer-eps optimizer-weight-decay "
        "scheduler-warmup-ratio export-sequence-embeddings export-permutation-importance "
        "perm-region-size focal-weight focal-reduction encoding loss-type no-level-weights "
        "save-best-only mask-padding early-stopping-patience early-stopping-min-delta "
        "class-weights verbose " DT_DEEPTAXA_MODEL_NAMES,
    .examples = {"deeptaxa train --fasta-file train.fna.gz --taxonomy-file train.tsv.gz "
                 "--output-dir outputs/training",
                 "deeptaxa train --data shards --output-dir outputs/small --hidden-size 128 "
                 "--num-attention-heads 4 --epochs 6"},
};
