#include "cli/train_options.h"

#include <string.h>

#include "backend.h"
#include "cli/shared_options.h"
#include "run/run.h"

#define AT(member) offsetof(dt_train_options, member)

static const dt_option options[] = {
    {.group = "Input and output",
     .name = "fasta-file",
     .kind = DT_OPTION_TEXT,
     .offset = AT(fasta_file),
     .value = "FILE",
     .help = "sequences: FASTA, plain or compressed; - is standard input (required, or --data)"},
    {.name = "taxonomy-file",
     .kind = DT_OPTION_TEXT,
     .offset = AT(taxonomy_file),
     .value = "FILE",
     .help = "their taxonomy: a table with sequence_id and one column a rank, or QIIME 2's, plain "
             "or compressed (required, or --data)"},
    {.name = "data",
     .kind = DT_OPTION_TEXT,
     .offset = AT(data),
     .value = "DIR",
     .help = "folder written by `deeptaxa prepare`, in place of the two files"},
    {.name = "stream-data",
     .kind = DT_OPTION_FLAG,
     .offset = AT(stream_data),
     .help = "reads the tokens of --data as they are needed, for sets larger than memory; an epoch "
             "then shuffles the shards, and the sequences of a few shards at a time"},
    {.name = "output-dir",
     .kind = DT_OPTION_TEXT,
     .offset = AT(output_dir),
     .value = "DIR",
     .required = true,
     .help = "folder for checkpoints, metrics and logs; made where it is missing"},
    DT_OPTION_TOKENIZER_FILE(dt_train_options),
    DT_OPTION_NO_NORMALIZE(dt_train_options),
    DT_OPTION_ORIENTATION(dt_train_options),
    {.name = "resume",
     .kind = DT_OPTION_TEXT,
     .offset = AT(resume),
     .value = "CKPT",
     .help = "goes on from this checkpoint; auto: from the newest whole one of --output-dir, or "
             "from the start where there is none"},
    {.name = "reset-lr-on-resume",
     .kind = DT_OPTION_FLAG,
     .offset = AT(reset_lr_on_resume),
     .help = "a resumed run begins its schedule anew, with --learning-rate, "
             "--scheduler-warmup-ratio and --epochs where they are given"},
    {.name = "init-weights",
     .kind = DT_OPTION_TEXT,
     .offset = AT(init_weights),
     .value = "CKPT",
     .help = "a new run starts from this checkpoint's parameters, and its tokenizer without "
             "--tokenizer-file; heads of ranks with another number of labels start afresh"},
    {.name = "keep-checkpoints",
     .kind = DT_OPTION_INT,
     .offset = AT(keep_checkpoints),
     .value = "N",
     .preset = "0",
     .range = "[0, 1000000]",
     .help = "how many of the newest checkpoints of epochs stay; 0: all"},
    {.name = "save-best-only",
     .kind = DT_OPTION_FLAG,
     .offset = AT(save_best_only),
     .help = "keeps the checkpoint of the epoch with the lowest validation loss; the newest, from "
             "which a run that is stopped goes on, stays until the end"},
    {.name = "save-every-steps",
     .kind = DT_OPTION_INT,
     .offset = AT(save_every_steps),
     .value = "N",
     .preset = "0",
     .range = "[0, 1000000000]",
     .help = "saves within an epoch, too, every so many updates; the newest of these files stays "
             "until the epoch's is there; 0: not by steps"},
    {.name = "save-every-minutes",
     .kind = DT_OPTION_DOUBLE,
     .offset = AT(save_every_minutes),
     .value = "X",
     .preset = "0",
     .range = "[0, 1000000]",
     .help = "the same by time; 0: not by time"},

    {.group = "Model",
     .name = "model-type",
     .kind = DT_OPTION_CHOICE,
     .offset = AT(model_type),
     .preset = "hybridcnnbert",
     .choices = "hybridcnnbert|bert|cnn",
     .help = "architecture: encoder and CNN, or one of them"},
    DT_OPTION_ENCODING(dt_train_options),
    {.name = "max-length",
     .kind = DT_OPTION_INT,
     .offset = AT(max_length),
     .value = "N",
     .preset = "512",
     .range = "[3, 65536]",
     .help = "tokens of a sequence that are read, specials included; with --encoding onehot bases"},
    {.name = "embed-dim",
     .kind = DT_OPTION_INT,
     .offset = AT(embed_dim),
     .value = "N",
     .preset = "896",
     .range = "[1, 65536]",
     .help = "channels of the CNN's embedding; with --encoding onehot there is none, and 4 "
             "channels"},
    {.name = "num-filters",
     .kind = DT_OPTION_INT,
     .offset = AT(num_filters),
     .value = "N",
     .preset = "256",
     .range = "[1, 65536]",
     .help = "filters of each kernel width"},
    {.name = "kernel-sizes",
     .kind = DT_OPTION_INTS,
     .offset = AT(kernel_sizes),
     .value = "N",
     .preset = "3 5 7",
     .range = "[1, 255]",
     .help = "kernel widths in tokens, odd"},
    {.name = "num-conv-layers",
     .kind = DT_OPTION_INT,
     .offset = AT(num_conv_layers),
     .value = "N",
     .preset = "1",
     .range = "[1, 64]",
     .help = "convolution layers"},
    {.name = "hidden-size",
     .kind = DT_OPTION_INT,
     .offset = AT(hidden_size),
     .value = "N",
     .preset = "896",
     .range = "[1, 65536]",
     .help = "channels of the encoder; a multiple of --num-attention-heads"},
    {.name = "num-hidden-layers",
     .kind = DT_OPTION_INT,
     .offset = AT(num_hidden_layers),
     .value = "N",
     .preset = "4",
     .range = "[1, 240]", /* DT_MAX_ENCODER_LAYERS */
     .help = "encoder layers"},
    {.name = "num-attention-heads",
     .kind = DT_OPTION_INT,
     .offset = AT(num_attention_heads),
     .value = "N",
     .preset = "7",
     .range = "[1, 4095]",
     .help = "attention heads"},
    {.name = "intermediate-size",
     .kind = DT_OPTION_INT,
     .offset = AT(intermediate_size),
     .value = "N",
     .preset = "3584",
     .range = "[1, 1048576]",
     .help = "channels inside the encoder's feed-forward"},
    {.name = "hidden-dropout-prob",
     .kind = DT_OPTION_DOUBLE,
     .offset = AT(hidden_dropout_prob),
     .value = "P",
     .preset = "0.2",
     .range = "[0, 1)",
     .help = "dropout probability"},
    {.name = "mask-padding",
     .kind = DT_OPTION_FLAG,
     .offset = AT(mask_padding),
     .help = "keeps padded positions out of the CNN's maximum (the published models do not)"},

    {.group = "Training",
     .name = "epochs",
     .kind = DT_OPTION_INT,
     .offset = AT(epochs),
     .value = "N",
     .preset = "10",
     .range = "[1, 1000000]",
     .help = "passes over the training part"},
    {.name = "batch-size",
     .kind = DT_OPTION_INT,
     .offset = AT(batch_size),
     .value = "N",
     .preset = "64",
     .range = "[1, 1048576]",
     .help = "sequences of one update"},
    {.name = "accum-steps",
     .kind = DT_OPTION_INT,
     .offset = AT(accum_steps),
     .value = "N",
     .preset = "1",
     .range = "[1, 65536]",
     .help = "batches whose gradients are added up for one update"},
    {.name = "learning-rate",
     .kind = DT_OPTION_DOUBLE,
     .offset = AT(learning_rate),
     .value = "X",
     .preset = "5e-4",
     .range = "(0, inf)",
     .help = "highest learning rate, reached after the warm-up"},
    {.name = "optimizer-betas",
     .kind = DT_OPTION_DOUBLES,
     .offset = AT(optimizer_betas),
     .value = "X",
     .preset = "0.9 0.999",
     .range = "[0, 1)",
     .count = 2,
     .help = "AdamW: decay of the two running means"},
    {.name = "optimizer-eps",
     .kind = DT_OPTION_DOUBLE,
     .offset = AT(optimizer_eps),
     .value = "X",
     .preset = "1e-8",
     .range = "(0, inf)",
     .help = "AdamW: added to the denominator"},
    {.name = "optimizer-weight-decay",
     .kind = DT_OPTION_DOUBLE,
     .offset = AT(optimizer_weight_decay),
     .value = "X",
     .preset = "0.01",
     .range = "[0, inf)",
     .help = "AdamW: decoupled weight decay"},
    {.name = "scheduler-warmup-ratio",
     .kind = DT_OPTION_DOUBLE,
     .offset = AT(scheduler_warmup_ratio),
     .value = "X",
     .preset = "0.1",
     .range = "[0, 1)",
     .help = "share of the updates in which the learning rate rises; then it falls to zero"},
    {.name = "max-grad-norm",
     .kind = DT_OPTION_DOUBLE,
     .offset = AT(max_grad_norm),
     .value = "X",
     .preset = "0.5",
     .range = "(0, inf)",
     .help = "gradients with a larger L2 norm are scaled down to it"},
    {.name = "seed",
     .kind = DT_OPTION_INT,
     .offset = AT(seed),
     .value = "N",
     .preset = "42",
     .range = "[0, 4294967295]",
     .help = "of the split, the initial values, the order and the dropout"},
    {.name = "val-split",
     .kind = DT_OPTION_DOUBLE,
     .offset = AT(val_split),
     .value = "X",
     .preset = "0.2",
     .range = "[0, 1)",
     .help = "share of the sequences that validate; 0: all train, and nothing is evaluated"},
    {.name = "eval-every",
     .kind = DT_OPTION_INT,
     .offset = AT(eval_every),
     .value = "N",
     .preset = "1",
     .range = "[1, 1000000]",
     .help = "epochs from one evaluation to the next"},
    {.name = "early-stopping-patience",
     .kind = DT_OPTION_INT,
     .offset = AT(early_stopping_patience),
     .value = "N",
     .preset = "0",
     .range = "[0, 1000000]",
     .help = "ends the training after N evaluations in a row that did not improve the validation "
             "loss; 0: never"},
    {.name = "early-stopping-min-delta",
     .kind = DT_OPTION_DOUBLE,
     .offset = AT(early_stopping_min_delta),
     .value = "X",
     .preset = "0.001",
     .range = "[0, inf)",
     .help = "what the validation loss must fall by to be an improvement"},
    {.name = "loss-type",
     .kind = DT_OPTION_CHOICE,
     .offset = AT(loss_type),
     .preset = "cross_entropy",
     .choices = "cross_entropy|focal",
     .help = "loss; focal counts what is classified well already for less"},
    {.name = "focal-gamma",
     .kind = DT_OPTION_DOUBLE,
     .offset = AT(focal_gamma),
     .value = "X",
     .preset = "2",
     .range = "[0, inf)",
     .help = "focal loss: (1 - e^-l)^X times the cross entropy l"},
    {.name = "focal-reduction",
     .kind = DT_OPTION_CHOICE,
     .offset = AT(focal_reduction),
     .preset = "mean",
     .choices = "mean|sum",
     .help = "focal loss: of a batch"},
    {.name = "focal-weight",
     .kind = DT_OPTION_TEXT,
     .offset = AT(focal_weight),
     .value = "LISTS",
     .help = "focal loss: weights of the classes, comma-separated in the order of label2id.json, "
             "the lists of the ranks separated by ';' (one list where it fits every rank)"},
    {.name = "level-weights",
     .kind = DT_OPTION_DOUBLES,
     .offset = AT(level_weights),
     .value = "X",
     .range = "[0, inf)",
     .help = "weight of each taxonomic rank's loss, first rank first (default: all 1)"},
    {.name = "no-level-weights",
     .kind = DT_OPTION_FLAG,
     .offset = AT(no_level_weights),
     .help = "every rank weighs 1, whatever --level-weights says"},
    {.name = "class-weights",
     .kind = DT_OPTION_CHOICE,
     .offset = AT(class_weights),
     .preset = "none",
     .choices = "none|inverse|sqrt_inverse",
     .help = "weighs a class of n of the N training sequences and C classes of a rank with "
             "N/(C n), or its square root"},

    {.group = "Exports",
     .name = "export-sequence-embeddings",
     .kind = DT_OPTION_FLAG,
     .offset = AT(export_sequence_embeddings),
     .help = "writes weights/…_sequence_embeddings.h5 for each evaluated epoch: the vector that "
             "the heads read of every validation sequence"},
    {.name = "export-permutation-importance",
     .kind = DT_OPTION_FLAG,
     .offset = AT(export_permutation_importance),
     .help = "writes weights/…_permutation_importance.tsv and .h5 for each evaluated epoch: the "
             "accuracy lost when a region of tokens is exchanged between validation sequences"},
    {.name = "perm-region-size",
     .kind = DT_OPTION_INT,
     .offset = AT(perm_region_size),
     .value = "N",
     .preset = "0",
     .range = "[0, 65536]",
     .help = "tokens of a region; each region costs an evaluation; 0: a quarter of --max-length"},

    {.group = "Machine",
     .name = "deterministic",
     .kind = DT_OPTION_FLAG,
     .offset = AT(deterministic),
     .help = "equal runs give equal bits; the CPU always does that"},
    DT_OPTION_DEVICE(dt_train_options),
    DT_OPTION_PRECISION(dt_train_options),
    DT_OPTION_ATTENTION(dt_train_options),
    {.name = "gpus",
     .kind = DT_OPTION_INT,
     .offset = AT(gpus),
     .value = "N",
     .preset = "0",
     .range = "[0, 64]",
     .help = "trains on N GPUs of this machine: starts N processes with mpirun, each on cores near "
             "its GPU"},
    {.name = "ranks",
     .kind = DT_OPTION_INT,
     .offset = AT(ranks),
     .value = "N",
     .preset = "0",
     .range = "[0, 4096]",
     .help = "starts N processes with mpirun that share this machine's cores"},
    DT_OPTION_THREADS(dt_train_options),
    DT_OPTION_NUM_WORKERS(dt_train_options),
    {.name = "comm",
     .kind = DT_OPTION_CHOICE,
     .offset = AT(comm),
     .preset = "auto",
     .choices = "auto|mpi|nccl",
     .help = "what sums the gradients of several processes; auto: NCCL where each has a GPU of its "
             "own, else MPI"},
    {.name = "grad-dtype",
     .kind = DT_OPTION_CHOICE,
     .offset = AT(grad_dtype),
     .preset = "fp32",
     .choices = "fp32|bf16",
     .help = "number format in which gradients go from process to process; bf16 halves the bytes "
             "and rounds each sum to 8 bits"},
    DT_OPTION_COLLECTIVE_TIMEOUT(dt_train_options),
    {.name = "micro-batch-size",
     .kind = DT_OPTION_INT,
     .offset = AT(micro_batch_size),
     .value = "N",
     .preset = "0",
     .range = "[0, 1048576]",
     .help = "sequences computed at a time, to save memory; 0: chosen from the memory"},
    {.name = "validate-on",
     .kind = DT_OPTION_CHOICE,
     .offset = AT(validate_on),
     .preset = "all",
     .choices = "all|rank0",
     .help = "ranks that share the validation"},
    {.name = "dry-run",
     .kind = DT_OPTION_FLAG,
     .offset = AT(dry_run),
     .help =
         "reads the input, prints the plan (parameters, labels, steps, memory), trains nothing"},
    DT_OPTION_PROFILE(dt_train_options),
    DT_OPTION_PROFILE_TRACE(dt_train_options),
    DT_OPTION_VERBOSE(dt_train_options),

    {.group = "Taken from DeepTaxa's command lines",
     .name = "tokenizer-name",
     .kind = DT_OPTION_TEXT,
     .offset = AT(tokenizer_name),
     .value = "NAME",
     .help = "a local tokenizer.json or a folder that holds one is used; other names get a notice"},
    {.name = "tokenizer-revision",
     .kind = DT_OPTION_TEXT,
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

static dt_status check_kernels(const dt_ints *kernels)
{
    if (kernels->count > DT_MAX_KERNELS)
        return dt_fail(DT_ERR_USAGE, "--kernel-sizes: takes at most %d widths", DT_MAX_KERNELS);
    for (int i = 0; i < kernels->count; ++i)
        if (kernels->value[i] % 2 == 0)
            return dt_fail(DT_ERR_USAGE,
                           "--kernel-sizes: %d is even; a width must be odd, so that the kernel "
                           "has a middle",
                           (int)kernels->value[i]);
    return DT_OK;
}

static dt_status check_level_weights(const dt_doubles *weights)
{
    double sum = 0;
    for (int i = 0; i < weights->count; ++i)
        sum += weights->value[i];
    if (weights->count && sum <= 0)
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
        {"early-stopping-patience", train->early_stopping_patience > 0},
        {"save-best-only", train->save_best_only},
        {"export-sequence-embeddings", train->export_sequence_embeddings},
        {"export-permutation-importance", train->export_permutation_importance},
        {"eval-every", dt_option_given(&train->parsed, "eval-every")},
        {"validate-on", dt_option_given(&train->parsed, "validate-on")},
    };
    if (train->val_split > 0)
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

static dt_status check_loss(const dt_train_options *train)
{
    if (train->focal_weight && train->loss_type != DT_LOSS_FOCAL)
        return dt_fail(DT_ERR_USAGE, "--focal-weight: belongs to --loss-type focal; the cross "
                                     "entropy takes --class-weights");
    if (train->focal_weight && train->class_weights != DT_CLASS_WEIGHTS_NONE)
        return dt_fail(DT_ERR_USAGE, "--focal-weight and --class-weights: give one");
    return DT_OK;
}

/* Of a run that is resumed its checkpoint knows type and sizes. */
static dt_status check_encoding(const dt_train_options *train)
{
    const bool resumes = train->resume && strcmp(train->resume, "auto") != 0;
    if (train->encoding != DT_ENCODING_ONEHOT)
        return DT_OK;
    if (train->tokenizer_file)
        return dt_fail(DT_ERR_USAGE, "--tokenizer-file with --encoding onehot: bases need no "
                                     "tokenizer: leave one of them out");
    if (resumes)
        return DT_OK;
    if (train->model_type != DT_MODEL_TYPE_CNN)
        return dt_fail(DT_ERR_USAGE, "--encoding onehot: needs --model-type cnn; the encoder of "
                                     "the other types reads tokens");
    if (dt_option_given(&train->parsed, "embed-dim") && train->embed_dim != DT_ONEHOT_CHANNELS)
        return dt_fail(DT_ERR_USAGE,
                       "--embed-dim %d with --encoding onehot: bases have %d channels and no "
                       "embedding: leave the flag out",
                       (int)train->embed_dim, DT_ONEHOT_CHANNELS);
    return DT_OK;
}

/* Of a run that is resumed by name the checkpoint has the sizes that are not given. */
static bool knows_sizes(const dt_train_options *train)
{
    return !train->resume || strcmp(train->resume, "auto") == 0 ||
           (dt_option_given(&train->parsed, "hidden-size") &&
            dt_option_given(&train->parsed, "num-attention-heads"));
}

static dt_status check(const void *parsed)
{
    const dt_train_options *train = parsed;
    DT_TRY(check_input(train));
    DT_TRY(check_encoding(train));
    DT_TRY(check_ranks(train));
    if (train->model_type != DT_MODEL_TYPE_CNN && knows_sizes(train) &&
        train->hidden_size % train->num_attention_heads)
        return dt_fail(DT_ERR_USAGE,
                       "--hidden-size %d: must be a multiple of --num-attention-heads, which is %d",
                       (int)train->hidden_size, (int)train->num_attention_heads);
    DT_TRY(check_kernels(&train->kernel_sizes));
    DT_TRY(check_loss(train));
    DT_TRY(check_kept(train));
    DT_TRY(check_evaluated(train));
    DT_TRY(check_exports(train));
    DT_TRY(check_start(train));
    return train->no_level_weights ? DT_OK : check_level_weights(&train->level_weights);
}

const dt_command dt_train_command = {
    .name = "train",
    .summary = "Trains a classifier on FASTA and taxonomy: checkpoints, metrics and logs go to the "
               "output folder.",
    .usage = "--fasta-file FILE --taxonomy-file FILE --output-dir DIR [options]",
    .options = options,
    .options_size = sizeof(dt_train_options),
    .check = check,
    .examples = {"deeptaxa train --fasta-file train.fna.gz --taxonomy-file train.tsv.gz "
                 "--output-dir outputs/training",
                 "deeptaxa train --data shards --output-dir outputs/small --hidden-size 128 "
                 "--num-attention-heads 4 --epochs 6"},
};
