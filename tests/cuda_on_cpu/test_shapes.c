/* How often the shapes of real batches recur: most steps of a training run must be replays. Batches
 * of 64 are drawn as in an epoch and uploaded; a step without operations is begun on each. */
#include "backend.h"
#include "data/sampler.h"
#include "io/fasta.h"
#include "sequence/tokenizer_json.h"
#include "parity/fixtures.h"
#include "sequence/normalize.h"
#include "test.h"

#include <unistd.h>

#define BATCH 64
#define STEPS 1000
#define LONGEST 512

/* Tokenised sequences back to back. */
typedef struct {
    int64_t count;
    int64_t offsets[6000];
    int32_t *tokens;
} sequence_set;

/* Reads the bases begin … begin + length - 1 of every 16S sequence that is long enough; length 0:
 * all bases. */
static void read_set(sequence_set *set, size_t begin, size_t length)
{
    dt_tokenizer *tokenizer;
    dt_encoder *encoder;
    dt_fasta *fasta;
    dt_fasta_record record = {0};
    bool found = true;
    *set = (sequence_set){.tokens = malloc((size_t)6000 * LONGEST * sizeof(int32_t))};
    ASSERT_OK(dt_tokenizer_read(shared_path("data/dnabert2-tokenizer.json"), &tokenizer, NULL));
    ASSERT_OK(dt_encoder_create(&encoder, tokenizer));
    ASSERT_OK(dt_fasta_open(&fasta, GOLD_FASTA));
    for (;;) {
        const uint16_t *ids;
        int32_t count;
        ASSERT_OK(dt_fasta_next(fasta, &record, &found));
        if (!found)
            break;
        const size_t bases = dt_normalize(record.sequence.data, record.sequence.length);
        if (begin + length > bases)
            continue;
        ASSERT_OK(dt_encoder_encode(encoder, record.sequence.data + begin,
                                    length > 0 ? length : bases, LONGEST, &ids, &count));
        assert_true(set->count < 5999);
        for (int32_t t = 0; t < count; ++t)
            set->tokens[set->offsets[set->count] + t] = ids[t];
        set->offsets[set->count + 1] = set->offsets[set->count] + count;
        set->count++;
    }
    dt_fasta_record_free(&record);
    dt_fasta_close(fasta);
    dt_encoder_destroy(encoder);
    dt_tokenizer_destroy(tokenizer);
}

static int32_t pack(const sequence_set *set, const int64_t *items, int32_t *ids,
                    int32_t *cu_seqlens)
{
    cu_seqlens[0] = 0;
    for (int b = 0; b < BATCH; ++b) {
        const int64_t from = set->offsets[items[b]];
        const int32_t count = (int32_t)(set->offsets[items[b] + 1] - from);
        memcpy(ids + cu_seqlens[b], set->tokens + from, (size_t)count * sizeof *ids);
        cu_seqlens[b + 1] = cu_seqlens[b] + count;
    }
    return cu_seqlens[BATCH];
}

/* Begins the steps of some epochs; returns the fraction replayed, and in *excess the number of
 * extra rows. */
static double share_replayed(const sequence_set *set, double *excess)
{
    static int32_t ids[BATCH * LONGEST];
    int32_t cu_seqlens[BATCH + 1];
    dt_backend *backend;
    dt_sampler sampler;
    int answers[3] = {0};
    int64_t tokens = 0;
    int64_t rows = 0;
    *excess = 0.0;
    if (set->count < BATCH)
        return 0.0; /* no batch at all */
    int64_t *items = calloc((size_t)set->count, sizeof *items);
    for (int64_t i = 0; i < set->count; ++i)
        items[i] = i;
    ASSERT_OK(dt_sampler_create(&sampler, items, set->count, 1));
    ASSERT_OK(dt_backend_open("cuda_on_cpu", &(dt_backend_options){0}, &backend));
    ASSERT_OK(backend->ops->batch_reserve(backend, BATCH, (int64_t)BATCH * LONGEST, 0));
    const int64_t each = set->count / BATCH;
    for (int64_t step = 0; step < STEPS; ++step) {
        if (step % each == 0)
            dt_sampler_begin_epoch(&sampler, (uint32_t)(step / each));
        tokens += pack(set, sampler.order + step % each * BATCH, ids, cu_seqlens);
        const dt_batch batch = {.sequences = BATCH, .token_ids = ids, .cu_seqlens = cu_seqlens};
        const dt_device_batch *on_device = backend->ops->batch_upload(backend, &batch);
        rows += on_device->size.rows;
        const int answer = backend->ops->step_begin(backend, on_device, 1);
        answers[answer]++;
        if (answer == DT_STEP_RECORD)
            assert_true(backend->ops->step_end(backend));
    }
    ASSERT_OK(backend->ops->sync(backend));
    backend->ops->destroy(backend);
    dt_sampler_free(&sampler);
    free(items);
    *excess = (double)(rows - tokens) / (double)tokens;
    print_message("%lld sequences of %.0f tokens: of %d steps %d are run, %d recorded, %d "
                  "replayed; %.2f %% rows are added\n",
                  (long long)set->count, (double)set->offsets[set->count] / (double)set->count,
                  STEPS, answers[DT_STEP_RUN], answers[DT_STEP_RECORD], answers[DT_STEP_REPLAYED],
                  100.0 * *excess);
    return (double)answers[DT_STEP_REPLAYED] / STEPS;
}

static void most_steps_are_replays(void **state)
{
    (void)state;
    static sequence_set set;
    static const struct {
        size_t begin, length; /* approximately V4 in E. coli numbering */
        double excess;
    } parts[] = {{0, 0, 0.005}, {515, 253, 0.01}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; ++i) {
        double excess;
        read_set(&set, parts[i].begin, parts[i].length);
        assert_true(set.count > 5000);
        assert_true(share_replayed(&set, &excess) > 0.94);
        assert_true(excess < parts[i].excess);
        free(set.tokens);
    }
}

int main(void)
{
    if (access(shared_path("data/dnabert2-tokenizer.json"), R_OK) != 0)
        SKIP_PROGRAM("no %s", shared_path("data/dnabert2-tokenizer.json"));
    if (access(GOLD_FASTA, R_OK) != 0)
        SKIP_PROGRAM("no %s: install the Debian package microbiomeutil-data", GOLD_FASTA);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(most_steps_are_replays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
