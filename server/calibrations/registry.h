/* All published calibrations: state_dir/calibrations/<name>/<version>.safetensors, version 1, 2,
 * ...
 *
 * A version is loaded and verified once, is immutable from then on, and lives until its last user
 * lets go. Publishing inserts a version beside the others: a query that holds one keeps it. A file
 * that does not verify is listed with its error and never served. Safe from any thread.
 */
#ifndef NTK_SERVER_REGISTRY_H
#define NTK_SERVER_REGISTRY_H

#include <jansson.h>

#include "core/calibration.h"
#include "core/status.h"
#include "io/digest.h"

struct ntk_registry;

/* Immutable. */
struct ntk_version {
    const char *name; /* of the calibration */
    unsigned number;
    char label[NTK_NAME_SIZE + 16]; /* "name/number" */
    char sha256[NTK_SHA256_HEX];
    const struct ntk_calibration *calibration; /* never NULL in an acquired version */
};

/* Loads everything below `state_dir`; what is broken is reported through `report` (may be NULL). */
enum ntk_status ntk_registry_create(const char *state_dir,
                                    void (*report)(const char *path, const char *sentence),
                                    struct ntk_registry **out, struct ntk_error *error);

void ntk_registry_free(struct ntk_registry *registry);

/* The version of a calibration; number 0 is the latest one that can be served. NTK_NO_INPUT names
 * what there is. Given back with ntk_registry_release. */
enum ntk_status ntk_registry_acquire(struct ntk_registry *registry, const char *name,
                                     unsigned number, const struct ntk_version **out,
                                     struct ntk_error *error);
void ntk_registry_release(struct ntk_registry *registry, const struct ntk_version *version);

/* Verifies the file `temporary`, renames it to the next version of `name` and serves it. On failure
 * the file is removed and nothing changes. */
enum ntk_status ntk_registry_publish(struct ntk_registry *registry, const char *name,
                                     const char *temporary, unsigned *number,
                                     char sha256[NTK_SHA256_HEX], struct ntk_error *error);

/* Takes a version that nobody uses out of service and removes its file; false when it is in use or
 * the last one. */
int ntk_registry_remove(struct ntk_registry *registry, const char *name, unsigned number);

/* The path of a version's file, for programs that read it. */
void ntk_registry_path(const struct ntk_registry *registry, const struct ntk_version *version,
                       char *out, size_t size);

/* Names and versions, broken ones with their error; a new reference, NULL without memory. */
json_t *ntk_registry_describe(struct ntk_registry *registry);

/* One name's versions, or NULL when there is no such calibration. */
json_t *ntk_registry_describe_name(struct ntk_registry *registry, const char *name);

/* Whether a name is 1 to 64 of [A-Za-z0-9._-], not beginning with '.'. */
int ntk_registry_is_name(const char *name);

#endif
