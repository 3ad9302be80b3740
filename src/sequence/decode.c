#include "sequence/decode.h"

#include <stdlib.h>
#include <string.h>

/* The letters of a token. */
typedef struct {
    const char *text; /* NULL: not in the vocabulary */
    size_t length;
} spelling;

struct dt_decoder {
    const dt_tokenizer *tokenizer;
    int32_t vocabulary;
    spelling *spelling; /* (vocabulary) */
};

/* Returns whether a token's text consists of the letters of a sequence alone. */
static bool is_spelt(const char *text)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    return text[0] && text[strspn(text, letters)] == '\0';
}

dt_status dt_decoder_create(dt_decoder **out, const dt_tokenizer *tokenizer)
{
    dt_decoder *decoder;
    DT_TRY(DT_NEW(decoder, 1));
    decoder->tokenizer = tokenizer;
    decoder->vocabulary = dt_tokenizer_vocabulary_size(tokenizer);
    const dt_status status = DT_NEW(decoder->spelling, (size_t)decoder->vocabulary);
    if (status != DT_OK) {
        dt_decoder_destroy(decoder);
        return status;
    }
    const bool bases = dt_tokenizer_encoding(tokenizer) == DT_ENCODING_ONEHOT;
    for (int32_t id = 0; id < decoder->vocabulary; ++id) {
        static const char *const base[DT_ONEHOT_IDS] = {"A", "C", "G", "T", "N"};
        const char *text =
            bases ? (id < DT_ONEHOT_IDS ? base[id] : NULL) : dt_tokenizer_token(tokenizer, id);
        if (text && (id == dt_tokenizer_unk_id(tokenizer) || !is_spelt(text)))
            text = "N";
        decoder->spelling[id] = (spelling){text, text ? strlen(text) : 0};
    }
    *out = decoder;
    return DT_OK;
}

void dt_decoder_destroy(dt_decoder *decoder)
{
    if (!decoder)
        return;
    free(decoder->spelling);
    free(decoder);
}

dt_status dt_decoder_decode(const dt_decoder *decoder, const uint16_t *tokens, int64_t count,
                            dt_text *out)
{
    const int64_t end = count - dt_tokenizer_suffix_count(decoder->tokenizer);
    dt_text_clear(out);
    for (int64_t t = dt_tokenizer_prefix_count(decoder->tokenizer); t < end; ++t) {
        if (tokens[t] >= decoder->vocabulary || !decoder->spelling[tokens[t]].text)
            return dt_fail(DT_ERR_INPUT, "token %d is not in the vocabulary", tokens[t]);
        const spelling *one = &decoder->spelling[tokens[t]];
        DT_TRY(dt_text_add(out, one->text, one->length));
    }
    for (size_t i = 0; i < out->length; ++i)
        out->data[i] = (char)(out->data[i] & ~0x20);
    return DT_OK;
}
