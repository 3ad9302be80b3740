#include "cli/tokenizer_options.h"

static dt_status run(const void *options)
{
    return dt_command_tokenizer(options);
}

int main(int argc, char **argv)
{
    dt_tokenizer_options options;
    return dt_command_main(&dt_tokenizer_command, argc, argv, &options, run);
}
