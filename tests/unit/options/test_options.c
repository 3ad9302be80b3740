/* The option parser, on a small table of its own and on the commands' tables. */
#include "test.h"

#include <jansson.h>

#include "backend.h"
#include "cli/describe_options.h"
#include "cli/predict_options.h"
#include "cli/prepare_options.h"
#include "options/suggest.h"
#include "predict/results.h"
#include "cli/tokenizer_options.h"
#include "cli/train_options.h"
#include "comm.h"
#include "run/run.h"

typedef struct {
    dt_parsed parsed;
    bool flag;
    int64_t whole;
    double real;
    const char *text;
    int32_t choice;
    dt_ints wholes;
    double reals[2];
    dt_texts texts;
    dt_ints choices;
} small_options;

#define AT(member) offsetof(small_options, member)

static const dt_option small_table[] = {
    {.group = "All", .name = "flag", .kind = DT_VALUE_FLAG, .offset = AT(flag), .help = "a flag"},
    {.name = "whole",
     .kind = DT_VALUE_INT,
     .offset = AT(whole),
     .value = "N",
     .default_value = "7",
     .range = "[1, 10]",
     .help = "a whole number"},
    {.name = "real",
     .kind = DT_VALUE_DOUBLE,
     .offset = AT(real),
     .value = "X",
     .default_value = "0.5",
     .range = "[0, 1)",
     .help = "a number"},
    {.name = "text", .kind = DT_VALUE_TEXT, .offset = AT(text), .value = "FILE", .help = "a text"},
    {.name = "choice",
     .kind = DT_VALUE_CHOICE,
     .offset = AT(choice),
     .default_value = "second",
     .choices = "first|second",
     .help = "a choice"},
    {.name = "wholes",
     .kind = DT_VALUE_INTS,
     DT_OPTION_LIST(small_options, wholes, dt_ints),
     .value = "N",
     .default_value = "3 5 7",
     .range = "[-9, inf)",
     .help = "whole numbers"},
    {.name = "reals",
     .kind = DT_VALUE_DOUBLES,
     .offset = AT(reals),
     .value = "X",
     .count = 2,
     .range = "(0, inf)",
     .help = "two numbers"},
    {.name = "texts",
     .kind = DT_VALUE_TEXTS,
     DT_OPTION_LIST(small_options, texts, dt_texts),
     .value = "FILE",
     .help = "texts"},
    {.name = "choices",
     .kind = DT_VALUE_CHOICES,
     DT_OPTION_LIST(small_options, choices, dt_ints),
     .choices = "a|b|c",
     .help = "choices"},
    {.name = "old", .kind = DT_VALUE_INT, .value = "N", .ignored = "nothing needs it"},
    {0},
};

static const dt_command small = {.name = "small",
                                 .summary = "A command.",
                                 .usage = "[options]",
                                 .tables = {DT_OPTION_TABLE(small_table)},
                                 .options_size = sizeof(small_options),
                                 .examples = {"deeptaxa small", "deeptaxa small --flag"}};

/* Parses a line that is split at single blanks; "" is no argument at all. */
static dt_status parse(const dt_command *command, void *options, const char *line)
{
    static char copy[2048];
    static char *argv[128];
    int argc = 0;
    argv[argc++] = (char *)"program";
    snprintf(copy, sizeof copy, "%s", line);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    argv[argc] = NULL;
    return dt_options_parse(command, argc, argv, options);
}

#define PARSE_SMALL(line) parse(&small, &o, (line))
#define REFUSED(part, line) ASSERT_FAILS(DT_ERR_USAGE, (part), PARSE_SMALL(line))

