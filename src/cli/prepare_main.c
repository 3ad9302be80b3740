#include "cli/prepare_options.h"

static dt_status run(const void *options)
{
    return dt_command_prepare(options);
}

int main(int argc, char **argv)
{
    dt_prepare_options options;
    return dt_command_main(&dt_prepare_command, argc, argv, &options, run);
}
