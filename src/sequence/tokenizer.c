#include "sequence/tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/strmap.h"
#include "sequence/bpe_merge.h"
#include "sequence/bpe_walk.h"
#include "core/unicode_class.h"

#define UNKNOWN (-1)

/* A non-ASCII character that is a token. */
typedef struct {
    uint32_t code;
    uint16_t id;
} wide_char;

typedef struct {
    const char *text; /* owned by the token table */
    size_t length;
    uint16_t id;
} added_token;

struct dt_tokenizer {
    dt_encoding encoding;
    int32_t vocabulary_size;
    char **token; /* (vocabulary_size), NULL for unused ids */
    dt_merges merges;
    dt_bpe_walk *walk; /* NULL: use the priority queue */
    int32_t ascii_id[128];
    uint8_t ascii_kind[128]; /* dt_char_kind, through kind_map */
    uint8_t kind_map[3];     /* maps a dt_char_kind to the kinds this pre-tokenizer distinguishes */
    wide_char *wide;         /* (wide_count) by code */
    size_t wide_count;
    added_token *added; /* (added_count) longest first */
    size_t added_count;
    bool begins_added[256]; /* by byte */
    int32_t unk_id;
    bool fuse_unk;
    int32_t pad_id;
    uint16_t prefix[DT_MAX_AFFIX];
    uint16_t suffix[DT_MAX_AFFIX];
    size_t prefix_count;
    size_t suffix_count;
};

struct dt_encoder {
    const dt_tokenizer *tokenizer;
    uint16_t *tokens; /* the result */
    size_t token_count;
    size_t token_capacity;
    uint16_t *word; /* the characters of the current word */
    size_t word_length;
    size_t word_capacity;
    bool word_ends_unknown; /* for fuse_unk */
    dt_walk_work walk_work;
    dt_merge_work merge_work;
};

/* --- building --------------------------------------------------------------------------------- */

static bool is_used_id(const dt_tokenizer_spec *spec, int32_t id)
{
    return id >= 0 && id < spec->vocabulary_size && spec->token[id];
}

static dt_status check_ids(const dt_tokenizer_spec *spec)
{
    if (spec->vocabulary_size < 1 || spec->vocabulary_size > DT_MAX_VOCABULARY)
        return dt_fail(DT_ERR_INPUT, "a tokenizer of %d entries; 1 to %d are supported",
                       spec->vocabulary_size, DT_MAX_VOCABULARY);
    if (spec->unk_id != -1 && !is_used_id(spec, spec->unk_id))
        return dt_fail(DT_ERR_INPUT, "the unknown token's id %d is not in the vocabulary",
                       spec->unk_id);
    if (spec->pad_id != -1 && !is_used_id(spec, spec->pad_id))
        return dt_fail(DT_ERR_INPUT, "the padding token's id %d is not in the vocabulary",
                       spec->pad_id);
    if (spec->prefix_count < 0 || spec->prefix_count > DT_MAX_AFFIX || spec->suffix_count < 0 ||
        spec->suffix_count > DT_MAX_AFFIX)
        return dt_fail(
            DT_ERR_INPUT,
            "the tokenizer adds %d tokens before and %d after a sequence; at most %d each are "
            "supported",
            spec->prefix_count, spec->suffix_count, DT_MAX_AFFIX);
    for (int32_t i = 0; i < spec->prefix_count + spec->suffix_count; ++i) {
        const int32_t id =
            i < spec->prefix_count ? spec->prefix[i] : spec->suffix[i - spec->prefix_count];
        if (!is_used_id(spec, id))
            return dt_fail(DT_ERR_INPUT,
                           "the id %d, added to each sequence, is not in the vocabulary", id);
    }
    for (int32_t i = 0; i < spec->special_count; ++i)
        if (!is_used_id(spec, spec->special_id[i]))
            return dt_fail(DT_ERR_INPUT, "the special token's id %d is not in the vocabulary",
                           spec->special_id[i]);
    return DT_OK;
}