static void defaults_are_those_of_the_table(void **state)
{
    (void)state;
    small_options o;
    ASSERT_OK(PARSE_SMALL(""));
    assert_false(o.flag);
    assert_int_equal(o.whole, 7);
    assert_true(o.real == 0.5);
    assert_null(o.text);
    assert_int_equal(o.choice, 1);
    assert_int_equal(o.wholes.count, 3);
    assert_int_equal(o.wholes.value[2], 7);
    assert_int_equal(o.parsed.request, DT_REQUEST_RUN);
    assert_false(dt_option_given(&o.parsed, "whole"));
}

static void values_follow_a_blank_or_an_equals_sign(void **state)
{
    (void)state;
    small_options o;
    ASSERT_OK(PARSE_SMALL("--flag --whole 3 --real=0.25 --text a=b --choice=first"));
    assert_true(o.flag);
    assert_int_equal(o.whole, 3);
    assert_true(o.real == 0.25);
    assert_string_equal(o.text, "a=b");
    assert_int_equal(o.choice, 0);
    assert_true(dt_option_given(&o.parsed, "whole"));
    assert_false(dt_option_given(&o.parsed, "wholes"));
    ASSERT_OK(PARSE_SMALL("--text=--odd"));
    assert_string_equal(o.text, "--odd");
    ASSERT_OK(PARSE_SMALL("--text -"));
    assert_string_equal(o.text, "-");
}

static void several_values_come_with_blanks_or_commas(void **state)
{
    (void)state;
    static const char *const lines[] = {"--wholes 1 -2 3", "--wholes 1,-2,3", "--wholes=1,-2,3",
                                        "--wholes 1, -2 3"};
    small_options o;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; ++i) {
        ASSERT_OK(PARSE_SMALL(lines[i]));
        assert_int_equal(o.wholes.count, 3);
        assert_int_equal(o.wholes.value[0], 1);
        assert_int_equal(o.wholes.value[1], -2);
        assert_int_equal(o.wholes.value[2], 3);
    }
    ASSERT_OK(PARSE_SMALL("--texts a,b c --choices c,a --flag"));
    assert_int_equal(o.texts.count, 2); /* a comma may be part of a file name */
    assert_string_equal(o.texts.value[0], "a,b");
    assert_int_equal(o.choices.count, 2);
    assert_int_equal(o.choices.value[0], 2);
    assert_int_equal(o.choices.value[1], 0);
    assert_true(o.flag);
}

static void the_last_of_a_repeated_option_counts(void **state)
{
    (void)state;
    small_options o;
    ASSERT_OK(PARSE_SMALL("--whole 3 --wholes 1 2 3 4 --whole 4 --wholes 9"));
    assert_int_equal(o.whole, 4);
    assert_int_equal(o.wholes.count, 1);
    assert_int_equal(o.wholes.value[0], 9);
}

static void wrong_values_are_refused_with_what_is_allowed(void **state)
{
    (void)state;
    small_options o;
    REFUSED("--whole: 'ten' is not a whole number from 1 to 10", "--whole ten");
    REFUSED("'0' is not a whole number from 1 to 10", "--whole 0");
    REFUSED("'11' is not", "--whole=11");
    REFUSED("'3.5' is not", "--whole 3.5");
    REFUSED("'99999999999999999999' is not", "--whole 99999999999999999999");
    REFUSED("--real: '1' is not a number of at least 0 and below 1", "--real 1");
    REFUSED("'nan' is not", "--real nan");
    REFUSED("'inf' is not", "--real inf");
    REFUSED("'0.1x' is not", "--real 0.1x");
    REFUSED("--choice: 'none' is not one of first, second", "--choice none");
    REFUSED("--choices: 'd' is not one of a, b, c", "--choices a d");
    REFUSED("--reals: '0' is not a number above 0", "--reals 1 0");
    REFUSED("--reals: takes 2 values, not 3", "--reals 1 2 3");
    REFUSED("at most 32 values", "--texts 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 "
                                 "23 24 25 26 27 28 29 30 31 32 33");
}

