/* What a power failure takes away: the end of files that was not synced, and files' new names and
 * removals in folders that were not. For fail_calls.c. */
#ifndef DT_TESTS_POWER_FAILURE_H
#define DT_TESTS_POWER_FAILURE_H

/* Before bytes are written: what the file holds now is all that is safe. */
void power_writes(int fd);

/* After a file, or a folder, was synced. */
void power_synced(int fd);

/* Before `to` is replaced (`from` is its new content), or removed (`from` is NULL); absolute paths. */
void power_replaces(const char *from, const char *to);

/* Undoes all that was not synced since. */
void power_fails(void);

#endif
