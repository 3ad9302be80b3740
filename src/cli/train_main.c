#include "cli/train_options.h"

static dt_status run(const void *options)
{
    return dt_command_train(options);
}

int main(int argc, char **argv)
{
    dt_train_options options;
    return dt_command_main(&dt_train_command, argc, argv, &options, run);
}