static void missing_and_superfluous_values_are_refused(void **state)
{
    (void)state;
    small_options o;
    REFUSED("--whole: needs a value: a whole number from 1 to 10", "--whole");
    REFUSED("--text: needs a value", "--text --flag");
    REFUSED("--text: needs a value", "--text=");
    REFUSED("--wholes: needs a value", "--wholes --flag");
    REFUSED("--wholes: needs a value", "--wholes ,");
    REFUSED("--flag: '1' is not true or false", "--flag=1");
    ASSERT_OK(PARSE_SMALL("--flag --flag=false"));
    assert_false(o.flag);
    REFUSED("unexpected 'no'", "--flag no");
    REFUSED("unexpected '4'", "--whole 3 4");
    REFUSED("unexpected 'word'", "word");
}

static void misspelt_options_get_the_nearest_one(void **state)
{
    (void)state;
    small_options o;
    REFUSED("unknown option --wohle: did you mean --whole?", "--wohle 3");
    REFUSED("unknown option --choic: did you mean --choice?", "--choic=first");
    REFUSED("unknown option -whole: did you mean --whole?", "-whole 3");
    REFUSED("did you mean --help?", "--hlep");
    REFUSED("unknown option --gremlin: `deeptaxa small --help` lists all", "--gremlin");
    REFUSED("unknown option --", "--");
}

static void old_options_are_checked_and_not_stored(void **state)
{
    (void)state;
    small_options o;
    ASSERT_OK(PARSE_SMALL("--old 5"));
    assert_true(dt_option_given(&o.parsed, "old"));
    REFUSED("--old: 'x' is not a whole number", "--old x");
}

static void help_and_version_win_over_everything_else(void **state)
{
    (void)state;
    small_options o;
    ASSERT_OK(PARSE_SMALL("--whole 99 --nonsense --help"));
    assert_int_equal(o.parsed.request, DT_REQUEST_HELP);
    ASSERT_OK(PARSE_SMALL("-h"));
    assert_int_equal(o.parsed.request, DT_REQUEST_HELP);
    ASSERT_OK(PARSE_SMALL("--version"));
    assert_int_equal(o.parsed.request, DT_REQUEST_VERSION);
}

/* --help of every command: each option with its default, two examples at the end, no line too
 * long for a terminal of 100 columns. */
static void help_shows_every_option(void **state)
{
    (void)state;
    const dt_command *const commands[] = {&small,
                                          &dt_train_command,
                                          &dt_predict_command,
                                          &dt_describe_command,
                                          &dt_prepare_command,
                                          &dt_tokenizer_command};
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; ++i) {
        dt_text text = {0};
        ASSERT_OK(dt_options_help(commands[i], &text));
        const dt_option *option;
        for (int row = 0; (option = dt_command_option(commands[i], row)); ++row) {
            char flag[64];
            snprintf(flag, sizeof flag, "--%s", option->name);
            if (!strstr(text.data, flag))
                fail_msg("help of %s lacks %s", commands[i]->name, flag);
        }
        const char *examples = strstr(text.data, "\nExamples\n");
        assert_non_null(examples);
        assert_non_null(strstr(examples, commands[i]->examples[1]));
        for (const char *line = text.data; line < examples; line = strchr(line, '\n') + 1)
            assert_true(strcspn(line, "\n") <= 100);
        dt_text_free(&text);
    }
    dt_text text = {0};
    ASSERT_OK(dt_options_help(&small, &text));
    assert_non_null(strstr(text.data, "(default: 3 5 7)"));
    assert_non_null(strstr(text.data, "--choice first|second"));
    dt_text_free(&text);
}

/* What the tables promise is true: rows are in range, and each row's default is allowed. */
/* It names an option, and if that is a choice, choices of it. */
static void need_is_sound(const dt_command *command, const dt_need *need)
{
    char name[64];
    if (!need->option)
        return;
    const int row = dt_command_find(command, need->option, strlen(need->option));
    assert_true(row >= 0);
    const dt_option *option = dt_command_option(command, row);
    assert_true((option->kind == DT_VALUE_CHOICE) == (need->choices != NULL));
    for (int32_t i = 0; need->choices && i < dt_choice_count(need->choices); ++i) {
        dt_choice_name(need->choices, i, name, sizeof name);
        assert_true(dt_choice_named(option->choices, name) >= 0);
    }
}

