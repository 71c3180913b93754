/* The archives of a rescoring: what is known of each, and which of its samples are done. */
#ifndef NTK_CLI_RESCORE_FILES_H
#define NTK_CLI_RESCORE_FILES_H

#include <jansson.h>
#include <limits.h>

#include "cli/inputs.h"
#include "cli/rescore/rescore_work.h"

/* ---- sets of samples ------------------------------------------------------------------------ */

struct ntk_range {
    size_t first, end; /* first <= sample < end */
};

/* Ascending, apart from each other. {0} is empty; freed with free(items). */
struct ntk_ranges {
    size_t n;
    struct ntk_range *items;
};

enum ntk_status ntk_ranges_add(struct ntk_ranges *ranges, size_t first, size_t end,
                               struct ntk_error *error);

/* The first range at or after `from` and before `end` that is not in the set; 0 when there is none.
 */
int ntk_ranges_gap(const struct ntk_ranges *ranges, size_t from, size_t end, struct ntk_range *out);

size_t ntk_ranges_count(const struct ntk_ranges *ranges);

/* ---- files ---------------------------------------------------------------------------------- */

enum ntk_file_state { NTK_FILE_PENDING, NTK_FILE_DONE, NTK_FILE_FAILED };

struct ntk_rescore_file {
    const struct ntk_input *input;
    char output[NAME_MAX + 1]; /* its name in the folder */
    size_t number;             /* of its unfinished output, .rescore/NUMBER.nc */
    enum ntk_file_state state;
    struct ntk_error error; /* of a failure */

    char *survey;                       /* the layout as JSON; NULL: not looked at yet */
    struct ntk_interval_layout *layout; /* while it is worked on */
    struct ntk_ranges done;

    /* While a crew works on it. */
    uint64_t share_from, share_to;         /* of the input's bytes: this rank's part */
    size_t from, to;                       /* of the samples, once it was looked at */
    size_t chunk;                          /* samples a chunk */
    struct ntk_ranges taken;               /* done or being done */
    size_t workers, starting, outstanding; /* processes; of them not ready yet; chunks being done */
    uint64_t found_bytes;                  /* of the unfinished output, before this run */
    int flushing, unflushed;
    double flushed_at;
};

void ntk_rescore_file_clear(struct ntk_rescore_file *file);

/* "stem.intervals.nc", or with -2, -3 ... what is not among the names of files[0..n). */
enum ntk_status ntk_rescore_file_name(struct ntk_rescore_file *file,
                                      const struct ntk_rescore_file *files, size_t n,
                                      struct ntk_error *error);

/* A layout as a line of the journal, and back: NTK_BAD_DATA when it is not one. */
json_t *ntk_layout_to_json(const struct ntk_interval_layout *layout);
enum ntk_status ntk_layout_from_json(const json_t *json, struct ntk_interval_layout **out,
                                     struct ntk_error *error);

/* A copy of what a worker says, checked: texts end, numbers are within limits, places are computed
 * anew. */
enum ntk_status ntk_layout_accept(const struct ntk_interval_layout *told, size_t n_levels,
                                  struct ntk_interval_layout **out, struct ntk_error *error);

/* Adds the sums of all rows of a finished output to totals[variable * hours + hour], which are made
 * where NULL, and the points with each flag to `flagged`. A variable without truths stays NULL. */
enum ntk_status ntk_rescore_file_sum(const struct ntk_interval_layout *layout, const char *path,
                                     struct ntk_tally_total **totals,
                                     int64_t flagged[NTK_FLAG_COUNT], struct ntk_error *error);

#endif
