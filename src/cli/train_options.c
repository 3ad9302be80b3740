#include "cli/train_options.h"

#include <string.h>

#include "backend.h"
#include "cli/shared_options.h"
#include "run/settings.h"

#define AT(member) offsetof(dt_train_options, member)

static const dt_option data_options[] = {
    {.group = "Input and output",
     .name = "fasta-file",
     .kind = DT_VALUE_TEXT,
     .offset = AT(fasta_file),
     .value = "FILE",
     .help = "sequences: FASTA, plain or compressed; - is standard input (required, or --data)"},
    {.name = "taxonomy-file",
     .kind = DT_VALUE_TEXT,
     .offset = AT(taxonomy_file),
     .value = "FILE",
     .help = "their taxonomy: a table with sequence_id and one column a rank, or QIIME 2's, plain "
             "or compressed (required, or --data)"},
    {.name = "data",
     .kind = DT_VALUE_TEXT,
     .offset = AT(data),
     .value = "DIR",
     .help = "folder written by `deeptaxa prepare`, in place of the two files"},
    {.name = "stream-data",
     .kind = DT_VALUE_FLAG,
     .offset = AT(stream_data),
     .help = "reads the tokens of --data as they are needed, for sets larger than memory; an epoch "
             "then shuffles the shards, and the sequences of a few shards at a time"},
    {.name = "output-dir",
     .kind = DT_VALUE_TEXT,
     .offset = AT(output_dir),
     .value = "DIR",
     .required = true,
     .help = "folder for checkpoints, metrics and logs; made where it is missing"},
    {.name = "config",
     .kind = DT_VALUE_TEXT,
     .offset = AT(parsed.config),
     .value = "FILE",
     .help = "settings from a JSON file: names of these options, or the metrics of an earlier run; "
             "the command line overrides it"},
    {.name = "print-config",
     .kind = DT_VALUE_FLAG,
     .offset = AT(parsed.print_config),
     .help = "prints the options as a file for --config and exits"},
    DT_OPTION_TOKENIZER_FILE(dt_train_options),
    DT_OPTION_NO_NORMALIZE(dt_train_options),
    DT_OPTION_ORIENTATION(dt_train_options),
    {.name = "resume",
     .kind = DT_VALUE_TEXT,
     .offset = AT(resume),
     .value = "CKPT",
     .help = "goes on from this checkpoint; auto: from the newest whole one of --output-dir, or "
             "from the start where there is none"},
    {.name = "reset-lr-on-resume",
     .kind = DT_VALUE_FLAG,
     .offset = AT(reset_lr_on_resume),
     .help = "a resumed run begins its schedule anew, with --learning-rate, "
             "--scheduler-warmup-ratio and --epochs where they are given"},
    {.name = "init-weights",
     .kind = DT_VALUE_TEXT,
     .offset = AT(init_weights),
     .value = "CKPT",
     .help = "a new run starts from this checkpoint's parameters, and its tokenizer without "
             "--tokenizer-file; heads of ranks with another number of labels start afresh"},
    {.name = "keep-checkpoints",
     .kind = DT_VALUE_INT,
     .offset = AT(keep_checkpoints),
     .value = "N",
     .default_value = "0",
     .range = "[0, 1000000]",
     .help = "how many of the newest checkpoints of epochs stay; 0: all"},
    {.name = "save-best-only",
     .kind = DT_VALUE_FLAG,
     .offset = AT(save_best_only),
     .help = "keeps the checkpoint of the epoch with the lowest validation loss; the newest, from "
             "which a run that is stopped goes on, stays until the end"},
    {.name = "save-every-steps",
     .kind = DT_VALUE_INT,
     .offset = AT(save_every_steps),
     .value = "N",
     .default_value = "0",
     .range = "[0, 1000000000]",
     .help = "saves within an epoch, too, every so many updates; the newest of these files stays "
             "until the epoch's is there; 0: not by steps"},
    {.name = "save-every-minutes",
     .kind = DT_VALUE_DOUBLE,
     .offset = AT(save_every_minutes),
     .value = "X",
     .default_value = "0",
     .range = "[0, 1000000]",
     .help = "the same by time; 0: not by time"},
    {0},
};

