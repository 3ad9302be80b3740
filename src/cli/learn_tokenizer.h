/* Learning a vocabulary from a FASTA file. */
#ifndef DT_CLI_LEARN_TOKENIZER_H
#define DT_CLI_LEARN_TOKENIZER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

/* Learns up to `size` tokens from the sequences of a FASTA file ("-": standard input), normalised
 * (sequence/normalize.h) or as they are. *json is the text of its tokenizer.json, the caller's to
 * free(). */
dt_status dt_learn_tokenizer(const char *fasta_file, bool normalize, int32_t size, char **json);

#endif
