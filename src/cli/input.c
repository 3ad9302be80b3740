#include "cli/input.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/installation.h"
#include "data/learn.h"
#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"
#include "data/dataset_build.h"
#include "sequence/tokenizer_json.h"
#include "sequence/bpe_learn.h"

/* A tokenizer, the text it was read from, and what to call it. */
typedef struct {
    dt_tokenizer *tokenizer;
    char *json;
    char name[PATH_MAX + 16];
    int32_t learnt; /* tokens, where it was learnt; else 0 */
} loaded_tokenizer;

static void free_tokenizer(loaded_tokenizer *loaded)
{
    dt_tokenizer_destroy(loaded->tokenizer);
    free(loaded->json);
}

static dt_status learn_from_input(const dt_input *input, const dt_cut *amplicons,
                                  const dt_strand_profile *strand, loaded_tokenizer *loaded)
{
    dt_learnt_tokenizer learnt = {0};
    DT_TRY(dt_learn_tokenizer(input->fasta_file, input->normalize, amplicons, strand,
                              DT_BPE_DEFAULT_SIZE, &learnt));
    loaded->json = learnt.json;
    loaded->learnt = learnt.tokens;
    snprintf(loaded->name, sizeof loaded->name, "learnt from %.*s", PATH_MAX, input->fasta_file);
    return dt_tokenizer_from_json(loaded->json, strlen(loaded->json), loaded->name,
                                  &loaded->tokenizer);
}

/* Said once all went well, so that an error stands alone. */
static void say_tokenizer(const dt_input *input, const loaded_tokenizer *loaded)
{
    if (input->encoding == DT_ENCODING_ONEHOT) {
        dt_info("encoding: onehot, without a tokenizer");
        if (input->tokenizer_name)
            dt_notice("--tokenizer-name has no effect: --encoding onehot reads bases");
    } else if (loaded->learnt)
        dt_notice("no tokenizer file was found: using a vocabulary of %d tokens %s, which differs "
                  "from that of the published models (launch/get-tokenizer.sh fetches theirs)",
                  (int)loaded->learnt, loaded->name);
    else
        dt_info("tokenizer: %s", loaded->name);
}

static dt_status load_known(const dt_input *input, loaded_tokenizer *loaded)
{
    DT_TRY(dt_copy_text(&loaded->json, input->tokenizer_json));
    snprintf(loaded->name, sizeof loaded->name, "%s", input->tokenizer_json_name);
    return dt_tokenizer_from_json(loaded->json, strlen(loaded->json), loaded->name,
                                  &loaded->tokenizer);
}

/* Whether a tokenizer is looked for: it is not known, and there are tokens. */
static bool wants_tokenizer(const dt_input *input)
{
    return input->encoding != DT_ENCODING_ONEHOT && !input->tokenizer_json;
}

/* `path`: of the one that was chosen; "" where none was found, or none is wanted. */
static dt_status load_tokenizer(const dt_input *input, const dt_cut *amplicons,
                                const dt_strand_profile *strand, const char *path,
                                loaded_tokenizer *loaded)
{
    if (input->encoding == DT_ENCODING_ONEHOT) {
        snprintf(loaded->name, sizeof loaded->name, DT_ONEHOT_NAME);
        return dt_tokenizer_create_onehot(&loaded->tokenizer);
    }
    if (input->tokenizer_json)
        return load_known(input, loaded);
    if (!path[0])
        return learn_from_input(input, amplicons, strand, loaded);
    snprintf(loaded->name, sizeof loaded->name, "%s", path);
    return dt_tokenizer_read(path, &loaded->tokenizer, &loaded->json);
}

static bool learns_strand(const dt_input *input)
{
    return input->orient && !input->strand;
}

/* Looks at what can be read only once, before anything is read: a pipe would wait for ever for what
 * it has given already. `tokenizer`: its path, as in load_tokenizer(). */
