/* One run of ntkuq rescore in the outer process, and what its parts do with it. Internal to
 * rescore.c (begin and end), rescore_folder.c (what is in the folder), rescore_shares.c (who does
 * what, and what became of it) and rescore_forecast.c (--dry-run).
 */
#ifndef NTK_CLI_RESCORE_RUN_H
#define NTK_CLI_RESCORE_RUN_H

#include "cli/rescore/rescore_crew.h"
#include "cli/rescore/rescore_manifest.h"
#include "io/digest.h"

/* Everything that the command holds, freed at its end. */
struct ntk_rescore_run {
    const struct ntk_arguments *arguments;
    const struct ntk_ranks *ranks;
    struct ntk_calibration *calibration;
    char sha256[NTK_SHA256_HEX];
    struct ntk_input *inputs;
    size_t n;
    struct ntk_rescore_file *files;
    unsigned char *own; /* of each, whether it is in this command's share */
    char folder[PATH_MAX], scratch[PATH_MAX + 16];
    int lock;    /* of the scratch folder, or -1 */
    int is_new;  /* nothing was done here before */
    size_t left; /* of this command's archives, those that were not done when it began */
    struct ntk_journal journal;
    struct ntk_progress progress;
    struct ntk_rescore_job job;
    double began;
};

/* ---- the folder: rescore_folder.c ----------------------------------------------------------- */

/* Makes the folder, locks it, reads its journals into the files, names what is new, and opens this
 * process's journal. Rank 0 knows the archives; the others read what it wrote. Collective. */
enum ntk_status ntk_rescore_folder(struct ntk_rescore_run *run, struct ntk_error *error);

/* For --dry-run: refuses what ntk_rescore_folder would refuse of the folder, and reads its journals
 * into the files, but makes nothing and waits for nobody. `disk` receives a folder that is there
 * and on the disk that would be written; "." without -o. */
enum ntk_status ntk_rescore_look_at_folder(struct ntk_rescore_run *run, char disk[PATH_MAX],
                                           struct ntk_error *error);

/* Reads the journals again, and looks which outputs are there. *next: the lowest free number. */
enum ntk_status ntk_rescore_load(struct ntk_rescore_run *run, json_t *job, size_t *next,
                                 struct ntk_error *error);

/* What makes the bytes of the outputs, besides the archives; NULL without memory. */
json_t *ntk_rescore_describe(const struct ntk_rescore_run *run);

/* Whether every sample is done. */
int ntk_rescore_is_covered(const struct ntk_rescore_file *file);

/* ---- shares: rescore_shares.c --------------------------------------------------------------- */

/* With --share: which archives are this command's; without: all. */
enum ntk_status ntk_rescore_find_own(struct ntk_rescore_run *run, struct ntk_error *error);
int ntk_rescore_is_own(const struct ntk_rescore_run *run, const struct ntk_rescore_file *file);
struct ntk_rescore_result ntk_rescore_count_own(const struct ntk_rescore_run *run);

/* What is pending, in equal parts of bytes, one a rank. */
void ntk_rescore_share_out(struct ntk_rescore_run *run);

/* Rank 0 learns what all did, and publishes what several did together. Collective. */
enum ntk_status ntk_rescore_meet(struct ntk_rescore_run *run, struct ntk_error *error);

/* ---- looking ahead: rescore_forecast.c ------------------------------------------------------ */

/* Prints what would be read, written and used. NTK_BAD_DATA: some archives would fail. */
enum ntk_status ntk_rescore_dry_run(struct ntk_rescore_run *run, struct ntk_error *error);

#endif
