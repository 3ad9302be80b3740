#include "cli/export_options.h"

static dt_status run(const void *options)
{
    return dt_command_export(options);
}

int main(int argc, char **argv)
{
    dt_export_options options;
    return dt_command_main(&dt_export_command, argc, argv, &options, run);
}
