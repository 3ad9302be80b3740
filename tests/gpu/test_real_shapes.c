/* Every operation beside the CPU's at the sizes of the default model: 8 full-length sequences, H
 * 896 in 7 heads of 128, I 3584, 27,923 classes. */
#include "../cuda_on_cpu/operations.h"
#include "real_model.h"

typedef struct {
    dt_model_config config;
    int32_t lengths[9]; /* ends with 0 */
    int32_t tokens;
    int32_t classes; /* of all ranks */
} sizes;

static sizes real_sizes(void)
{
    sizes s = {.config = real_config()};
    int32_t low;
    int32_t high;
    real_lengths(&low, &high);
    for (int32_t i = 0; i < 8; ++i) {
        s.lengths[i] = real_between(9, (uint32_t)i, low, high);
        s.tokens += s.lengths[i];
    }
    for (int32_t r = 0; r < s.config.tax_ranks; ++r)
        s.classes += s.config.classes[r];
    return s;
}

static void embedding_at_real_sizes(void **state)
{
    (void)state;
    const sizes s = real_sizes();
    const row_shape shape = {s.lengths, s.config.hidden,     64,       DT_ROWS_TOKENS,
                             0.2,       s.config.vocabulary, s.classes};
    beside_cpu_as(embedding, &shape, &(test_setup){.name = "embedding"});
}

static void linear_at_real_sizes(void **state)
{
    (void)state;
    const sizes s = real_sizes();
    const int32_t h = s.config.hidden;
    const int32_t channels = s.config.filters * s.config.kernels;
    const linear_shape shapes[] = {{s.tokens, h, 3 * h, false},
                                   {s.tokens, h, h, true},
                                   {s.tokens, h, s.config.intermediate, false},
                                   {s.tokens, s.config.intermediate, h, true},
                                   {8, channels, h, false}};
    const char *const names[] = {"linear, q k v", "linear, attention output",
                                 "linear, intermediate", "linear, output", "linear, CNN"};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i)
        beside_cpu_as(linear, &shapes[i], &(test_setup){.name = names[i]});
}

static void attention_by(dt_attention_method method, dt_row_kind queries, double dropout,
                         const char *name)
{
    const sizes s = real_sizes();
    const int32_t d = s.config.hidden / s.config.heads;
    const attention_shape shape = {s.lengths, s.config.heads, d, queries, dropout, 64};
    beside_cpu_as(attention, &shape,
                  &(test_setup){.name = name,
                                .attention = method,
                                .low_precision_only = method == DT_ATTENTION_FUSED});
}

static void attention_fused_at_real_sizes(void **state)
{
    (void)state;
    attention_by(DT_ATTENTION_FUSED, DT_ROWS_TOKENS, 0.2, "attention, fused");
    attention_by(DT_ATTENTION_FUSED, DT_ROWS_TOKENS, 0.0, "attention, fused, p 0");
    attention_by(DT_ATTENTION_FUSED, DT_ROWS_SEQUENCES, 0.2, "attention, fused, one");
}

static void attention_plain_at_real_sizes(void **state)
{
    (void)state;
    attention_by(DT_ATTENTION_PLAIN, DT_ROWS_TOKENS, 0.2, "attention, plain");
    attention_by(DT_ATTENTION_PLAIN, DT_ROWS_TOKENS, 0.0, "attention, plain, p 0");
    attention_by(DT_ATTENTION_PLAIN, DT_ROWS_SEQUENCES, 0.2, "attention, plain, one");
}

static void add_norm_at_real_sizes(void **state)
{
    (void)state;
    const sizes s = real_sizes();
    const row_shape shape = {s.lengths, s.config.hidden,     64,       DT_ROWS_TOKENS,
                             0.2,       s.config.vocabulary, s.classes};
    beside_cpu_as(add_norm, &shape, &(test_setup){.name = "add, LayerNorm"});
}

static void heads_at_real_sizes(void **state)
{
    (void)state;
    const sizes s = real_sizes();
    const row_shape shape = {s.lengths, s.config.hidden,     64,       DT_ROWS_SEQUENCES,
                             0.2,       s.config.vocabulary, s.classes};
    beside_cpu_as(per_sequence, &shape, &(test_setup){.name = "fuse, heads"});
}

static void conv_max_at_real_sizes(void **state)
{
    (void)state;
    const sizes s = real_sizes();
    conv_shape shape = {.lengths = s.lengths,
                        .embed = s.config.embed_dim,
                        .filters = s.config.filters,
                        .kernels = s.config.kernels,
                        .max_length = s.config.max_length,
                        .dropout = 0.2,
                        .vocabulary = s.config.vocabulary};
    memcpy(shape.width, s.config.width, sizeof shape.width);
    beside_cpu_as(conv_max, &shape, &(test_setup){.name = "convolution, maximum"});
    shape.mask_padding = true;
    beside_cpu_as(conv_max, &shape, &(test_setup){.name = "convolution, masked"});
}

static void loss_at_real_sizes(void **state)
{
    (void)state;
    const sizes s = real_sizes();
    loss_shape shape = {.lengths = s.lengths, .tax_ranks = s.config.tax_ranks};
    memcpy(shape.classes, s.config.classes, (size_t)s.config.tax_ranks * sizeof(int32_t));
    beside_cpu_as(loss, &shape, &(test_setup){.name = "loss, classes"});
    shape.type = DT_LOSS_FOCAL;
    beside_cpu_as(loss, &shape, &(test_setup){.name = "focal loss"});
}

static void update_at_real_sizes(void **state)
{
    (void)state;
    const int64_t count = small_sizes() ? 100003 : 20000003;
    beside_cpu_as(update, &count, &(test_setup){.name = "update"});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(embedding_at_real_sizes),
        cmocka_unit_test(linear_at_real_sizes),
        cmocka_unit_test(attention_fused_at_real_sizes),
        cmocka_unit_test(attention_plain_at_real_sizes),
        cmocka_unit_test(add_norm_at_real_sizes),
        cmocka_unit_test(heads_at_real_sizes),
        cmocka_unit_test(conv_max_at_real_sizes),
        cmocka_unit_test(loss_at_real_sizes),
        cmocka_unit_test(update_at_real_sizes),
    };
    setvbuf(stdout, NULL, _IOLBF, 0);
    return RUN_TESTS(tests);
}