static dt_status copy_tokens(dt_tokenizer *tokenizer, const dt_tokenizer_spec *spec, dt_strmap *ids)
{
    tokenizer->vocabulary_size = spec->vocabulary_size;
    DT_TRY(DT_NEW(tokenizer->token, (size_t)spec->vocabulary_size));
    for (int32_t id = 0; id < spec->vocabulary_size; ++id) {
        const char *text = spec->token[id];
        if (!text)
            continue;
        if (!*text)
            return dt_fail(DT_ERR_INPUT, "token %d is empty; that is not supported", id);
        DT_TRY(dt_copy_text(&tokenizer->token[id], text));
        int32_t found;
        int added;
        DT_TRY(dt_strmap_add(ids, text, strlen(text), id, &found, &added));
        if (!added)
            return dt_fail(DT_ERR_INPUT, "the token '%.60s' has two ids, %d and %d", text, found,
                           id);
    }
    return DT_OK;
}

/* Finds the parts and the result of merge i in the vocabulary. */
static dt_status add_merge(dt_tokenizer *tokenizer, const dt_tokenizer_spec *spec, int64_t i,
                           const dt_strmap *ids, dt_text *joined)
{
    const char *const left = spec->merge_left[i];
    const char *const right = spec->merge_right[i];
    dt_text_clear(joined);
    DT_TRY(dt_text_add(joined, left, strlen(left)));
    DT_TRY(dt_text_add(joined, right, strlen(right)));
    const char *const names[3] = {left, right, joined->data};
    int32_t id[3];
    for (int part = 0; part < 3; ++part) {
        id[part] = dt_strmap_find(ids, names[part], strlen(names[part]));
        if (id[part] < 0)
            return dt_fail(DT_ERR_INPUT,
                           "merge %lld ('%.60s' with '%.60s'): '%.60s' is not in the vocabulary",
                           (long long)i + 1, left, right, names[part]);
    }
    dt_merges_add(&tokenizer->merges, (uint16_t)id[0], (uint16_t)id[1], (uint16_t)id[2]);
    return DT_OK;
}

static dt_status copy_merges(dt_tokenizer *tokenizer, const dt_tokenizer_spec *spec,
                             const dt_strmap *ids)
{
    if (spec->merge_count < 0 || spec->merge_count > INT32_MAX)
        return dt_fail(DT_ERR_INPUT, "%lld merges; at most %d are supported",
                       (long long)spec->merge_count, INT32_MAX);
    DT_TRY(dt_merges_init(&tokenizer->merges, (uint32_t)spec->merge_count));
    dt_text joined = {0};
    dt_status status = DT_OK;
    for (int64_t i = 0; i < spec->merge_count && status == DT_OK; ++i)
        status = add_merge(tokenizer, spec, i, ids, &joined);
    dt_text_free(&joined);
    return status;
}

static int by_code(const void *a, const void *b)
{
    const uint32_t x = ((const wide_char *)a)->code;
    const uint32_t y = ((const wide_char *)b)->code;
    return (x > y) - (x < y);
}

/* Finds the tokens that are single characters, and prepares the walk for them. */
static dt_status find_characters(dt_tokenizer *tokenizer)
{
    uint16_t *character;
    DT_TRY(DT_NEW(character, (size_t)tokenizer->vocabulary_size));
    int32_t count = 0;
    dt_status status = DT_OK;
    size_t capacity = 0;
    for (int c = 0; c < 128; ++c)
        tokenizer->ascii_id[c] = UNKNOWN;
    for (int32_t id = 0; id < tokenizer->vocabulary_size && status == DT_OK; ++id) {
        const char *text = tokenizer->token[id];
        uint32_t code;
        if (!text || dt_utf8_next(text, strlen(text), &code) != strlen(text))
            continue;
        character[count++] = (uint16_t)id;
        if (code < 128) {
            tokenizer->ascii_id[code] = id;
            continue;
        }
        status = DT_GROW(tokenizer->wide, capacity, tokenizer->wide_count + 1);
        if (status == DT_OK)
            tokenizer->wide[tokenizer->wide_count++] =
                (wide_char){.code = code, .id = (uint16_t)id};
    }
    if (status == DT_OK) {
        if (tokenizer->wide_count)
            qsort(tokenizer->wide, tokenizer->wide_count, sizeof *tokenizer->wide, by_code);
        status = dt_bpe_walk_create(&tokenizer->walk, &tokenizer->merges,
                                    tokenizer->vocabulary_size, character, count);
    }
    free(character);
    return status;
}

