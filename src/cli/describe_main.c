#include "cli/describe_options.h"

static dt_status run(const void *options)
{
    return dt_command_describe(options);
}

int main(int argc, char **argv)
{
    dt_describe_options options;
    return dt_command_main(&dt_describe_command, argc, argv, &options, run);
}
