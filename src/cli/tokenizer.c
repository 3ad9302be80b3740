/* deeptaxa tokenizer: learns a vocabulary, and shows how sequences are cut into tokens. */
#include "cli/tokenizer_options.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/installation.h"
#include "data/learn.h"
#include "core/file.h"
#include "core/log.h"
#include "sequence/tokenizer_json.h"
#include "sequence/normalize.h"

/* Learns, writes the file, and makes the tokenizer to encode with. */
static dt_status learn(const dt_tokenizer_options *options, dt_tokenizer **tokenizer)
{
    dt_learnt_tokenizer learnt = {0};
    dt_remove_unfinished_beside(options->output_file);
    DT_TRY(dt_check_new_file(options->output_file));
    DT_TRY(dt_learn_tokenizer(options->fasta_file, !options->no_normalize, NULL, NULL,
                              (int32_t)options->vocabulary_size, &learnt));
    const size_t length = strlen(learnt.json);
    dt_status status = dt_write_file(options->output_file, learnt.json, length);
    if (status == DT_OK)
        dt_info("learnt %d tokens from %lld sequences (%lld bases): %s", (int)learnt.tokens,
                (long long)learnt.sequences, (long long)learnt.bases, options->output_file);
    if (status == DT_OK)
        status = dt_tokenizer_from_json(learnt.json, length, options->output_file, tokenizer);
    free(learnt.json);
    return status;
}

static dt_status load(const dt_tokenizer_options *options, dt_tokenizer **tokenizer)
{
    char path[PATH_MAX];
    DT_TRY(dt_choose_tokenizer(options->tokenizer_file, NULL, path, sizeof path));
    if (!path[0])
        return dt_fail(DT_ERR_INPUT, "no tokenizer found: name one with --tokenizer-file, or fetch "
                                     "the published one with launch/get-tokenizer.sh");
    DT_TRY(dt_tokenizer_read(path, tokenizer, NULL));
    dt_info("tokenizer: %s", path);
    return DT_OK;
}

/* One line a token: number of the sequence, position, id, text. */
static dt_status print_tokens(const dt_tokenizer_options *options, int number,
                              const dt_tokenizer *tokenizer, dt_encoder *encoder)
{
    const char *given = options->encode.value[number];
    dt_text sequence = {0};
    const uint16_t *tokens;
    int32_t count;
    dt_status status = dt_text_add(&sequence, given, strlen(given));
    if (status == DT_OK && !options->no_normalize)
        sequence.length = dt_normalize(sequence.data, sequence.length);
    if (status == DT_OK)
        status = dt_encoder_encode(encoder, sequence.data, sequence.length,
                                   (int32_t)options->max_length, &tokens, &count);
    for (int32_t i = 0; status == DT_OK && i < count; ++i)
        printf("%d\t%d\t%d\t%s\n", number + 1, i, tokens[i],
               dt_tokenizer_token(tokenizer, tokens[i]));
    dt_text_free(&sequence);
    return status;
}

static dt_status encode_all(const dt_tokenizer_options *options, const dt_tokenizer *tokenizer)
{
    dt_encoder *encoder;
    DT_TRY(dt_encoder_create(&encoder, tokenizer));
    dt_status status = DT_OK;
    printf("sequence\tposition\tid\ttoken\n");
    for (int i = 0; i < options->encode.count && status == DT_OK; ++i)
        status = print_tokens(options, i, tokenizer, encoder);
    dt_encoder_destroy(encoder);
    return status == DT_OK ? dt_print("") : status;
}

static dt_status run(const void *parsed)
{
    const dt_tokenizer_options *options = parsed;
    dt_tokenizer *tokenizer = NULL;
    dt_status status = options->fasta_file ? learn(options, &tokenizer) : load(options, &tokenizer);
    if (status == DT_OK && options->encode.count)
        status = encode_all(options, tokenizer);
    dt_tokenizer_destroy(tokenizer);
    return status;
}

int main(int argc, char **argv)
{
    dt_tokenizer_options options;
    return dt_command_main(&dt_tokenizer_command, argc, argv, &options, run);
}
