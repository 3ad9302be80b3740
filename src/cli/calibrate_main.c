#include "cli/calibrate_options.h"
#include "cli/stop_signal.h"

static dt_status run(const void *options)
{
    dt_outlive_log_reader();
    return dt_command_calibrate(options);
}

int main(int argc, char **argv)
{
    dt_calibrate_options options;
    return dt_command_main(&dt_calibrate_command, argc, argv, &options, run);
}
