/* The text of a small tokenizer.json: twelve tokens, of which [CLS] begins a sequence and [SEP]
 * ends it. */
#ifndef DT_TESTS_SMALL_TOKENIZER_JSON_H
#define DT_TESTS_SMALL_TOKENIZER_JSON_H

#define SMALL_VOCABULARY 12

static const char small_tokenizer_json[] =
    "{\"model\": {\"type\": \"BPE\", \"unk_token\": \"[UNK]\", \"vocab\": {\"[UNK]\": 0, "
    "\"[CLS]\": 1, "
    "\"[SEP]\": 2, \"[PAD]\": 3, \"[MASK]\": 4, \"A\": 5, \"C\": 6, \"G\": 7, \"T\": 8, \"AC\": 9, "
    "\"GT\": 10, \"ACGT\": 11}, \"merges\": [\"A C\", \"G T\", \"AC GT\"]}, \"post_processor\": "
    "{\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": \"[CLS]\", "
    "\"type_id\": "
    "0}}, {\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}, {\"SpecialToken\": {\"id\": \"[SEP]\", "
    "\"type_id\": 0}}], \"special_tokens\": {\"[CLS]\": {\"id\": \"[CLS]\", \"ids\": [1], "
    "\"tokens\": "
    "[\"[CLS]\"]}, \"[SEP]\": {\"id\": \"[SEP]\", \"ids\": [2], \"tokens\": [\"[SEP]\"]}}}}\n";

#endif
