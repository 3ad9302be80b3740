#include "cli/predict_options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/shared_options.h"
#include "neighbours/use.h"
#include "predict/results.h"

#define AT(member) offsetof(dt_predict_options, member)

/* Flags that describe the model, which DeepTaxa requires for prediction. Here they are in the
 * checkpoint. */
#define IN_CHECKPOINT(flag, option_kind)                                                           \
    {                                                                                              \
        .name = (flag), .kind = (option_kind), .value = "N", .ignored = "the checkpoint decides"   \
    }

static const dt_option options[] = {
    {.group = "Input and output",
     .name = "fasta-file",
     .kind = DT_VALUE_TEXT,
     .offset = AT(fasta_file),
     .value = "FILE",
     .reads = true,
     .required = true,
     .help = "sequences in FASTA, or reads in FASTQ (their quality is not used), plain or "
             "compressed; -: standard input"},
    {.name = "checkpoint",
     .kind = DT_VALUE_TEXTS,
     DT_OPTION_LIST(dt_predict_options, checkpoint, dt_texts),
     .value = "CKPT",
     .reads = true,
     .holds = DT_CHECKPOINTS_OF_RUN,
     .required = true,
     .help =
         "trained model (.h5, or .pt of DeepTaxa), or the --output-dir of a training, whose newest "
         "checkpoint is used; the probabilities of several models with the same labels and "
         "tokenizer are averaged (ensemble)"},
    {.name = "expect-sha256",
     .kind = DT_VALUE_TEXTS,
     DT_OPTION_LIST(dt_predict_options, expect_sha256, dt_texts),
     .value = "HEX",
     .help = "refuse the checkpoint if its file has another SHA-256; one for each checkpoint"},
    DT_OPTION_MODEL_TOKENIZER(dt_predict_options),
    {.name = "taxonomy-file",
     .kind = DT_VALUE_TEXT,
     .offset = AT(taxonomy_file),
     .value = "FILE",
     .reads = true,
     .help = "true taxonomy of the sequences; metrics are then written to metrics.json"},
    {.name = "output-dir",
     .kind = DT_VALUE_TEXT,
     .offset = AT(output_dir),
     .value = "DIR",
     .holds = "deeptaxa_uuid.txt metrics.json *_deeptaxa_predictions.* "
              "*_deeptaxa_sequence_embeddings.h5",
     .default_value = ".",
     .help = "directory for the results; created if missing"},
    {.name = "tabular",
     .kind = DT_VALUE_FLAG,
     .offset = AT(tabular),
     .help = "also write the results as a table (TSV)"},
    {.name = "tabular-fields",
     .kind = DT_VALUE_CHOICES,
     DT_OPTION_LIST(dt_predict_options, tabular_fields, dt_ints),
     .default_value = "predicted,raw_score,entropy,true,agreement",
     .choices = DT_COLUMN_NAMES,
     .needs = {.option = "tabular"},
     .help = "columns of the table for each taxonomic rank; nearest and "
             "similarity, with --neighbours, are of the sequence"},

    {.name = "format",
     .kind = DT_VALUE_CHOICES,
     DT_OPTION_LIST(dt_predict_options, format, dt_ints),
     .default_value = "deeptaxa",
     .choices = DT_FORMAT_NAMES,
     .help =
         "also write files for other programs: a table for `qiime tools import` (qiime2) or "
         "the artifact itself (qza), dada2's matrix, vsearch's SINTAX table, BIOM 1.0, Kraken's "
         "report. Lineages in them end before the first rank below --confidence-threshold "
         "(default there: 0.7)"},

    {.name = "export-sequence-embeddings",
     .kind = DT_VALUE_FLAG,
     .offset = AT(export_sequence_embeddings),
     .help = "write the embeddings of all sequences (input of the heads) to "
             "…_sequence_embeddings.h5"},

    {.group = "Prediction",
     .name = "min-length",
     .kind = DT_VALUE_INT,
     .offset = AT(min_length),
     .value = "N",
     .default_value = "0",
     .range = "[0, 1000000000]",
     .help = "exclude sequences with fewer than N bases (after normalisation) from the results"},
    {.name = "top-k",
     .kind = DT_VALUE_INT,
     .offset = AT(top_k),
     .value = "N",
     .default_value = "3",
     .range = "[1, 1000]",
     .needs = {.option = "taxonomy-file"},
     .help = "count a true label among the N most probable ones as correct in top-k accuracy"},
    {.name = "confidence-threshold",
     .kind = DT_VALUE_DOUBLE,
     .offset = AT(confidence_threshold),
     .value = "P",
     .default_value = "0.95",
     .range = "[0, 1]",
     .help = "score from which a prediction's confidence_threshold_flag is true"},
    {.name = "level-temperatures",
     .kind = DT_VALUE_DOUBLES,
     DT_OPTION_LIST(dt_predict_options, level_temperatures, dt_doubles),
     .value = "X",
     .range = "[1e-6, 1e6]",
     .help = "divisors of the logits, one per taxonomic rank, in the order of the ranks (default: "
             "those stored in the checkpoint by `deeptaxa calibrate`, else 1)"},
    {.name = "use-raw-labels-for-true",
     .kind = DT_VALUE_FLAG,
     .offset = AT(use_raw_labels_for_true),
     .help = "no effect: comparisons always use the labels in the taxonomy file"},
    {.name = "orientation",
     .kind = DT_VALUE_CHOICE,
     .offset = AT(orientation),
     .choices = "forward|auto",
     .help = "auto: reverse-complement sequences that are not on the strand of the training "
             "sequences (default: as in training)"},
    {.name = "extract",
     .kind = DT_VALUE_CHOICE,
     .offset = AT(extract),
     .default_value = "none",
     .choices = "none|auto",
     .help = "auto: cut sequences with both primers of the model (`train --region`) to the region; "
             "the others are predicted as they are"},
    {.name = "lineage",
     .kind = DT_VALUE_CHOICE,
     .offset = AT(lineage),
     .default_value = "independent",
     .choices = "independent|consistent|summed",
     .help =
         "independent: the most probable label at each rank; consistent: the lineage of the "
         "training "
         "set with the largest product of probabilities; summed: the one whose labels, from the "
         "first rank on, have the most probable lineages together. With --format for other "
         "programs "
         "the default is summed for models of --loss-type lineage or `calibrate`, else consistent"},

    {.group = "Neighbours",
     .name = "neighbours",
     .kind = DT_VALUE_TEXT,
     .offset = AT(neighbours),
     .value = "K",
     .default_value = "off",
     .help =
         "mix the network's probabilities of lineages with the vote of the K nearest references "
         "of the model (train --store-references, calibrate --add-references), by shared "
         "8-mers; auto: K that calibrate found, else 20; off: the network alone"},
    {.name = "neighbour-weight",
     .kind = DT_VALUE_DOUBLE,
     .offset = AT(neighbour_weight),
     .value = "P",
     .range = "[0, 1]",
     .help = "share of their vote (default: that of calibrate, else 0.5)"},
    {.name = "neighbour-exponent",
     .kind = DT_VALUE_DOUBLE,
     .offset = AT(neighbour_exponent),
     .value = "X",
     .range = "[0, 1000]",
     .help =
         "a neighbour whose similarity is lower by d than the nearest one's has exp(-X d) of its "
         "weight (default: that of calibrate, else 50)"},
    {.name = "min-similarity",
     .kind = DT_VALUE_TEXT,
     .offset = AT(min_similarity),
     .value = "S",
     .default_value = "off",
     .help =
         "leave ranks unassigned if the similarity to the nearest reference is below S, one "
         "number or one per rank, from 0 to 1; auto: those of calibrate, which keep 95 % of the "
         "sequences of known taxa"},
    {.name = "leave-one-out",
     .kind = DT_VALUE_FLAG,
     .offset = AT(leave_one_out),
     .help = "a sequence that is itself a reference, with the same id and letters, has no vote for "
             "itself: to test on sequences of the training file"},

    DT_OPTIONS_OF_PREDICTING(dt_predict_options),
    DT_OPTION_PROFILE(dt_predict_options),
    DT_OPTION_PROFILE_TRACE(dt_predict_options),
    DT_OPTION_VERBOSE(dt_predict_options),
    DT_OPTIONS_OF_MESSAGES(dt_predict_options),

    {.group = "DeepTaxa options for compatibility (without effect)",
     .name = "seed",
     .kind = DT_VALUE_INT,
     .value = "N",
     .ignored = "prediction uses no random numbers"},
    IN_CHECKPOINT("tokenizer-name", DT_VALUE_TEXT),
    IN_CHECKPOINT("tokenizer-revision", DT_VALUE_TEXT),
    IN_CHECKPOINT("model-type", DT_VALUE_TEXT),
    IN_CHECKPOINT("encoding", DT_VALUE_TEXT),
    IN_CHECKPOINT("max-length", DT_VALUE_INT),
    IN_CHECKPOINT("embed-dim", DT_VALUE_INT),
    IN_CHECKPOINT("num-filters", DT_VALUE_INT),
    IN_CHECKPOINT("kernel-sizes", DT_VALUE_INTS),
    IN_CHECKPOINT("num-conv-layers", DT_VALUE_INT),
    IN_CHECKPOINT("hidden-size", DT_VALUE_INT),
    IN_CHECKPOINT("num-hidden-layers", DT_VALUE_INT),
    IN_CHECKPOINT("num-attention-heads", DT_VALUE_INT),
    IN_CHECKPOINT("intermediate-size", DT_VALUE_INT),
    IN_CHECKPOINT("hidden-dropout-prob", DT_VALUE_DOUBLE),
    IN_CHECKPOINT("mask-padding", DT_VALUE_FLAG),
    DT_OPTION_OUTPUT_ATTENTIONS,

    {0},
};