/* Between the two stand those of run/settings.h. */
static const dt_option further_options[] = {
    {.name = "no-level-weights",
     .kind = DT_VALUE_FLAG,
     .offset = AT(no_level_weights),
     .help = "every rank weighs 1, whatever --level-weights says"},

    {.group = "Exports",
     .name = "export-sequence-embeddings",
     .kind = DT_VALUE_FLAG,
     .offset = AT(export_sequence_embeddings),
     .help = "writes weights/…_sequence_embeddings.h5 for each evaluated epoch: the vector that "
             "the heads read of every validation sequence"},
    {.name = "export-permutation-importance",
     .kind = DT_VALUE_FLAG,
     .offset = AT(export_permutation_importance),
     .help = "writes weights/…_permutation_importance.tsv and .h5 for each evaluated epoch: the "
             "accuracy lost when a region of tokens is exchanged between validation sequences"},
    {.name = "perm-region-size",
     .kind = DT_VALUE_INT,
     .offset = AT(perm_region_size),
     .value = "N",
     .default_value = "0",
     .range = "[0, 65536]",
     .help = "tokens of a region; each region costs an evaluation; 0: a quarter of --max-length"},

    {.group = "Machine",
     .name = "deterministic",
     .kind = DT_VALUE_FLAG,
     .offset = AT(deterministic),
     .help = "equal runs give equal bits; the CPU always does that"},
    DT_OPTION_DEVICE(dt_train_options),
    DT_OPTION_PRECISION(dt_train_options),
    DT_OPTION_ATTENTION(dt_train_options),
    {.name = "gpus",
     .kind = DT_VALUE_INT,
     .offset = AT(gpus),
     .value = "N",
     .default_value = "0",
     .range = "[0, 64]",
     .help = "trains on N GPUs of this machine: starts N processes with mpirun, each on cores near "
             "its GPU"},
    {.name = "ranks",
     .kind = DT_VALUE_INT,
     .offset = AT(ranks),
     .value = "N",
     .default_value = "0",
     .range = "[0, 4096]",
     .help = "starts N processes with mpirun that share this machine's cores"},
    DT_OPTION_THREADS(dt_train_options),
    DT_OPTION_NUM_WORKERS(dt_train_options),
    {.name = "comm",
     .kind = DT_VALUE_CHOICE,
     .offset = AT(comm),
     .default_value = "auto",
     .choices = "auto|mpi|nccl",
     .help = "what sums the gradients of several processes; auto: NCCL where each has a GPU of its "
             "own, else MPI"},
    {.name = "grad-dtype",
     .kind = DT_VALUE_CHOICE,
     .offset = AT(grad_dtype),
     .default_value = "fp32",
     .choices = "fp32|bf16",
     .help = "number format in which gradients go from process to process; bf16 halves the bytes "
             "and rounds each sum to 8 bits"},
    DT_OPTION_COLLECTIVE_TIMEOUT(dt_train_options),
    {.name = "micro-batch-size",
     .kind = DT_VALUE_INT,
     .offset = AT(micro_batch_size),
     .value = "N",
     .default_value = "0",
     .range = "[0, 1048576]",
     .help = "sequences computed at a time, to save memory; 0: chosen from the memory"},
    {.name = "validate-on",
     .kind = DT_VALUE_CHOICE,
     .offset = AT(validate_on),
     .default_value = "all",
     .choices = "all|rank0",
     .help = "ranks that share the validation"},
    {.name = "dry-run",
     .kind = DT_VALUE_FLAG,
     .offset = AT(dry_run),
     .help =
         "reads the input, prints the plan (parameters, labels, steps, memory), trains nothing"},
    DT_OPTION_PROFILE(dt_train_options),
    DT_OPTION_PROFILE_TRACE(dt_train_options),
    DT_OPTION_VERBOSE(dt_train_options),

    {.group = "Taken from DeepTaxa's command lines",
     .name = "tokenizer-name",
     .kind = DT_VALUE_TEXT,
     .offset = AT(tokenizer_name),
     .value = "NAME",
     .help = "a local tokenizer.json or a folder that holds one is used; other names get a notice"},
    {.name = "tokenizer-revision",
     .kind = DT_VALUE_TEXT,
     .value = "TEXT",
     .ignored = "nothing is downloaded while training"},
    DT_OPTION_OUTPUT_ATTENTIONS,
    {0},
};