static void tables_of_all_commands_are_sound(void **state)
{
    (void)state;
    static const struct {
        const dt_command *command;
        const char *line;
    } least[] = {
        {&dt_train_command, "--data d --output-dir o"},
        {&dt_predict_command, "--fasta-file f --checkpoint c"},
        {&dt_describe_command, "--checkpoint c"},
        {&dt_prepare_command, "--fasta-file f --taxonomy-file t --output-dir o"},
        {&dt_tokenizer_command, "--encode ACGT"},
    };
    union {
        dt_train_options train;
        dt_predict_options predict;
        dt_describe_options describe;
        dt_prepare_options prepare;
        dt_tokenizer_options tokenizer;
    } o;
    for (size_t i = 0; i < sizeof least / sizeof *least; ++i) {
        const dt_command *command = least[i].command;
        ASSERT_OK(parse(command, &o, least[i].line));
        int rows = 0;
        const dt_option *a;
        for (; (a = dt_command_option(command, rows)); ++rows) {
            const char *at = dt_option_value(command, rows, &o).at;
            assert_true(a->ignored || at < (const char *)&o + command->options_size);
            assert_true(a->ignored || at > (const char *)&o);
            assert_true(a->help || a->ignored);
            assert_true(a->value || a->choices || a->kind == DT_VALUE_FLAG);
            need_is_sound(command, &a->needs);
            for (int other = 0; other < rows; ++other) {
                const dt_option *b = dt_command_option(command, other);
                assert_string_not_equal(a->name, b->name);
                if (!a->ignored && !b->ignored)
                    assert_ptr_not_equal(at, dt_option_value(command, other, &o).at);
            }
        }
        assert_true(rows < DT_MAX_OPTIONS);
        /* without the first required option the command is refused */
        ASSERT_FAILS(DT_ERR_USAGE, i == 4 ? "nothing to do" : "missing --", parse(command, &o, ""));
    }
}

static void published_train_command_gives_the_published_model(void **state)
{
    (void)state;
    dt_train_options o;
    const dt_model_config *config = &o.asked.config;
    const dt_run_settings *settings = &o.asked.settings;
    ASSERT_OK(parse(&dt_train_command, &o,
                    "--fasta-file data/greengenes/gg_2024_09_training.fna.gz "
                    "--taxonomy-file data/greengenes/gg_2024_09_training.tsv.gz "
                    "--model-type hybridcnnbert --output-dir outputs/training"));
    assert_string_equal(o.fasta_file, "data/greengenes/gg_2024_09_training.fna.gz");
    assert_string_equal(o.output_dir, "outputs/training");
    assert_int_equal(config->type, DT_MODEL_HYBRID);
    assert_int_equal(config->max_length, 512);
    assert_int_equal(config->embed_dim, 896);
    assert_int_equal(config->filters, 256);
    assert_int_equal(config->kernels, 3);
    assert_int_equal(config->width[0], 3);
    assert_int_equal(config->width[1], 5);
    assert_int_equal(config->width[2], 7);
    assert_int_equal(config->conv_layers, 1);
    assert_int_equal(config->hidden, 896);
    assert_int_equal(config->layers, 4);
    assert_int_equal(config->heads, 7);
    assert_int_equal(config->intermediate, 3584);
    assert_true(config->dropout == 0.2);
    assert_int_equal(settings->epochs, 10);
    assert_int_equal(settings->batch_size, 64);
    assert_int_equal(settings->accum_steps, 1);
    assert_true(settings->learning_rate == 5e-4);
    assert_true(settings->rule.beta1 == 0.9 && settings->rule.beta2 == 0.999);
    assert_true(settings->rule.eps == 1e-8);
    assert_true(settings->rule.weight_decay == 0.01);
    assert_true(settings->warmup_ratio == 0.1);
    assert_true(settings->rule.max_grad_norm == 0.5);
    assert_int_equal(settings->seed, 42);
    assert_true(settings->val_split == 0.2);
    assert_int_equal(settings->eval_every, 1);
    assert_int_equal(settings->level_weight_count, 0);
    assert_false(config->mask_padding);
    char device[16];
    dt_option_choice(&dt_train_command, "device", o.device, device, sizeof device);
    assert_string_equal(device, "auto");
}