static int longer_first(const void *a, const void *b)
{
    const added_token *x = a;
    const added_token *y = b;
    if (x->length != y->length)
        return x->length > y->length ? -1 : 1;
    return strcmp(x->text, y->text);
}

static dt_status copy_specials(dt_tokenizer *tokenizer, const dt_tokenizer_spec *spec)
{
    DT_TRY(DT_NEW(tokenizer->added, (size_t)spec->special_count));
    tokenizer->added_count = (size_t)spec->special_count;
    for (int32_t i = 0; i < spec->special_count; ++i) {
        const char *text = tokenizer->token[spec->special_id[i]];
        tokenizer->added[i] = (added_token){
            .text = text, .length = strlen(text), .id = (uint16_t)spec->special_id[i]};
        tokenizer->begins_added[(unsigned char)*text] = true;
    }
    qsort(tokenizer->added, tokenizer->added_count, sizeof *tokenizer->added, longer_first);
    tokenizer->prefix_count = (size_t)spec->prefix_count;
    tokenizer->suffix_count = (size_t)spec->suffix_count;
    for (int32_t i = 0; i < spec->prefix_count; ++i)
        tokenizer->prefix[i] = (uint16_t)spec->prefix[i];
    for (int32_t i = 0; i < spec->suffix_count; ++i)
        tokenizer->suffix[i] = (uint16_t)spec->suffix[i];
    return DT_OK;
}

static void set_kinds(dt_tokenizer *tokenizer, dt_pre_tokenizer pre_tokenizer)
{
    const bool keeps_space = pre_tokenizer == DT_PRE_TOKENIZER_NONE;
    const bool tells_words = pre_tokenizer == DT_PRE_TOKENIZER_WHITESPACE;
    tokenizer->kind_map[DT_CHAR_SPACE] = keeps_space ? DT_CHAR_WORD : DT_CHAR_SPACE;
    tokenizer->kind_map[DT_CHAR_WORD] = DT_CHAR_WORD;
    tokenizer->kind_map[DT_CHAR_OTHER] = tells_words ? DT_CHAR_OTHER : DT_CHAR_WORD;
    for (uint32_t c = 0; c < 128; ++c)
        tokenizer->ascii_kind[c] = tokenizer->kind_map[dt_char_kind_of(c)];
}

static dt_status build(dt_tokenizer *tokenizer, const dt_tokenizer_spec *spec, dt_strmap *ids)
{
    DT_TRY(copy_tokens(tokenizer, spec, ids));
    DT_TRY(copy_merges(tokenizer, spec, ids));
    DT_TRY(find_characters(tokenizer));
    DT_TRY(copy_specials(tokenizer, spec));
    set_kinds(tokenizer, spec->pre_tokenizer);
    tokenizer->unk_id = spec->unk_id;
    tokenizer->fuse_unk = spec->fuse_unk;
    tokenizer->pad_id = spec->pad_id;
    return DT_OK;
}

dt_status dt_tokenizer_create(dt_tokenizer **out, const dt_tokenizer_spec *spec)
{
    *out = NULL;
    DT_TRY(check_ids(spec));
    dt_strmap *ids;
    DT_TRY(dt_strmap_create(&ids));
    dt_tokenizer *tokenizer = NULL;
    dt_status status = DT_NEW(tokenizer, 1);
    if (status == DT_OK)
        status = build(tokenizer, spec, ids);
    dt_strmap_destroy(ids);
    if (status != DT_OK) {
        dt_tokenizer_destroy(tokenizer);
        return status;
    }
    *out = tokenizer;
    return DT_OK;
}

dt_status dt_tokenizer_create_onehot(dt_tokenizer **out)
{
    static const char *const bases[DT_ONEHOT_IDS] = {"A", "C", "G", "T", "[UNK]"};
    const dt_tokenizer_spec spec = {
        .vocabulary_size = DT_ONEHOT_IDS, .token = bases, .unk_id = DT_ONEHOT_OTHER, .pad_id = -1};
    DT_TRY(dt_tokenizer_create(out, &spec));
    (*out)->encoding = DT_ENCODING_ONEHOT;
    return DT_OK;
}

