/* The processes that work on a rescoring at the same time, and what each is told to do next.
 *
 * Each works on one archive (cli/rescore/rescore_work.h); archives are taken in their order, and a
 * process that is free helps with the first archive that has chunks nobody has taken. While one
 * reads, others compute and write, so that all three overlap. One process, one thread.
 */
#ifndef NTK_CLI_RESCORE_CREW_H
#define NTK_CLI_RESCORE_CREW_H

#include "cli/progress.h"
#include "cli/ranks/ranks.h"
#include "cli/rescore/rescore_files.h"
#include "cli/rescore/rescore_journal.h"

/* What a process holds besides: the program, its libraries, the calibration. */
enum { NTK_CREW_OVERHEAD = 32 << 20 };

struct ntk_rescore_seconds {
    double reading, computing, writing; /* of all processes together */
};

struct ntk_rescore_job {
    const struct ntk_arguments *arguments;
    const struct ntk_ranks *ranks;
    const struct ntk_calibration *calibration;
    const char *sha256;
    const char *folder;  /* of the outputs, absolute */
    const char *scratch; /* .rescore in it */
    size_t n_jobs;
    size_t share_bytes; /* of memory, for what a process does with an archive */
    struct ntk_rescore_file *files;
    size_t n_files;
    struct ntk_journal *journal;
    struct ntk_progress *progress;
    double deadline; /* of CLOCK_MONOTONIC, in seconds */
    /* Called after archives ended, at most once a second and seldom enough to cost a twentieth of
     * the time; may be NULL. */
    void (*ended)(void *user);
    void *user;
    struct ntk_rescore_seconds seconds;
    uint64_t bytes_done, bytes_written; /* of the archives; of the outputs */
};

/* Does what is pending of this rank's share. An archive that fails is marked and the others go on;
 * a failure here is one of the job: NTK_CANNOT_CREATE (no room), NTK_TRY_AGAIN (the deadline
 * passed, nobody listens, no jail). */
enum ntk_status ntk_crew_run(struct ntk_rescore_job *job, struct ntk_error *error);

/* One process looks at a file; where `measured` is not NULL it also does a chunk without writing,
 * of *count samples. Nothing is written. */
enum ntk_status ntk_crew_survey(struct ntk_rescore_job *job, struct ntk_rescore_file *file,
                                struct ntk_rescore_survey *survey,
                                struct ntk_rescore_seconds *measured, size_t *count,
                                struct ntk_error *error);

/* Gives a flushed output its name, and takes it into the journal. */
enum ntk_status ntk_crew_publish(struct ntk_rescore_job *job, struct ntk_rescore_file *file,
                                 struct ntk_error *error);

/* Where an output is until then; `out` has PATH_MAX. */
void ntk_crew_path(const struct ntk_rescore_job *job, const struct ntk_rescore_file *file,
                   char *out);

/* Samples a chunk. */
size_t ntk_crew_chunk(const struct ntk_arguments *arguments,
                      const struct ntk_rescore_survey *survey);

#endif
