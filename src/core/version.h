/* The version of the program, as files and --version tell it. */
#ifndef DT_CORE_VERSION_H
#define DT_CORE_VERSION_H

/* "0.1.0": the version in the project's CMakeLists.txt. */
const char *dt_version(void);

#endif
