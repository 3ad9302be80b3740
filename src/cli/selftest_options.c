#include "cli/selftest_options.h"

#include "cli/shared_options.h"

#define AT(member) offsetof(dt_selftest_options, member)

static const dt_option options[] = {
    {.group = "Machine",
     .name = "device",
     .kind = DT_VALUE_TEXT,
     .offset = AT(device),
     .value = "NAME",
     .default_value = "cuda",
     .help = "device to test, the name of a backend: cuda or cpu"},
    {.name = "device-number",
     .kind = DT_VALUE_INT,
     .offset = AT(device_number),
     .value = "N",
     .default_value = "0",
     .range = "[0, 4096]",
     .help = "number of the GPU, among those in CUDA_VISIBLE_DEVICES; processes of a host count on "
             "from it"},
    {.name = "quick",
     .kind = DT_VALUE_FLAG,
     .offset = AT(quick),
     .help = "only what --device auto of other commands requires: the checks of a small model, "
             "unless this device has passed them before"},
    {.name = "gpus",
     .kind = DT_VALUE_INT,
     .offset = AT(gpus),
     .value = "N",
     .default_value = "0",
     .range = "[0, 64]",
     .help = "test N GPUs of this machine and the sums over them: start N processes with mpiexec"},
    {.name = "ranks",
     .kind = DT_VALUE_INT,
     .offset = AT(ranks),
     .value = "N",
     .default_value = "0",
     .range = "[0, 4096]",
     .help = "start N processes with mpiexec"},
    DT_OPTION_THREADS(dt_selftest_options),
    {.name = "collective-timeout",
     .kind = DT_VALUE_DOUBLE,
     .offset = AT(collective_timeout),
     .value = "S",
     .default_value = "60",
     .range = "[0, 1000000]",
     .help = "seconds that the first process waits for the others; 0: no limit"},
    {0},
};

static dt_status check(const void *parsed)
{
    const dt_selftest_options *selftest = parsed;
    if (selftest->gpus > 0 && selftest->ranks > 0)
        return dt_fail(DT_ERR_USAGE, "--gpus cannot be combined with --ranks: --gpus N starts a "
                                     "process per GPU, --ranks N starts N processes without");
    if (selftest->quick && (selftest->gpus > 0 || selftest->ranks > 0))
        return dt_fail(DT_ERR_USAGE, "--quick tests one device: omit --gpus and --ranks");
    return DT_OK;
}

const dt_command dt_selftest_command = {
    .name = "selftest",
    .summary = "Compares a GPU with the CPU: predictions and training steps of small models; with "
               "several processes also their sums.",
    .usage = "[options]",
    .tables = {DT_OPTION_TABLE(options)},
    .options_size = sizeof(dt_selftest_options),
    .check = check,
    .examples = {"deeptaxa selftest", "deeptaxa selftest --gpus 4"},
};
