/* The file of --config, for the commands with the most options. */
#include "commands.h"

static void check(const dt_command *command, const uint8_t *bytes, size_t size)
{
    char program[] = "deeptaxa", config[] = "--config", print[] = "--print-config", path[64];
    snprintf(path, sizeof path, "%s", fuzz_file(0, bytes, size));
    char *text = parse_line(command, 4, (char *[]){program, config, path, print, NULL});
    if (text)
        check_config(command, text);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    check(&dt_train_command, bytes, size);
    check(&dt_predict_command, bytes, size);
    return 0;
}
