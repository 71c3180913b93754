/* The folder of a rescore, rescore_dir/ID, in which it can go on after any end:
 *
 *   calibration.safetensors   a copy of the version, so that it is there whatever is forgotten
 *   archives.txt              the paths that were found when the job was accepted
 *   lock                      who works in it, see rescore_job.c
 *   output/                   what ntkuq rescore works in: manifest.json, *.intervals.nc, .rescore/
 *
 * A folder outlives the memory of its job, until somebody deletes it or retention_rescores_days.
 * One that is deleted vanishes at once. Safe from any thread; all functions wait for the disk.
 */
#ifndef NTK_SERVER_RESCORE_FOLDER_H
#define NTK_SERVER_RESCORE_FOLDER_H

#include <jansson.h>
#include <limits.h>
#include <stdint.h>

#include "config/config.h"
#include "core/status.h"
#include "server/ledger/store.h"
#include "server/rescores/archives.h"

struct ntk_rescore_folder {
    char path[PATH_MAX], calibration[PATH_MAX], archives[PATH_MAX], output[PATH_MAX],
        manifest[PATH_MAX], lock[PATH_MAX];
};

/* The paths of a job's folder; false when the id has not the form of one. */
int ntk_rescore_folder_name(const struct ntk_config *config, const char *id,
                            struct ntk_rescore_folder *out);

/* Makes it with the file of a calibration and a list; on the disk when it returns.
 * NTK_CANNOT_CREATE; nothing is left then. */
enum ntk_status ntk_rescore_folder_make(const struct ntk_rescore_folder *folder,
                                        const char *calibration,
                                        const struct ntk_archives *archives,
                                        struct ntk_error *error);

struct ntk_rescore_size {
    uint64_t files, bytes;
};

/* Removes it; *size (may be NULL) is what was in output/. NTK_NO_INPUT when there is none. */
enum ntk_status ntk_rescore_folder_remove(const struct ntk_rescore_folder *folder,
                                          struct ntk_rescore_size *size, struct ntk_error *error);

/* [{"jobID": ..., "updated": ..., "finished": whether there is a manifest}], newest first. */
json_t *ntk_rescore_folder_list(const struct ntk_config *config);

/* Removes folders that nothing happened in since that time (seconds since 1970), but for those
 * whose job waits or runs. */
void ntk_rescore_folder_expire(const struct ntk_config *config, struct ntk_store *store,
                               int64_t before);

/* At the start: removes what a deletion or the acceptance of a job had left when the daemon ended.
 */
void ntk_rescore_folder_sweep(const struct ntk_config *config, struct ntk_store *store);

#endif
