#include "core/version.h"

#include <dt_commit.h> /* made by cmake/Commit.cmake */

const char *dt_version(void)
{
    return DT_PROJECT_VERSION; /* defined for this file by CMakeLists.txt */
}

const char *dt_commit(void)
{
    return DT_COMMIT;
}
