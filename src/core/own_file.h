/* Files of a run that are kept open: its lock, its logs. A symbolic link is refused, because it may lead
 * to a file of somebody else's choice. */
#ifndef DT_CORE_OWN_FILE_H
#define DT_CORE_OWN_FILE_H

#include <stdio.h>

#include "core/status.h"

/* Opens the file with the flags of open(2), and creates it if necessary. */
dt_status dt_open_own(const char *path, int flags, int *fd);

/* Opens it to append to. */
dt_status dt_open_append(const char *path, FILE **stream);

#endif