void dt_tokenizer_destroy(dt_tokenizer *tokenizer)
{
    if (!tokenizer)
        return;
    for (int32_t id = 0; tokenizer->token && id < tokenizer->vocabulary_size; ++id)
        free(tokenizer->token[id]);
    free(tokenizer->token);
    dt_merges_free(&tokenizer->merges);
    dt_bpe_walk_destroy(tokenizer->walk);
    free(tokenizer->wide);
    free(tokenizer->added);
    free(tokenizer);
}

dt_encoding dt_tokenizer_encoding(const dt_tokenizer *tokenizer)
{
    return tokenizer->encoding;
}

int32_t dt_tokenizer_vocabulary_size(const dt_tokenizer *tokenizer)
{
    return tokenizer->vocabulary_size;
}

int32_t dt_tokenizer_pad_id(const dt_tokenizer *tokenizer)
{
    return tokenizer->pad_id;
}

int32_t dt_tokenizer_unk_id(const dt_tokenizer *tokenizer)
{
    return tokenizer->unk_id;
}

int32_t dt_tokenizer_prefix_count(const dt_tokenizer *tokenizer)
{
    return (int32_t)tokenizer->prefix_count;
}

int32_t dt_tokenizer_suffix_count(const dt_tokenizer *tokenizer)
{
    return (int32_t)tokenizer->suffix_count;
}

const char *dt_tokenizer_token(const dt_tokenizer *tokenizer, int32_t id)
{
    return id >= 0 && id < tokenizer->vocabulary_size ? tokenizer->token[id] : NULL;
}

/* --- encoding --------------------------------------------------------------------------------- */

dt_status dt_encoder_create(dt_encoder **out, const dt_tokenizer *tokenizer)
{
    DT_TRY(DT_NEW(*out, 1));
    (*out)->tokenizer = tokenizer;
    return DT_OK;
}

void dt_encoder_destroy(dt_encoder *encoder)
{
    if (!encoder)
        return;
    free(encoder->tokens);
    free(encoder->word);
    dt_walk_work_free(&encoder->walk_work);
    dt_merge_work_free(&encoder->merge_work);
    free(encoder);
}

static int32_t wide_id(const dt_tokenizer *tokenizer, uint32_t code)
{
    size_t low = 0;
    size_t high = tokenizer->wide_count;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (tokenizer->wide[middle].code < code)
            low = middle + 1;
        else
            high = middle;
    }
    return low < tokenizer->wide_count && tokenizer->wide[low].code == code
               ? tokenizer->wide[low].id
               : UNKNOWN;
}

/* Converts the current word to tokens. Memory is sufficient: a text never gives more tokens than it
 * has bytes. */
static dt_status end_word(dt_encoder *encoder)
{
    const dt_tokenizer *tokenizer = encoder->tokenizer;
    const size_t n = encoder->word_length;
    uint16_t *const out = encoder->tokens + encoder->token_count;
    size_t count;
    encoder->word_length = 0;
    encoder->word_ends_unknown = false;
    if (tokenizer->walk) {
        DT_TRY(dt_bpe_walk_encode(tokenizer->walk, &encoder->walk_work, encoder->word, n, out,
                                  &count));
    } else {
        DT_TRY(dt_merges_apply(&tokenizer->merges, &encoder->merge_work, encoder->word, n, &count));
        memcpy(out, encoder->word, count * sizeof *out);
    }
    encoder->token_count += count;
    return DT_OK;
}

static void add_character(dt_encoder *encoder, int32_t id)
{
    const dt_tokenizer *tokenizer = encoder->tokenizer;
    const bool unknown = id == UNKNOWN;
    if (unknown) {
        if (tokenizer->unk_id < 0 || (tokenizer->fuse_unk && encoder->word_ends_unknown))
            return;
        id = tokenizer->unk_id;
    }
    encoder->word_ends_unknown = unknown;
    encoder->word[encoder->word_length++] = (uint16_t)id;
}

/* Encodes text that contains no added tokens. */
static dt_status encode_plain(dt_encoder *encoder, const char *bytes, size_t length)
{
    const dt_tokenizer *tokenizer = encoder->tokenizer;
    uint8_t current = DT_CHAR_SPACE;
    for (size_t i = 0; i < length;) {
        const unsigned char byte = (unsigned char)bytes[i];
        uint8_t kind;
        int32_t id;
        if (byte < 128) {
            kind = tokenizer->ascii_kind[byte];
            id = tokenizer->ascii_id[byte];
            ++i;
        } else {
            uint32_t code;
            i += dt_utf8_next(bytes + i, length - i, &code);
            kind = tokenizer->kind_map[dt_char_kind_of(code)];
            id = wide_id(tokenizer, code);
        }
        if (kind != current) {
            DT_TRY(end_word(encoder));
            current = kind;
        }
        if (kind != DT_CHAR_SPACE)
            add_character(encoder, id);
    }
    return end_word(encoder);
}