static dt_status check_fields(const dt_ints *fields)
{
    char name[32];
    for (int i = 0; i < fields->count; ++i)
        for (int j = 0; j < i; ++j)
            if (fields->value[i] == fields->value[j]) {
                dt_option_choice(&dt_predict_command, "tabular-fields", (int)fields->value[i], name,
                                 sizeof name);
                return dt_fail(DT_ERR_USAGE,
                               "--tabular-fields: %s is given twice: give each field once", name);
            }
    return DT_OK;
}

/* Reads a whole number in all of `text`; -2: it is none from 1 to the most neighbours. */
static int32_t read_count(const char *text)
{
    char *end;
    errno = 0;
    const long number = strtol(text, &end, 10);
    const bool whole = text[0] >= '0' && text[0] <= '9' && number > 0 && *end == '\0' && errno == 0;
    return whole && number <= DT_MOST_NEIGHBOURS ? (int32_t)number : -2;
}

int32_t dt_predict_asked_neighbours(const dt_predict_options *o)
{
    if (strcmp(o->neighbours, "auto") == 0)
        return -1;
    return strcmp(o->neighbours, "off") == 0 ? 0 : read_count(o->neighbours);
}

static bool has_field(const dt_ints *fields, dt_column column)
{
    for (int i = 0; i < fields->count; ++i)
        if (fields->value[i] == (int32_t)column)
            return true;
    return false;
}

