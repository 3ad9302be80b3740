#include "core/version.h"

const char *dt_version(void)
{
    return DT_PROJECT_VERSION; /* defined for this file by CMakeLists.txt */
}