static dt_status check_input(const dt_train_options *train)
{
    if (!train->data && !train->fasta_file)
        return dt_fail(DT_ERR_USAGE, "missing --fasta-file FILE and --taxonomy-file FILE, or "
                                     "--data DIR: the sequences to train on");
    if (train->data && (train->fasta_file || train->taxonomy_file))
        return dt_fail(DT_ERR_USAGE,
                       "--data: excludes --fasta-file and --taxonomy-file; the folder holds both");
    if (train->data && train->tokenizer_file)
        return dt_fail(DT_ERR_USAGE,
                       "--tokenizer-file: excluded by --data, whose sequences are tokenised");
    if (train->data && train->no_normalize)
        return dt_fail(DT_ERR_USAGE,
                       "--no-normalize: excluded by --data; it belongs to `deeptaxa prepare`");
    if (train->data && dt_option_given(&train->parsed, "orientation"))
        return dt_fail(DT_ERR_USAGE,
                       "--orientation: excluded by --data; it belongs to `deeptaxa prepare`");
    if (train->stream_data && !train->data)
        return dt_fail(DT_ERR_USAGE, "--stream-data: streams the shards of --data: `deeptaxa "
                                     "prepare` makes them");
    if (train->fasta_file && !train->taxonomy_file)
        return dt_fail(DT_ERR_USAGE, "missing --taxonomy-file FILE: the taxonomy of the sequences");
    return DT_OK;
}

static dt_status check_ranks(const dt_train_options *train)
{
    char device[16];
    dt_option_choice(&dt_train_command, "device", train->device, device, sizeof device);
    if (train->gpus > 0 && train->ranks > 0)
        return dt_fail(DT_ERR_USAGE, "--gpus and --ranks: give one of them, --gpus N for a process "
                                     "on each of N GPUs, --ranks N for N without");
    if (train->gpus > 0 && strcmp(device, "cpu") == 0)
        return dt_fail(DT_ERR_USAGE,
                       "--gpus %d with --device cpu: --ranks starts processes that "
                       "compute on the CPU",
                       (int)train->gpus);
    return DT_OK;
}

static dt_status check_kernels(const dt_model_config *config)
{
    for (int32_t k = 0; k < config->kernels; ++k)
        if (config->width[k] % 2 == 0)
            return dt_fail(DT_ERR_USAGE,
                           "--kernel-sizes: %d is even; a width must be odd, so that the kernel "
                           "has a middle",
                           config->width[k]);
    return DT_OK;
}

static dt_status check_level_weights(const dt_run_settings *settings)
{
    double sum = 0;
    for (int32_t r = 0; r < settings->level_weight_count; ++r)
        sum += settings->level_weight[r];
    if (settings->level_weight_count > 0 && sum <= 0)
        return dt_fail(DT_ERR_USAGE, "--level-weights: at least one must be above 0");
    return DT_OK;
}

static dt_status check_start(const dt_train_options *train)
{
    const bool automatic = train->resume && strcmp(train->resume, "auto") == 0;
    if (train->reset_lr_on_resume && (!train->resume || automatic))
        return dt_fail(DT_ERR_USAGE,
                       "--reset-lr-on-resume: needs --resume with the name of a checkpoint%s",
                       automatic ? ": with auto each start would reset it again" : "");
    if (train->init_weights && train->resume && !automatic)
        return dt_fail(DT_ERR_USAGE, "--init-weights and --resume: a run that is resumed has its "
                                     "weights: give one of them");
    return DT_OK;
}

static dt_status check_exports(const dt_train_options *train)
{
    if (dt_option_given(&train->parsed, "perm-region-size") &&
        !train->export_permutation_importance)
        return dt_fail(DT_ERR_USAGE,
                       "--perm-region-size: belongs to --export-permutation-importance");
    return DT_OK;
}

/* What evaluations are for, where there is none. */
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
                           "--%s and --val-split 0: nothing is evaluated where no sequences "
                           "validate: leave one of them out",
                           needs[i].flag);
    return DT_OK;
}