static void published_predict_and_describe_commands_parse(void **state)
{
    (void)state;
    dt_predict_options predict;
    ASSERT_OK(parse(&dt_predict_command, &predict,
                    "--fasta-file data/greengenes/gg_2024_09_testing.fna.gz --taxonomy-file "
                    "data/greengenes/gg_2024_09_testing.tsv.gz --checkpoint epoch10.pt --tabular "
                    "--output-dir outputs/workflow_predictions"));
    assert_true(predict.tabular);
    assert_int_equal(predict.tabular_fields.count, 5);
    assert_int_equal(predict.tabular_fields.value[DT_COLUMN_TRUE], DT_COLUMN_TRUE);
    assert_int_equal(predict.top_k, 3);
    assert_true(predict.confidence_threshold == 0.95);
    ASSERT_OK(parse(&dt_predict_command, &predict,
                    "--fasta-file a --checkpoint b --hidden-size 896 --kernel-sizes 3 5 7 "
                    "--output-attentions --seed 42 --level-temperatures 1 1 1 1 1 1 1.5"));
    assert_int_equal(predict.level_temperatures.count, 7);
    dt_describe_options describe;
    ASSERT_OK(parse(&dt_describe_command, &describe, "--checkpoint epoch10.pt"));
    assert_string_equal(describe.checkpoint, "epoch10.pt");
}

#define TRAIN(rest) "--fasta-file f --taxonomy-file t --output-dir o " rest

/* Their places in the list of choices are handed to a backend as they are. */
static void formats_and_attention_mean_what_a_backend_takes_them_for(void **state)
{
    (void)state;
    static const char *const formats[] = {"auto", "fp32", "bf16", "fp16"};
    dt_train_options train;
    dt_predict_options predict;
    for (int i = 0; i < 4; ++i) {
        char line[128];
        snprintf(line, sizeof line, TRAIN("--precision %s"), formats[i]);
        ASSERT_OK(parse(&dt_train_command, &train, line));
        assert_string_equal(dt_precision_name((dt_precision)train.precision), formats[i]);
    }
    ASSERT_OK(parse(&dt_train_command, &train, TRAIN("")));
    assert_int_equal(train.attention, DT_ATTENTION_AUTO);
    ASSERT_OK(parse(&dt_train_command, &train, TRAIN("--attention fused")));
    assert_int_equal(train.attention, DT_ATTENTION_FUSED);
    ASSERT_OK(parse(&dt_predict_command, &predict,
                    "--fasta-file f --checkpoint c --attention cudnn --precision bf16"));
    assert_int_equal(predict.attention, DT_ATTENTION_CUDNN);
    assert_int_equal(predict.precision, DT_PRECISION_BF16);
    ASSERT_OK(parse(&dt_train_command, &train, TRAIN("--attention plain")));
    assert_int_equal(train.attention, DT_ATTENTION_PLAIN);
    assert_int_equal(train.grad_dtype, DT_GRAD_FP32);
    ASSERT_OK(parse(&dt_train_command, &train, TRAIN("--grad-dtype bf16")));
    assert_int_equal(train.grad_dtype, DT_GRAD_BF16);
    assert_false(train.shard_optimizer);
    ASSERT_OK(parse(&dt_train_command, &train, TRAIN("--shard-optimizer")));
    assert_true(train.shard_optimizer);
}

