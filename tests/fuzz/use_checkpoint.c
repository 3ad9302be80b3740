#include "use_checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/hash.h"
#include "encode_check.h"
#include "io/json_scan.h"
#include "run/checkpoint.h"
#include "run/describe.h"
#include "sequence/primer.h"
#include "sequence/tokenizer_json.h"
#include "train/schedule.h"
#include "train/step.h"

static const char sequence[] =
    "AGAGTTTGATCCTGGCTCAGGTGCCAGCAGCCGCGGTAAACGTACGTTACGGGATTAGATACCCTNNAC";

static void describe(const dt_run *run, const char *path)
{
    dt_text text = {0};
    char *json = NULL;
    size_t length = 0;
    dt_output out;
    if (fuzz_succeeded(dt_describe_text(&text, run, path, "0")))
        fuzz_succeeded(dt_describe_tensors(&text, run));
    dt_text_free(&text);
    FILE *stream = open_memstream(&json, &length);
    FUZZ_CHECK(stream && dt_output_attach(&out, stream, "description") == DT_OK);
    fuzz_succeeded(dt_describe_json(&out, run, path, "0"));
    FUZZ_CHECK(dt_output_detach(&out) == DT_OK && fclose(stream) == 0);
    dt_json_scan scan = dt_json_scan_of(json, length);
    dt_json_scan_skip(&scan);
    FUZZ_CHECK(!scan.bad);
    free(json);
}

/* What a prediction uses. */
static void use_model(const dt_run *run, const char *path)
{
    dt_tokenizer *tokenizer;
    if (run->tokenizer_json &&
        fuzz_succeeded(dt_tokenizer_from_json(run->tokenizer_json, strlen(run->tokenizer_json),
                                              path, &tokenizer))) {
        check_encoding(tokenizer, sequence, strlen(sequence), run->config.max_length);
        dt_tokenizer_destroy(tokenizer);
    }
    if (run->strand.profile)
        dt_strand_score(run->strand.profile, sequence, strlen(sequence));
    if (run->primers.forward[0]) {
        dt_primer_search *search;
        if (fuzz_succeeded(dt_primers_search(&run->primers, &search)))
            dt_primer_search_destroy(search);
    }
    FUZZ_CHECK(run->config.tax_ranks == run->taxonomy.tax_ranks);
    for (int32_t r = 0; r < run->taxonomy.tax_ranks; ++r)
        FUZZ_CHECK(run->config.classes[r] == run->taxonomy.rank[r].classes);
    FUZZ_CHECK(run->lineages.tax_ranks == 0 ||
               dt_lineage_tree_fits(&run->lineages, &run->taxonomy));
    for (int32_t r = 0; r < run->temperatures; ++r)
        FUZZ_CHECK(run->temperature[r] > 0.0 && run->temperature[r] < HUGE_VAL);
}

/* What a resumed training computes from its settings before it begins. */
static void use_training(dt_run *run)
{
    const dt_run_settings *s = &run->settings;
    const int64_t count = s->training_sequences;
    FUZZ_CHECK(dt_batches_per_epoch(count, s) > 0);
    const int64_t updates = dt_updates_per_epoch(count, s);
    const int64_t done = dt_epoch_updates_done(&run->progress, count, s);
    FUZZ_CHECK(updates > 0 && done >= 0 && done <= updates);
    for (int64_t i = 0; run->split.training && i < run->split.training_count; ++i)
        FUZZ_CHECK(run->split.training[i] >= 0 && run->split.training[i] < s->total_sequences);
    const double rate = dt_training_next_rate(run);
    FUZZ_CHECK(rate >= 0.0 && rate < HUGE_VAL);
    if (s->epochs < INT32_MAX)
        dt_training_extend(run, s->epochs + 1);
    const double extended = dt_training_next_rate(run);
    FUZZ_CHECK(extended >= 0.0 && extended < HUGE_VAL);
}

static void export(const dt_run *run, const char *path, const char *name)
{
    char to[128];
    dt_run again;
    snprintf(to, sizeof to, "%s/%s", fuzz_folder(), name);
    if (!fuzz_succeeded(dt_checkpoint_export(to, run, path)))
        return;
    FUZZ_CHECK(fuzz_succeeded(dt_checkpoint_verify(to)));
    FUZZ_CHECK(fuzz_succeeded(dt_checkpoint_read(to, &again)));
    dt_run_free(&again);
    unlink(to);
}

void use_checkpoint(const uint8_t *bytes, size_t size)
{
    dt_run run;
    const char *path = fuzz_file(0, bytes, size);
    if (!fuzz_succeeded(dt_checkpoint_read(path, &run)))
        return;
    describe(&run, path);
    use_model(&run, path);
    if (dt_hash_bytes(DT_HASH_START, bytes, size) % 16 == 0 &&
        fuzz_succeeded(dt_checkpoint_verify(path))) {
        if (run.tokenizer_json || run.config.encoding == DT_ENCODING_ONEHOT) /* else a command's */
            export(&run, path, "export.h5");
        export(&run, path, "export.pt");
    }
    if (run.has_optimizer)
        use_training(&run);
    dt_run_free(&run);
}
