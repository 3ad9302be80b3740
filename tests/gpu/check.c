/* What tests/gpu/first.sh does beside the tests: one program, so that the shell compares no numbers.
 *
 *     gpu_check probe DEVICE               names the GPU; 77 if "cuda" finds no driver or no GPU,
 *                                          1 if there is one that cannot be used
 *     gpu_check export FOLDER              see check.h for these
 *     gpu_check curve FOLDER DEVICE PRECISION STEPS
 *     gpu_check compare-curves FILE FILE STEPS BOUND
 *     gpu_check sequences FOLDER COUNT
 *     gpu_check compare-labels TABLE TABLE TOLERANCE
 */
#include "check.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"

#define NO_GPU 77

/* Returns why tests of a GPU are skipped, NULL if they are not. Asks the driver itself: a module or
 * library that cannot be loaded, or a GPU that is refused, is no reason to skip. */
static const char *reason_to_skip(void)
{
    enum { no_device = 100 }; /* CUDA_ERROR_NO_DEVICE */
    int (*init)(unsigned);
    int (*get_count)(int *);
    int devices = 0;
    void *driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!driver)
        return strstr(dlerror(), "No such file") ? "no NVIDIA driver (libcuda.so.1)" : NULL;
    *(void **)&init = dlsym(driver, "cuInit");
    *(void **)&get_count = dlsym(driver, "cuDeviceGetCount");
    if (!init || !get_count)
        return NULL;
    const int code = init(0);
    if (code == no_device || (code == 0 && get_count(&devices) == 0 && devices == 0))
        return "the NVIDIA driver finds no GPU";
    return NULL;
}

static int probe(const char *device)
{
    dt_backend *backend;
    const char *skip = strcmp(device, "cuda") == 0 ? reason_to_skip() : NULL;
    if (skip) {
        fprintf(stderr, "%s\n", skip);
        return NO_GPU;
    }
    if (dt_backend_open(device, &(dt_backend_options){0}, &backend) != DT_OK) {
        fprintf(stderr, "%s\n", dt_error_message());
        return 1;
    }
    puts(backend->description);
    backend->ops->destroy(backend);
    return 0;
}

/* Runs the part of that name; false where there is none with so many arguments. */
static bool run(const char *what, int count, char **argument, dt_status *status)
{
    if (strcmp(what, "export") == 0 && count == 1)
        *status = check_export(argument[0]);
    else if (strcmp(what, "curve") == 0 && count == 4)
        *status = check_curve(argument[0], argument[1], argument[2], atoi(argument[3]));
    else if (strcmp(what, "compare-curves") == 0 && count == 4)
        *status =
            check_compare_curves(argument[0], argument[1], atoi(argument[2]), atof(argument[3]));
    else if (strcmp(what, "sequences") == 0 && count == 2)
        *status = check_sequences(argument[0], atoi(argument[1]));
    else if (strcmp(what, "compare-labels") == 0 && count == 3)
        *status = check_compare_labels(argument[0], argument[1], atof(argument[2]));
    else
        return false;
    return true;
}

int main(int argc, char **argv)
{
    dt_status status;
    if (argc == 3 && strcmp(argv[1], "probe") == 0)
        return probe(argv[2]);
    if (argc < 2 || !run(argv[1], argc - 2, argv + 2, &status)) {
        fprintf(stderr, "usage: see the head of tests/gpu/check.c\n");
        return 2;
    }
    if (status != DT_OK)
        fprintf(stderr, "%s\n", dt_error_message());
    return dt_exit_status(status);
}