static void train_refuses_what_cannot_be_trained(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        const char *part;
    } bad[] = {
        {"--output-dir o",
         "missing training sequences: give --fasta-file FILE and, if its headers"},
        {"--fasta-file f --taxonomy-file t", "missing --output-dir DIR"},
        {"--data d --fasta-file f --output-dir o", "--data cannot be combined with --fasta-file"},
        {"--data d --tokenizer-file f --output-dir o",
         "--tokenizer-file cannot be combined with --data"},
        {TRAIN("--hidden-size 100"), "multiple of --num-attention-heads (7)"},
        {TRAIN("--kernel-sizes 3 4"), "--kernel-sizes 4: widths must be odd"},
        {TRAIN("--num-conv-layers 65"), "from 1 to 64"},
        {TRAIN("--hidden-dropout-prob 1"), "at least 0 and below 1"},
        {TRAIN("--val-split 1"), "at least 0 and below 1"},
        {TRAIN("--val-split 0 --save-best-only"),
         "--save-best-only cannot be combined with --val-split 0"},
        {TRAIN("--val-split 0 --early-stopping-patience 3"),
         "--early-stopping-patience cannot be combined with --val"},
        {TRAIN("--val-split 0 --eval-every 2"),
         "--eval-every cannot be combined with --val-split 0"},
        {TRAIN("--val-split 0 --validate-on all"),
         "--validate-on cannot be combined with --val-split 0"},
        {TRAIN("--val-split 0 --export-sequence-embeddings"),
         "-embeddings cannot be combined with --val-split 0"},
        {TRAIN("--val-split 0 --export-permutation-importance"),
         "-importance cannot be combined with --val-split 0"},
        {TRAIN("--batch-size 0"), "from 1 to"},
        {TRAIN("--optimizer-betas 0.9"), "takes 2 values, not 1"},
        {TRAIN("--level-weights 0 0 0"), "at least one weight must be above 0"},
        {TRAIN("--seed -1"), "from 0 to 4294967295"},
        {TRAIN("--reset-lr-on-resume"), "requires --resume with the name of a checkpoint"},
        {TRAIN("--resume a.h5 --init-weights b.h5"),
         "--init-weights cannot be combined with --resume"},
        {TRAIN("--save-best-only --keep-checkpoints 2"), "cannot be combined with"},
        {TRAIN("--focal-gamma -1"), "'-1' is not a number of at least 0"},
        {TRAIN("--focal-weight 1,1"), "--focal-weight requires --loss-type focal"},
        {TRAIN("--loss-type focal --focal-weight 1,1 --class-weights inverse"),
         "--focal-weight cannot be combined with --class-weights"},
        {TRAIN("--encoding onehot"), "--encoding onehot requires --model-type cnn"},
        {TRAIN("--encoding onehot --model-type bert"),
         "--encoding onehot requires --model-type cnn"},
        {TRAIN("--encoding onehot --model-type cnn --embed-dim 16"),
         "--embed-dim 16 cannot be combined with --encoding onehot"},
        {TRAIN("--encoding onehot --model-type cnn --tokenizer-file t.json"),
         "--tokenizer-file cannot be combined with --encoding onehot"},
        {TRAIN("--gpus 4 --device cpu"),
         "--gpus 4 cannot be combined with --device cpu: use --ranks"},
        {TRAIN("--gpus 2 --ranks 2"), "--gpus cannot be combined with --ranks"},
        {TRAIN("--grad-dtype fp16"), "--grad-dtype: 'fp16' is not one of fp32, bf16"},
        {TRAIN("--epochss 3"), "did you mean --epochs?"},
        {TRAIN("--batch_size 3"), "did you mean --batch-size?"},
        {TRAIN("--lr 3"), "unknown option --lr"},
    };
    dt_train_options o;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i)
        ASSERT_FAILS(DT_ERR_USAGE, bad[i].part, parse(&dt_train_command, &o, bad[i].line));
    ASSERT_OK(parse(&dt_train_command, &o, TRAIN("--level-weights 0 0 --no-level-weights")));
    assert_true(o.no_level_weights);
    ASSERT_OK(parse(&dt_train_command, &o,
                    TRAIN("--tokenizer-name zhihan1996/DNABERT-2-117M --output-attentions "
                          "--encoding dnabert --class-weights none")));
    assert_string_equal(o.tokenizer_name, "zhihan1996/DNABERT-2-117M");
    ASSERT_OK(parse(&dt_train_command, &o,
                    TRAIN("--loss-type focal --focal-reduction sum --class-weights sqrt_inverse")));
    assert_int_equal(o.asked.settings.loss_type, DT_LOSS_FOCAL);
    assert_int_equal(o.asked.settings.focal_sum, 1);
    assert_int_equal(o.asked.settings.class_weights, DT_CLASS_WEIGHTS_SQRT_INVERSE);
    assert_true(o.asked.settings.focal_gamma == 2.0);
}

