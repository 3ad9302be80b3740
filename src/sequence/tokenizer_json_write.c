#include <jansson.h>
#include <string.h>

#include "sequence/tokenizer_json.h"

static json_t *write_added_tokens(const dt_tokenizer_spec *spec)
{
    json_t *added = json_array();
    for (int32_t i = 0; i < spec->special_count; ++i)
        json_array_append_new(added, json_pack("{si ss sb sb sb sb sb}", "id", spec->special_id[i],
                                               "content", spec->token[spec->special_id[i]],
                                               "single_word", 0, "lstrip", 0, "rstrip", 0,
                                               "normalized", 0, "special", 1));
    return added;
}

static void add_pieces(json_t *template, const dt_tokenizer_spec *spec, const int32_t *ids,
                       int32_t count, int type_id)
{
    for (int32_t i = 0; i < count; ++i)
        json_array_append_new(template, json_pack("{s{ss si}}", "SpecialToken", "id",
                                                  spec->token[ids[i]], "type_id", type_id));
}

static json_t *write_template(const dt_tokenizer_spec *spec, bool is_pair)
{
    json_t *template = json_array();
    add_pieces(template, spec, spec->prefix, spec->prefix_count, 0);
    json_array_append_new(template, json_pack("{s{ss si}}", "Sequence", "id", "A", "type_id", 0));
    add_pieces(template, spec, spec->suffix, spec->suffix_count, 0);
    if (is_pair) {
        json_array_append_new(template,
                              json_pack("{s{ss si}}", "Sequence", "id", "B", "type_id", 1));
        add_pieces(template, spec, spec->suffix, spec->suffix_count, 1);
    }
    return template;
}

static json_t *write_post_processor(const dt_tokenizer_spec *spec)
{
    const int32_t count = spec->prefix_count + spec->suffix_count;
    if (!count)
        return json_null();
    json_t *special = json_object();
    for (int32_t i = 0; i < count; ++i) {
        const int32_t id =
            i < spec->prefix_count ? spec->prefix[i] : spec->suffix[i - spec->prefix_count];
        const char *text = spec->token[id];
        json_object_set_new(special, text,
                            json_pack("{ss s[i] s[s]}", "id", text, "ids", id, "tokens", text));
    }
    return json_pack("{ss so so so}", "type", "TemplateProcessing", "single",
                     write_template(spec, false), "pair", write_template(spec, true),
                     "special_tokens", special);
}

static json_t *write_pre_tokenizer(dt_pre_tokenizer pre_tokenizer)
{
    if (pre_tokenizer == DT_PRE_TOKENIZER_NONE)
        return json_null();
    return json_pack("{ss}", "type",
                     pre_tokenizer == DT_PRE_TOKENIZER_WHITESPACE ? "Whitespace"
                                                                  : "WhitespaceSplit");
}

static json_t *write_merges(const dt_tokenizer_spec *spec)
{
    bool has_blank = false;
    for (int64_t i = 0; i < spec->merge_count && !has_blank; ++i)
        has_blank = strchr(spec->merge_left[i], ' ') || strchr(spec->merge_right[i], ' ');
    json_t *merges = json_array();
    for (int64_t i = 0; i < spec->merge_count; ++i)
        json_array_append_new(
            merges, has_blank ? json_pack("[ss]", spec->merge_left[i], spec->merge_right[i])
                              : json_sprintf("%s %s", spec->merge_left[i], spec->merge_right[i]));
    return merges;
}

static json_t *write_model(const dt_tokenizer_spec *spec)
{
    json_t *vocab = json_object();
    for (int32_t id = 0; id < spec->vocabulary_size; ++id)
        if (spec->token[id])
            json_object_set_new(vocab, spec->token[id], json_integer(id));
    json_t *unk = spec->unk_id >= 0 ? json_string(spec->token[spec->unk_id]) : json_null();
    return json_pack("{ss sn so sn sn sb so so}", "type", "BPE", "dropout", "unk_token", unk,
                     "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk",
                     (int)spec->fuse_unk, "vocab", vocab, "merges", write_merges(spec));
}

dt_status dt_tokenizer_to_json(const dt_tokenizer_spec *spec, char **json)
{
    *json = NULL;
    json_t *root =
        json_pack("{ss sn sn so sn so so sn so}", "version", "1.0", "truncation", "padding",
                  "added_tokens", write_added_tokens(spec), "normalizer", "pre_tokenizer",
                  write_pre_tokenizer(spec->pre_tokenizer), "post_processor",
                  write_post_processor(spec), "decoder", "model", write_model(spec));
    if (root)
        *json = json_dumps(root, JSON_INDENT(2));
    json_decref(root);
    if (!*json)
        return dt_fail(DT_ERR_MEMORY, "out of memory for the text of the tokenizer");
    return DT_OK;
}