/* Returns the first added token at or after `from`, the longest that begins there; NULL: none. */
static const added_token *find_added(const dt_tokenizer *tokenizer, const char *bytes,
                                     size_t length, size_t from, size_t *place)
{
    for (size_t i = from; i < length; ++i) {
        if (!tokenizer->begins_added[(unsigned char)bytes[i]])
            continue;
        for (size_t t = 0; t < tokenizer->added_count; ++t) {
            const added_token *added = &tokenizer->added[t];
            if (added->length <= length - i && memcmp(bytes + i, added->text, added->length) == 0) {
                *place = i;
                return added;
            }
        }
    }
    *place = length;
    return NULL;
}

static dt_status make_room(dt_encoder *encoder, size_t length)
{
    if (length >= INT32_MAX / 4)
        return dt_fail(DT_ERR_INPUT, "a sequence of %zu bytes is too long for the tokenizer",
                       length);
    DT_TRY(DT_GROW(encoder->tokens, encoder->token_capacity, length + (size_t)2 * DT_MAX_AFFIX));
    return DT_GROW(encoder->word, encoder->word_capacity, length + 1);
}

static dt_status encode_text(dt_encoder *encoder, const char *bytes, size_t length)
{
    size_t from = 0;
    while (from < length) {
        size_t place;
        const added_token *added = find_added(encoder->tokenizer, bytes, length, from, &place);
        DT_TRY(encode_plain(encoder, bytes + from, place - from));
        if (added)
            encoder->tokens[encoder->token_count++] = added->id;
        from = place + (added ? added->length : 0);
    }
    return DT_OK;
}

static void append(dt_encoder *encoder, const uint16_t *ids, size_t count)
{
    memcpy(encoder->tokens + encoder->token_count, ids, count * sizeof *ids);
    encoder->token_count += count;
}

/* Encodes only as many bases as are needed. */
static dt_status encode_bases(dt_encoder *encoder, const char *bytes, size_t length,
                              int32_t max_length)
{
    encoder->token_count =
        max_length > 0 && (size_t)max_length < length ? (size_t)max_length : length;
    DT_TRY(make_room(encoder, encoder->token_count));
    dt_onehot_encode(encoder->tokens, bytes, encoder->token_count);
    return DT_OK;
}

static dt_status encode_words(dt_encoder *encoder, const char *bytes, size_t length,
                              int32_t max_length)
{
    const dt_tokenizer *tokenizer = encoder->tokenizer;
    const size_t affixes = tokenizer->prefix_count + tokenizer->suffix_count;
    if (max_length > 0 && (size_t)max_length < affixes)
        return dt_fail(
            DT_ERR_USAGE,
            "a maximum length of %d tokens is too short: the tokenizer adds %zu special tokens to "
            "each sequence",
            max_length, affixes);
    DT_TRY(make_room(encoder, length));
    encoder->token_count = 0;
    encoder->word_length = 0;
    encoder->word_ends_unknown = false;
    append(encoder, tokenizer->prefix, tokenizer->prefix_count);
    DT_TRY(encode_text(encoder, bytes, length));
    const size_t most = max_length > 0 ? (size_t)max_length - tokenizer->suffix_count : SIZE_MAX;
    if (encoder->token_count > most)
        encoder->token_count = most;
    append(encoder, tokenizer->suffix, tokenizer->suffix_count);
    return DT_OK;
}

dt_status dt_encoder_encode(dt_encoder *encoder, const char *bytes, size_t length,
                            int32_t max_length, const uint16_t **tokens, int32_t *count)
{
    DT_TRY((encoder->tokenizer->encoding == DT_ENCODING_ONEHOT ? encode_bases : encode_words)(
        encoder, bytes, length, max_length));
    *tokens = encoder->tokens;
    *count = (int32_t)encoder->token_count;
    return DT_OK;
}
