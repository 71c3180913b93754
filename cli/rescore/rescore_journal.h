/* What of a rescoring is done: lines of JSON, appended as it happens, in .rescore/journal.N, one
 * for each rank, or share, that wrote there.
 *
 *   {"rescore": 1, ...}             what makes the bytes of the outputs: first line
 *   {"archive": N, "path", "bytes", "changed_ns", "output"}
 *   {"boot": ID}                    a run began on a machine that was started then
 *   {"survey": N, "layout": {...}}
 *   {"chunk": [N, first, end]}      samples
 *   {"flush": N}                    begins: the chunks of N above
 *   {"flushed": N}                  ... are on the disk
 *   {"done": N}                     all of it is, and has its name
 *
 * A chunk is in the journal once it is written. That holds however the processes end. Where the
 * machine itself stopped, what was not flushed may be lost, though the journal has it: so chunks
 * that were not flushed count only while the machine that wrote them runs (the kernel's boot_id).
 * A last line without an end was being written, and is cut off.
 */
#ifndef NTK_CLI_RESCORE_JOURNAL_H
#define NTK_CLI_RESCORE_JOURNAL_H

#include "cli/rescore/rescore_files.h"

struct ntk_journal {
    int descriptor; /* -1: closed */
    char path[PATH_MAX];
};

/* Reads all journals of a folder (".../.rescore") into files[0..n) and compares: NTK_CONFLICT when
 * `job` or an archive is not what it was, with what differs. New archives are taken; where the
 * folder has none, nothing is. *next is the lowest number that no archive has. */
enum ntk_status ntk_journal_load(const char *folder, const json_t *job,
                                 struct ntk_rescore_file *files, size_t n, size_t *next,
                                 struct ntk_error *error);

/* Opens a journal for appending, for this process alone: NTK_CONFLICT when another has it. */
enum ntk_status ntk_journal_open(struct ntk_journal *journal, const char *folder, size_t number,
                                 struct ntk_error *error);
void ntk_journal_close(struct ntk_journal *journal);

/* Appends a line; takes over `line` (NULL: no memory). */
enum ntk_status ntk_journal_put(struct ntk_journal *journal, json_t *line, struct ntk_error *error);

/* Flushes what was appended to the disk. */
enum ntk_status ntk_journal_flush(struct ntk_journal *journal, struct ntk_error *error);

/* The lines of above. */
json_t *ntk_journal_archive(const struct ntk_rescore_file *file);
json_t *ntk_journal_boot(void);
json_t *ntk_journal_chunk(size_t number, size_t first, size_t end);
json_t *ntk_journal_word(const char *word, size_t number); /* flush, flushed, done */

#endif
