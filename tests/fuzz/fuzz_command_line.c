/* Command lines. The first byte chooses the command; the rest are the words, one per line. */
#include "commands.h"

#define WORDS 64

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char *words[WORDS + 2] = {"deeptaxa"};
    int count = 1;
    if (size == 0)
        return 0;
    const dt_command *command = commands[bytes[0] % COMMANDS];
    char *line = strndup((const char *)bytes + 1, size - 1);
    char *rest = line;
    FUZZ_CHECK(line != NULL);
    fuzz_file(0, "", 0);
    for (char *word; count <= WORDS && (word = strsep(&rest, "\n"));)
        words[count++] = word;
    bool reads = false; /* a file that the fuzzer would name */
    for (int i = 1; i < count; ++i)
        reads = reads || strncmp(words[i], "--co", 4) == 0;
    char *text = reads ? NULL : parse_line(command, count, words);
    if (text && has_config(command))
        check_config(command, text);
    free(text);
    free(line);
    return 0;
}