static dt_status check_read_once(const dt_input *input, const char *tokenizer)
{
    const char *name = strcmp(input->fasta_file, "-") == 0 ? "standard input" : input->fasta_file;
    const bool once = dt_read_only_once(input->fasta_file);
    DT_TRY(dt_check_standard_input(input->fasta_file, input->taxonomy_file, input->comm));
    if (once && learns_strand(input))
        return dt_fail(DT_ERR_INPUT,
                       "--orientation auto: %s can be read only once, but the strand must first be "
                       "learnt from the sequences: give them as a file",
                       name);
    if (once && wants_tokenizer(input) && !tokenizer[0])
        return dt_fail(DT_ERR_INPUT,
                       "%s can be read only once, but a tokenizer must first be learnt from it: "
                       "name a tokenizer with --tokenizer-file, or give the sequences as a file",
                       name);
    return DT_OK;
}

/* The profile to turn sequences by, in `learnt` where it is to be learnt; NULL: none. */
static dt_status choose_strand(const dt_input *input, const dt_cut *amplicons,
                               dt_strand_info *learnt, const dt_strand_profile **strand)
{
    *strand = input->orient ? input->strand : NULL;
    if (!learns_strand(input))
        return DT_OK;
    DT_TRY(DT_NEW(learnt->profile, 1));
    *strand = learnt->profile;
    return dt_learn_strand(input->fasta_file, input->normalize, amplicons, learnt->profile);
}

/* What is needed to build the dataset. */
typedef struct {
    dt_primer_search *search;
    dt_cut cut;
    const dt_cut *amplicons; /* NULL: whole sequences */
    dt_strand_info learnt;
    const dt_strand_profile *strand;
    loaded_tokenizer tokenizer;
} preparation;

static dt_status prepare_amplicons(const dt_input *input, preparation *p)
{
    if (!input->primers.forward[0])
        return DT_OK;
    DT_TRY(dt_primers_search(&input->primers, &p->search));
    p->cut = (dt_cut){.search = p->search, .min_length = DT_AMPLICON_MIN_LENGTH};
    p->amplicons = &p->cut;
    return DT_OK;
}

/* What this process does without the others. */
static dt_status prepare_alone(const dt_input *input, preparation *p)
{
    char path[PATH_MAX] = "";
    if (wants_tokenizer(input))
        DT_TRY(
            dt_choose_tokenizer(input->tokenizer_file, input->tokenizer_name, path, sizeof path));
    DT_TRY(check_read_once(input, path));
    DT_TRY(prepare_amplicons(input, p));
    DT_TRY(choose_strand(input, p->amplicons, &p->learnt, &p->strand));
    return load_tokenizer(input, p->amplicons, p->strand, path, &p->tokenizer);
}

static dt_status build(const dt_input *input, const preparation *p, dt_dataset *dataset)
{
    const dt_dataset_build_options options = {.fasta_file = input->fasta_file,
                                              .taxonomy_file = input->taxonomy_file,
                                              .trained = input->trained,
                                              .normalize = input->normalize,
                                              .amplicons = p->amplicons,
                                              .strand = p->strand,
                                              .threads = input->threads,
                                              .tokenizer = p->tokenizer.tokenizer,
                                              .tokenizer_json = p->tokenizer.json,
                                              .tokenizer_name = p->tokenizer.name,
                                              .comm = input->comm,
                                              .token_folder = input->token_folder,
                                              .everywhere = input->everywhere,
                                              .agreed = input->agreed};
    DT_TRY(dt_dataset_build(dataset, &options));
    dataset->primers = input->primers;
    return DT_OK;
}

dt_status dt_read_input(const dt_input *input, dt_dataset *dataset)
{
    preparation p = {0};
    dt_status status = prepare_alone(input, &p);
    if (input->comm)
        status = dt_agree(input->comm, status, input->agreed);
    if (status == DT_OK)
        status = build(input, &p, dataset);
    if (status == DT_OK && !input->trained)
        say_tokenizer(input, &p.tokenizer);
    free_tokenizer(&p.tokenizer);
    dt_strand_info_free(&p.learnt);
    dt_primer_search_destroy(p.search);
    return status;
}
