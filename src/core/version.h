/* The version of the program, as files and --version tell it. */
#ifndef DT_CORE_VERSION_H
#define DT_CORE_VERSION_H

/* "0.1.0": the version in the project's CMakeLists.txt. */
const char *dt_version(void);

/* The commit of the source, "0123456789ab", with ", with changes" where files differed from it;
 * "unknown" where the source was no git repository. */
const char *dt_commit(void);

#endif
