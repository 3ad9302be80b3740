/* Reading the fixtures that the PyTorch reference wrote (README.md lists what is in them). Any
 * failure ends the test: a fixture that cannot be read proves nothing. */
#ifndef DT_TESTS_PARITY_FIXTURE_H
#define DT_TESTS_PARITY_FIXTURE_H

#include <hdf5.h>

#include "model/config.h"
#include "test.h"
#include "published_sizes.h"

static inline hid_t fixture_open(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "tests/parity/fixtures/%s.h5", name);
    const hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (file < 0)
        fail_msg("%s: cannot open the fixture", path);
    return file;
}

/* A whole dataset as `type`; *count elements. The caller frees. */
static inline void *fixture_read(hid_t file, const char *name, hid_t type, size_t size,
                                 int64_t *count)
{
    const hid_t dataset = H5Dopen2(file, name, H5P_DEFAULT);
    if (dataset < 0)
        fail_msg("the fixture lacks %s", name);
    const hid_t space = H5Dget_space(dataset);
    const int64_t elements = H5Sget_simple_extent_npoints(space);
    void *values = calloc((size_t)elements + 1, size);
    assert_non_null(values);
    if (H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0)
        fail_msg("the fixture's %s cannot be read", name);
    H5Sclose(space);
    H5Dclose(dataset);
    if (count)
        *count = elements;
    return values;
}

static inline double *fixture_doubles(hid_t file, const char *name, int64_t *count)
{
    return fixture_read(file, name, H5T_NATIVE_DOUBLE, sizeof(double), count);
}

static inline int32_t *fixture_ints(hid_t file, const char *name, int64_t *count)
{
    return fixture_read(file, name, H5T_NATIVE_INT32, sizeof(int32_t), count);
}

/* A numeric attribute of an object: its first `count` values as doubles. Returns how many it has.
 */
static inline int32_t fixture_attribute(hid_t file, const char *object, const char *key,
                                        double *values, int32_t count)
{
    double all[64] = {0};
    const hid_t attribute = H5Aopen_by_name(file, object, key, H5P_DEFAULT, H5P_DEFAULT);
    if (attribute < 0)
        fail_msg("the fixture's %s lacks the attribute %s", object, key);
    const hid_t space = H5Aget_space(attribute);
    const int64_t elements = H5Sget_simple_extent_npoints(space);
    assert_in_range(elements, 1, 64);
    if (H5Aread(attribute, H5T_NATIVE_DOUBLE, all) < 0)
        fail_msg("the fixture's attribute %s cannot be read", key);
    H5Sclose(space);
    H5Aclose(attribute);
    for (int32_t i = 0; i < count; ++i)
        values[i] = all[i];
    return (int32_t)elements;
}

static inline double fixture_number(hid_t file, const char *object, const char *key)
{
    double value;
    fixture_attribute(file, object, key, &value, 1);
    return value;
}

/* A text attribute of the file; the caller frees. */
static inline char *fixture_text(hid_t file, const char *key)
{
    char *text = NULL;
    const hid_t attribute = H5Aopen_by_name(file, "/", key, H5P_DEFAULT, H5P_DEFAULT);
    if (attribute < 0)
        fail_msg("the fixture lacks the attribute %s", key);
    const hid_t type = H5Aget_type(attribute);
    const size_t size = H5Tget_size(type);
    if (H5Tis_variable_str(type) > 0) {
        char *variable = NULL;
        const hid_t memory = H5Tcopy(H5T_C_S1);
        H5Tset_size(memory, H5T_VARIABLE);
        H5Tset_cset(memory, H5Tget_cset(type));
        if (H5Aread(attribute, memory, &variable) < 0)
            fail_msg("the fixture's attribute %s cannot be read", key);
        text = strdup(variable ? variable : "");
        H5free_memory(variable);
        H5Tclose(memory);
    } else {
        text = calloc(size + 1, 1);
        if (H5Aread(attribute, type, text) < 0)
            fail_msg("the fixture's attribute %s cannot be read", key);
    }
    H5Tclose(type);
    H5Aclose(attribute);
    return text;
}

/* True when a list of names (one a line, "\n" before the first too) holds `name`. */
static inline bool fixture_lists(hid_t file, const char *key, const char *name)
{
    char line[160];
    char *text = fixture_text(file, key);
    snprintf(line, sizeof line, "\n%s\n", name);
    const bool found = strstr(text, line) != NULL;
    free(text);
    return found;
}

/* The attribute model_type. */
static inline dt_model_type fixture_model_type(hid_t file)
{
    static const dt_model_type types[] = {DT_MODEL_HYBRID, DT_MODEL_BERT, DT_MODEL_CNN,
                                          DT_MODEL_KMER};
    char *text = fixture_text(file, "model_type");
    size_t i = 0;
    while (i < sizeof types / sizeof *types && strcmp(text, dt_model_type_name(types[i])) != 0)
        ++i;
    if (i == sizeof types / sizeof *types)
        fail_msg("the fixture has a model of type %s", text);
    free(text);
    return types[i];
}

/* The attribute encoding: "tokens" or "onehot". */
static inline dt_encoding fixture_encoding(hid_t file)
{
    char *text = fixture_text(file, "encoding");
    const bool onehot = strcmp(text, "onehot") == 0;
    free(text);
    return onehot ? DT_ENCODING_ONEHOT : DT_ENCODING_DNABERT;
}

static inline dt_model_config fixture_config(hid_t file)
{
    dt_model_config config = published_sizes();
    double values[64];
    const struct {
        const char *key;
        int32_t *to;
    } sizes[] = {
        {"vocabulary", &config.vocabulary},     {"pad_id", &config.pad_id},
        {"max_length", &config.max_length},     {"embed_dim", &config.embed_dim},
        {"num_filters", &config.filters},       {"num_conv_layers", &config.conv_layers},
        {"hidden_size", &config.hidden},        {"num_hidden_layers", &config.layers},
        {"num_attention_heads", &config.heads}, {"intermediate_size", &config.intermediate},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i)
        *sizes[i].to = (int32_t)fixture_number(file, "/", sizes[i].key);
    config.type = fixture_model_type(file);
    config.encoding = fixture_encoding(file);
    if (dt_model_has_bag(&config))
        config.kmer_size = (int32_t)fixture_number(file, "/", "kmer_size");
    config.mask_padding = fixture_number(file, "/", "mask_padding") != 0.0;
    config.dropout = fixture_number(file, "/", "dropout");
    config.kernels = fixture_attribute(file, "/", "kernel_sizes", values, DT_MAX_KERNELS);
    for (int32_t k = 0; k < config.kernels; ++k)
        config.width[k] = (int32_t)values[k];
    config.tax_ranks = fixture_attribute(file, "/", "classes", values, DT_MAX_TAX_RANKS);
    for (int32_t r = 0; r < config.tax_ranks; ++r)
        config.classes[r] = (int32_t)values[r];
    return config;
}

#endif
