/* The tokenizer of a model whose file has none: one of DeepTaxa (.pt), which has only its name. */
#ifndef DT_CLI_MODEL_TOKENIZER_H
#define DT_CLI_MODEL_TOKENIZER_H

#include "run/run.h"

/* Takes the tokenizer of a run read from the checkpoint `path`, if that has none and reads tokens:
 * the first of
 *   file   --tokenizer-file; NULL: not given
 *   the local file or directory of the name in the checkpoint, seen from the working directory, then
 *   from the checkpoint's; then that of the name's last part beside the checkpoint. A directory
 *   contains tokenizer.json
 *   where the programs look (dt_choose_tokenizer()), if the name is that of the published tokenizer
 * and sets `chosen` (PATH_MAX bytes; NULL is allowed) to its file, or "" if none was needed. Returns
 * DT_ERR_INPUT, with what to do, if there is none or its size is not the model's. */
dt_status dt_take_tokenizer(dt_run *run, const char *path, const char *file, char *chosen);

/* Says so if --tokenizer-file was given, and dt_take_tokenizer() has chosen no file. */
void dt_notice_unused_tokenizer(const dt_run *run, const char *file, const char *chosen);

/* Gives the run this tokenizer (tokenizer.json, and a name for messages), or fails likewise. */
dt_status dt_adopt_tokenizer(dt_run *run, const char *path, const char *json, const char *name);

#endif
