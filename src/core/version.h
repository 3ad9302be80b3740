/* The version of the program, for files and --version. */
#ifndef DT_CORE_VERSION_H
#define DT_CORE_VERSION_H

/* Returns "0.1.0": the version in the project's CMakeLists.txt. */
const char *dt_version(void);

/* Returns the commit of the source, "0123456789ab", followed by ", with changes" if files differed
 * from it; "unknown" if the source was not in a Git repository. */
const char *dt_commit(void);

#endif
