/* deeptaxa convert: copies a checkpoint into another format. */
#include "cli/convert_checkpoint.h"
#include "cli/convert_options.h"

int main(int argc, char **argv)
{
    dt_convert_options options;
    return dt_command_main(&dt_convert_command, argc, argv, &options, dt_convert_checkpoint);
}