static dt_status check_kept(const dt_train_options *train)
{
    if (train->save_best_only && train->keep_checkpoints > 0)
        return dt_fail(DT_ERR_USAGE, "--save-best-only and --keep-checkpoints: give one of them");
    return DT_OK;
}

/* A run that is resumed by name: its checkpoint has the settings that are not given. */
static bool resumes_by_name(const dt_train_options *train)
{
    return train->resume && strcmp(train->resume, "auto") != 0;
}

static dt_status check_loss(const dt_train_options *train)
{
    const dt_run_settings *asked = &train->asked.settings;
    const bool type_known = !resumes_by_name(train) || dt_option_given(&train->parsed, "loss-type");
    if (asked->focal_weight && type_known && asked->loss_type != DT_LOSS_FOCAL)
        return dt_fail(DT_ERR_USAGE, "--focal-weight: belongs to --loss-type focal; the cross "
                                     "entropy takes --class-weights");
    if (asked->focal_weight && asked->class_weights != DT_CLASS_WEIGHTS_NONE)
        return dt_fail(DT_ERR_USAGE, "--focal-weight and --class-weights: give one");
    return DT_OK;
}

static dt_status check_encoding(const dt_train_options *train)
{
    if (train->asked.config.encoding != DT_ENCODING_ONEHOT)
        return DT_OK;
    if (train->tokenizer_file)
        return dt_fail(DT_ERR_USAGE, "--tokenizer-file with --encoding onehot: bases need no "
                                     "tokenizer: leave one of them out");
    if (resumes_by_name(train))
        return DT_OK;
    if (train->asked.config.type != DT_MODEL_CNN)
        return dt_fail(DT_ERR_USAGE, "--encoding onehot: needs --model-type cnn; the encoder of "
                                     "the other types reads tokens");
    if (dt_option_given(&train->parsed, "embed-dim") &&
        train->asked.config.embed_dim != DT_ONEHOT_CHANNELS)
        return dt_fail(DT_ERR_USAGE,
                       "--embed-dim %d with --encoding onehot: bases have %d channels and no "
                       "embedding: leave the flag out",
                       train->asked.config.embed_dim, DT_ONEHOT_CHANNELS);
    return DT_OK;
}

static bool knows_sizes(const dt_train_options *train)
{
    return !resumes_by_name(train) || (dt_option_given(&train->parsed, "hidden-size") &&
                                       dt_option_given(&train->parsed, "num-attention-heads"));
}

static dt_status check(const void *parsed)
{
    const dt_train_options *train = parsed;
    const dt_model_config *config = &train->asked.config;
    DT_TRY(check_input(train));
    DT_TRY(check_encoding(train));
    DT_TRY(check_ranks(train));
    if (dt_model_has_encoder(config) && knows_sizes(train) && config->hidden % config->heads)
        return dt_fail(DT_ERR_USAGE,
                       "--hidden-size %d: must be a multiple of --num-attention-heads, which is %d",
                       config->hidden, config->heads);
    DT_TRY(check_kernels(&train->asked.config));
    DT_TRY(check_loss(train));
    DT_TRY(check_kept(train));
    DT_TRY(check_evaluated(train));
    DT_TRY(check_exports(train));
    DT_TRY(check_start(train));
    return train->no_level_weights ? DT_OK : check_level_weights(&train->asked.settings);
}

const dt_command dt_train_command = {
    .name = "train",
    .summary = "Trains a classifier on FASTA and taxonomy: checkpoints, metrics and logs go to the "
               "output folder.",
    .usage = "--fasta-file FILE --taxonomy-file FILE --output-dir DIR [options]",
    .tables = {DT_OPTION_TABLE(data_options),
               {dt_settings, sizeof *dt_settings, offsetof(dt_train_options, asked)},
               DT_OPTION_TABLE(further_options)},
    .options_size = sizeof(dt_train_options),
    .check = check,
    .examples = {"deeptaxa train --fasta-file train.fna.gz --taxonomy-file train.tsv.gz "
                 "--output-dir outputs/training",
                 "deeptaxa train --data shards --output-dir outputs/small --hidden-size 128 "
                 "--num-attention-heads 4 --epochs 6"},
};
