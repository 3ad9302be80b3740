/* The tokenizer of a .pt file. DeepTaxa stores its name alone and loads it by this name with
 * Hugging Face's `transformers`. A name is a repository or a local folder.
 */
#ifndef DT_RUN_TORCH_TOKENIZER_H
#define DT_RUN_TORCH_TOKENIZER_H

#include <limits.h>
#include <stdbool.h>

#include "core/status.h"
#include "run/run.h"

/* The repository of DNABERT-2, whose tokenizer the published models use. */
#define DT_DNABERT2_NAME "zhihan1996/DNABERT-2-117M"

typedef struct {
    char name[PATH_MAX]; /* for the file */
    bool is_folder;      /* `name` is a folder to be written */
    bool created;        /* which did not exist before */
    bool filled;         /* which did not exist before, or was empty */
} dt_torch_tokenizer;

/* Chooses the name for the file `path`:
 *   DT_DNABERT2_NAME   if the tokenizer is DNABERT-2's, recognised by its content; one-hot
 *   settings.tokenizer_name   if the run has no tokenizer, because it was read from a .pt file
 *   otherwise the absolute path of the folder <path without .pt>_tokenizer
 * Returns DT_ERR_INPUT for a tokenizer that DeepTaxa could not use: it pads all sequences, and its
 * models have as many embeddings as the tokenizer has tokens. */
dt_status dt_torch_tokenizer_choose(dt_torch_tokenizer *tokenizer, const dt_run *run,
                                    const char *path);

/* Writes the folder, if there is to be one: tokenizer.json and tokenizer_config.json. Returns
 * DT_ERR_INPUT if it exists and holds other files, or another tokenizer.json. */
dt_status dt_torch_tokenizer_write(dt_torch_tokenizer *tokenizer, const dt_run *run);

/* Removes again what dt_torch_tokenizer_write() has created: the folder, or the files in a folder
 * that was empty. Preserves the calling thread's error message. */
void dt_torch_tokenizer_undo(const dt_torch_tokenizer *tokenizer);

#endif
