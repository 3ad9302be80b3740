/* The layout of a model: what its parameters, ranges and buffers promise to devices and ranks. */
#include "core/pool.h"
#include "model/model.h"
#include "test.h"
#include "published_sizes.h"

static dt_model_config tiny(int32_t layers)
{
    dt_model_config config = published_sizes();
    config.vocabulary = 6;
    config.max_length = 64;
    config.embed_dim = config.filters = config.intermediate = 4;
    config.hidden = 4;
    config.heads = 2;
    config.layers = layers;
    config.tax_ranks = 2;
    config.classes[0] = 2;
    config.classes[1] = 3;
    return config;
}

static dt_backend *open_cpu(void)
{
    dt_backend *backend;
    ASSERT_OK(dt_backend_open("cpu", &(dt_backend_options){.threads = 1}, &backend));
    return backend;
}

static dt_model *create(dt_backend *backend, int32_t layers)
{
    dt_model *model;
    const dt_model_config config = tiny(layers);
    ASSERT_OK(dt_model_create(&model, &config, backend, true));
    return model;
}

typedef struct {
    int64_t end; /* of the ranges so far */
    int32_t ranges;
} range_log;

static dt_status note_range(void *context, dt_gradient_range range)
{
    range_log *log = context;
    assert_int_equal(range.offset, log->end);
    assert_in_range(range.slot, 0, DT_EVENT_SLOTS - 1);
    assert_int_equal(range.slot, log->ranges);
    log->end += range.count;
    log->ranges++;
    return DT_OK;
}

static void ranges_cover_the_trained_vector_with_the_events_that_there_are(void **state)
{
    (void)state;
    static const int32_t layers[] = {1, 2, DT_MAX_ENCODER_LAYERS};
    for (size_t i = 0; i < sizeof layers / sizeof *layers; ++i) {
        dt_backend *backend = open_cpu();
        dt_model *model = create(backend, layers[i]);
        range_log log = {0};
        ASSERT_OK(dt_model_report_ranges(model, note_range, &log));
        assert_int_equal(log.end, dt_model_params(model)->trained);
        assert_int_equal(log.ranges, layers[i] + 3);
        dt_model_destroy(model);
        backend->ops->destroy(backend);
    }
}

static void a_model_too_deep_for_events_and_draws_is_refused(void **state)
{
    (void)state;
    const dt_model_config config = tiny(DT_MAX_ENCODER_LAYERS + 1);
    ASSERT_FAILS(DT_ERR_USAGE, "--num-hidden-layers: at most 240", dt_model_config_check(&config));
}

static void all_layers_of_the_deepest_model_start_differently(void **state)
{
    (void)state;
    enum { ELEMENTS = 4 * 4 };
    static float query[DT_MAX_ENCODER_LAYERS][ELEMENTS];
    dt_backend *backend = open_cpu();
    dt_model *model = create(backend, DT_MAX_ENCODER_LAYERS);
    dt_pool *pool;
    ASSERT_OK(dt_model_reserve(model, 1, 3));
    ASSERT_OK(dt_pool_create(&pool, 1));
    ASSERT_OK(dt_params_init(dt_model_params(model), backend, 7, pool));
    for (int l = 0; l < DT_MAX_ENCODER_LAYERS; ++l) {
        char name[96];
        snprintf(name, sizeof name, "bert.encoder.layer.%d.attention.self.query.weight", l);
        const dt_param_spec *spec = dt_params_find(dt_model_params(model), name);
        assert_int_equal(spec->count, ELEMENTS);
        ASSERT_OK(dt_params_read(backend, DT_PARAMETERS, spec->offset, ELEMENTS, query[l]));
        for (int other = 0; other < l; ++other)
            assert_memory_not_equal(query[l], query[other], sizeof query[l]);
    }
    dt_pool_destroy(pool);
    dt_model_destroy(model);
    backend->ops->destroy(backend);
}

/* Bytes of the model's own buffers, for batches of two sequences. */
static int64_t own_bytes(const dt_model *model, int64_t tokens)
{
    dt_backend *backend = dt_model_backend(model);
    const int32_t tax_ranks = dt_model_config_of(model)->tax_ranks;
    return dt_model_buffer_bytes(model, 2, tokens) -
           backend->ops->batch_bytes(backend, 2, tokens, tax_ranks);
}

static void buffers_have_room_for_the_rows_that_a_device_adds(void **state)
{
    (void)state;
    dt_backend *backend = open_cpu();
    dt_model *model = create(backend, 2);
    const int64_t exact = own_bytes(model, 65);
    const int64_t rounded = own_bytes(model, 128);
    assert_true(rounded > exact);
    backend->row_multiple = 64;
    assert_int_equal(own_bytes(model, 65), rounded);
    assert_int_equal(own_bytes(model, 128), rounded);
    dt_model_destroy(model);
    backend->ops->destroy(backend);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_cover_the_trained_vector_with_the_events_that_there_are),
        cmocka_unit_test(a_model_too_deep_for_events_and_draws_is_refused),
        cmocka_unit_test(all_layers_of_the_deepest_model_start_differently),
        cmocka_unit_test(buffers_have_room_for_the_rows_that_a_device_adds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
