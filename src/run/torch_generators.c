#include "run/torch_generators.h"

#include <string.h>

#include "core/mt19937.h"

#define WORDS 624

static void seed(dt_mt19937 *generator, const dt_run *run)
{
    dt_mt19937_seed(generator, run->settings.seed + (uint32_t)run->progress.epoch);
}

/* The fields of CPUGeneratorImplState in ATen/CPUGeneratorImpl.cpp. */
typedef struct {
    uint64_t seed;
    int32_t left; /* words + 1 that are left of the state; 1: a new one is generated first */
    int32_t seeded;
    uint64_t next;
    uint64_t state[WORDS];
    double normal_x, normal_y, normal_rho; /* kept from an earlier draw: nothing */
    int32_t normal_is_valid, unused;
    float next_float_normal;
    int32_t next_float_normal_is_valid;
} torch_state;
_Static_assert(sizeof(torch_state) == DT_TORCH_GENERATOR_BYTES, "the size of PyTorch's state");

void dt_torch_generator_state(const dt_run *run, unsigned char out[DT_TORCH_GENERATOR_BYTES])
{
    dt_mt19937 generator;
    torch_state state = {.left = 1, .seeded = 1};
    seed(&generator, run);
    state.seed = run->settings.seed + (uint32_t)run->progress.epoch;
    for (int i = 0; i < WORDS; ++i)
        state.state[i] = generator.state[i];
    memcpy(out, &state, sizeof state);
}

/* NumPy's: (name, words, next word, has a normal number, this number). DeepTaxa calls
 * words.tobytes() for a message, which an array of NumPy has; but torch.load(weights_only=True)
 * accepts none. So the words are an ordered dict, which NumPy reads as well, with a constructor of
 * bytes as its attribute `tobytes`. */
static void put_numpy(dt_torch_writer *file, const dt_mt19937 *generator)
{
    dt_pickle_writer *pickle = &file->pickle;
    dt_pickle_begin_tuple(pickle);
    dt_pickle_put_text(pickle, "MT19937");
    dt_torch_put_ordered_dict(file);
    dt_pickle_begin_items(pickle);
    for (int i = 0; i < WORDS; ++i) {
        dt_pickle_put_int(pickle, i);
        dt_pickle_put_int(pickle, generator->state[i]);
    }
    dt_pickle_end_dict(pickle);
    dt_pickle_begin_dict(pickle);
    dt_pickle_put_text(pickle, "tobytes");
    dt_pickle_put_global(pickle, "builtins", "bytearray");
    dt_pickle_end_dict(pickle);
    dt_pickle_put_state(pickle);
    dt_pickle_put_int(pickle, WORDS);
    dt_pickle_put_int(pickle, 0);
    dt_pickle_put_double(pickle, 0.0);
    dt_pickle_end_tuple(pickle);
}

/* Python's: (version, words and next word, a normal number). */
static void put_python(dt_pickle_writer *pickle, const dt_mt19937 *generator)
{
    dt_pickle_begin_tuple(pickle);
    dt_pickle_put_int(pickle, 3);
    dt_pickle_begin_tuple(pickle);
    for (int i = 0; i < WORDS; ++i)
        dt_pickle_put_int(pickle, generator->state[i]);
    dt_pickle_put_int(pickle, WORDS);
    dt_pickle_end_tuple(pickle);
    dt_pickle_put_none(pickle);
    dt_pickle_end_tuple(pickle);
}

void dt_torch_put_generators(dt_torch_writer *file, const dt_run *run)
{
    static const int64_t shape[] = {DT_TORCH_GENERATOR_BYTES};
    dt_pickle_writer *pickle = &file->pickle;
    dt_mt19937 generator;
    seed(&generator, run);
    dt_pickle_begin_dict(pickle);
    dt_pickle_put_text(pickle, "torch");
    dt_torch_put_tensor(file, DT_TORCH_UINT8, 1, shape);
    dt_pickle_put_text(pickle, "numpy");
    put_numpy(file, &generator);
    dt_pickle_put_text(pickle, "cuda");
    dt_pickle_put_none(pickle);
    dt_pickle_put_text(pickle, "python");
    put_python(pickle, &generator);
    dt_pickle_end_dict(pickle);
}