/* As argparse does. Options of ours neither have abbreviations nor make others ambiguous: --sa is
 * --save-best-only beside our --save-every-steps. */
static void options_of_deeptaxa_may_be_abbreviated(void **state)
{
    (void)state;
    dt_train_options train;
    dt_predict_options predict;
    dt_describe_options describe;
    ASSERT_OK(parse(&dt_train_command, &train,
                    "--fasta f --tax t --output-d=o --lea 0.25 --batch-s=3 --k 3 5 --sa --eval 2"));
    assert_string_equal(train.output_dir, "o");
    assert_true(train.asked.settings.learning_rate == 0.25);
    assert_int_equal(train.asked.settings.batch_size, 3);
    assert_int_equal(train.asked.config.kernels, 2);
    assert_true(train.save_best_only);
    assert_true(dt_option_typed(&train.parsed, "eval-every"));
    ASSERT_OK(parse(&dt_predict_command, &predict, "--fa f --check c --hidden-s 8 --conf 0.5"));
    assert_true(predict.confidence_threshold == 0.5);
    ASSERT_OK(parse(&dt_describe_command, &describe, "--ch c --v --e m.json"));
    assert_true(describe.verbose);
    assert_string_equal(describe.export_metrics, "m.json");
    ASSERT_OK(parse(&dt_train_command, &train, "--he"));
    assert_int_equal(train.parsed.request, DT_REQUEST_HELP);

    ASSERT_FAILS(DT_ERR_USAGE,
                 "--focal is ambiguous, it may be --focal-gamma, --focal-weight, "
                 "--focal-reduction: write more of the name",
                 parse(&dt_train_command, &train, TRAIN("--focal=2")));
    ASSERT_FAILS(
        DT_ERR_USAGE,
        "--tokenizer is ambiguous, it may be --tokenizer-name, --tokenizer-revision, or in "
        "full --tokenizer-file: write more of the name",
        parse(&dt_predict_command, &predict, "--fasta-file f --checkpoint c --tokenizer x"));
    ASSERT_FAILS(DT_ERR_USAGE, "unknown option --", parse(&dt_train_command, &train, TRAIN("--")));
    ASSERT_FAILS(DT_ERR_USAGE, "unknown option --save-ev: did you mean --save-every-steps?",
                 parse(&dt_train_command, &train, TRAIN("--save-ev 3")));
    ASSERT_FAILS(DT_ERR_USAGE, "unknown option --line",
                 parse(&dt_predict_command, &predict, "--fasta-file f --checkpoint c --line x"));
}

