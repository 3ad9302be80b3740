#include "launch/start_ranks.h"
#include "cli/stop_signal.h"
#include "cli/train_options.h"

/* With --gpus or --ranks this process starts the ranks, which train. */
static dt_status run(const void *options)
{
    const dt_train_options *o = options;
    const dt_start start = {.parsed = &o->parsed,
                            .gpus = (int32_t)o->gpus,
                            .ranks = (int32_t)o->ranks,
                            .device_given = dt_option_given(&o->parsed, "device")};
    dt_outlive_log_reader();
    if (start.gpus > 0 || start.ranks > 0)
        return dt_start_ranks(&start);
    return dt_command_train(options);
}

int main(int argc, char **argv)
{
    dt_train_options options;
    return dt_command_main(&dt_train_command, argc, argv, &options, run);
}