/* What needs neighbours, and was asked for without them; NULL: nothing. */
static const char *lacks_neighbours(const dt_predict_options *o)
{
    static const char *const flags[] = {"neighbour-weight", "neighbour-exponent", "leave-one-out"};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; ++i)
        if (dt_option_given(&o->parsed, flags[i]))
            return flags[i];
    if (strcmp(o->min_similarity, "off") != 0)
        return "min-similarity";
    return has_field(&o->tabular_fields, DT_COLUMN_NEAREST) ||
                   has_field(&o->tabular_fields, DT_COLUMN_SIMILARITY)
               ? "tabular-fields nearest or similarity"
               : NULL;
}

static dt_status check_neighbours(const dt_predict_options *o)
{
    const int32_t asked = dt_predict_asked_neighbours(o);
    const char *without = asked == 0 ? lacks_neighbours(o) : NULL;
    if (asked < -1)
        return dt_fail(
            DT_ERR_USAGE,
            "--neighbours %s: give a number from 1 to %d, auto, or off for the network alone",
            o->neighbours, DT_MOST_NEIGHBOURS);
    if (without)
        return dt_fail(DT_ERR_USAGE, "--%s requires --neighbours", without);
    if (asked != 0 && dt_option_given(&o->parsed, "lineage") && o->lineage != DT_LINEAGE_SUMMED)
        return dt_fail(DT_ERR_USAGE, "--neighbours predicts lineages by --lineage summed: omit "
                                     "the other --lineage");
    return DT_OK;
}

static dt_status check(const void *parsed)
{
    const dt_predict_options *predict = parsed;
    DT_TRY(check_fields(&predict->tabular_fields));
    DT_TRY(check_neighbours(predict));
    if (predict->expect_sha256.count && predict->expect_sha256.count != predict->checkpoint.count)
        return dt_fail(DT_ERR_USAGE,
                       "--expect-sha256: %d values for %d checkpoints: give one for "
                       "each",
                       predict->expect_sha256.count, predict->checkpoint.count);
    if (predict->export_sequence_embeddings && predict->checkpoint.count > 1)
        return dt_fail(DT_ERR_USAGE, "--export-sequence-embeddings requires a single --checkpoint: "
                                     "each model has its own embeddings");
    return DT_OK;
}

const dt_command dt_predict_command = {
    .name = "predict",
    .summary = "Predicts the taxonomy of sequences with a trained model.",
    .usage = "--fasta-file FILE --checkpoint CKPT [options]",
    .tables = {DT_OPTION_TABLE(options)},
    .options_size = sizeof(dt_predict_options),
    .check = check,
    .deeptaxa_names =
        "fasta-file checkpoint taxonomy-file output-dir tabular tabular-fields batch-size "
        "num-workers seed top-k confidence-threshold level-temperatures use-raw-labels-for-true "
        "verbose " DT_DEEPTAXA_MODEL_NAMES,
    .examples = {"deeptaxa predict --fasta-file reads.fna.gz --checkpoint model.h5 --tabular "
                 "--output-dir predictions",
                 "deeptaxa predict --fasta-file test.fna.gz --taxonomy-file test.tsv.gz "
                 "--checkpoint model.h5 --output-dir predictions"},
};