/* The lists name what DeepTaxa's own --help names, and all of it exists here. */
static void names_of_deeptaxa_are_those_of_its_help(void **state)
{
    (void)state;
    static const dt_command *const commands[] = {&dt_train_command, &dt_predict_command,
                                                 &dt_describe_command};
    json_t *root = json_load_file("tests/fixtures/deeptaxa_files.json", 0, NULL);
    assert_non_null(root);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; ++i) {
        char file[64];
        const char *flag;
        const json_t *kind;
        size_t names = 1; /* --help */
        snprintf(file, sizeof file, "%s: flags", commands[i]->name);
        json_t *flags =
            json_object_get(json_object_get(json_object_get(root, "files"), file), "types");
        char list[2048];
        snprintf(list, sizeof list, "%s", commands[i]->deeptaxa_names);
        for (char *name = strtok(list, " "); name; name = strtok(NULL, " "), ++names) {
            char whole[64];
            snprintf(whole, sizeof whole, "--%s", name);
            assert_non_null(json_object_get(flags, whole));
            assert_true(dt_command_find(commands[i], name, strlen(name)) >= 0);
        }
        json_object_foreach(flags, flag, kind) names -= strncmp(flag, "--", 2) == 0;
        assert_int_equal(names, 0);
    }
    json_decref(root);
}

static void tokenizer_learns_or_encodes(void **state)
{
    (void)state;
    dt_tokenizer_options o;
    ASSERT_OK(parse(&dt_tokenizer_command, &o, "--fasta-file f --output-file t --encode ACGT TTT"));
    assert_int_equal(o.vocabulary_size, 4096);
    assert_int_equal(o.encode.count, 2);
    ASSERT_FAILS(DT_ERR_USAGE, "missing --output-file",
                 parse(&dt_tokenizer_command, &o, "--fasta-file f"));
    ASSERT_FAILS(DT_ERR_USAGE, "missing --fasta-file",
                 parse(&dt_tokenizer_command, &o, "--output-file f"));
    ASSERT_FAILS(DT_ERR_USAGE, "--vocabulary-size requires --fasta-file",
                 parse(&dt_tokenizer_command, &o, "--encode A --vocabulary-size 100"));
}

static void edit_distance_counts_swaps_as_one(void **state)
{
    (void)state;
    assert_int_equal(dt_edit_distance("", "abc"), 3);
    assert_int_equal(dt_edit_distance("abc", "abc"), 0);
    assert_int_equal(dt_edit_distance("abc", "acb"), 1);
    assert_int_equal(dt_edit_distance("kitten", "sitting"), 3);
    assert_int_equal(dt_edit_distance("ca", "abc"), 3); /* not 2: no edit between swapped letters */
    char longer[200];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_int_equal(dt_edit_distance(longer, "x"), 62);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_the_table),
        cmocka_unit_test(values_follow_a_blank_or_an_equals_sign),
        cmocka_unit_test(several_values_come_with_blanks_or_commas),
        cmocka_unit_test(the_last_of_a_repeated_option_counts),
        cmocka_unit_test(wrong_values_are_refused_with_what_is_allowed),
        cmocka_unit_test(missing_and_superfluous_values_are_refused),
        cmocka_unit_test(misspelt_options_get_the_nearest_one),
        cmocka_unit_test(old_options_are_checked_and_not_stored),
        cmocka_unit_test(help_and_version_win_over_everything_else),
        cmocka_unit_test(help_shows_every_option),
        cmocka_unit_test(tables_of_all_commands_are_sound),
        cmocka_unit_test(published_train_command_gives_the_published_model),
        cmocka_unit_test(published_predict_and_describe_commands_parse),
        cmocka_unit_test(formats_and_attention_mean_what_a_backend_takes_them_for),
        cmocka_unit_test(train_refuses_what_cannot_be_trained),
        cmocka_unit_test(options_of_deeptaxa_may_be_abbreviated),
        cmocka_unit_test(names_of_deeptaxa_are_those_of_its_help),
        cmocka_unit_test(tokenizer_learns_or_encodes),
        cmocka_unit_test(edit_distance_counts_swaps_as_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
