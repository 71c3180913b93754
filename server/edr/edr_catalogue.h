/* What Environmental Data Retrieval has to offer: recorded fields whose places are known.
 *
 * A collection is a calibration, an instance one forecast reference time of it. The fields of an
 * instance lie at the places of the newest version that has one there; those of older versions
 * count where they lie at the same places and no newer one has the same variable and lead time.
 * Made anew for each request from the ledger's memory; one thread at a time.
 */
#ifndef NTK_SERVER_EDR_CATALOGUE_H
#define NTK_SERVER_EDR_CATALOGUE_H

#include <jansson.h>

#include "core/places.h"
#include "server/http/http.h"
#include "server/ledger/record.h"

struct ntk_version;

/* A record, but for its values. */
struct ntk_edr_field {
    int64_t id; /* of the record */
    const struct ntk_version *version;
    char variable[NTK_NAME_SIZE], units[NTK_NAME_SIZE];
    double lead_hours;
    int64_t valid_time;
    size_t points;
    size_t n_levels;
    double levels[NTK_RECORD_LEVELS];
};

struct ntk_edr_collection {
    struct ntk_server *server; /* borrowed */
    char name[NTK_NAME_SIZE];
    size_t n_versions;
    const struct ntk_version **versions; /* counted */
    size_t n_times;
    int64_t *times; /* reference times, each once, newest first */
};

/* NTK_NO_INPUT: there is no such calibration, or nothing of it is recorded at known places. */
enum ntk_status ntk_edr_collection_open(struct ntk_server *server, const char *name,
                                        struct ntk_edr_collection *out, struct ntk_error *error);
void ntk_edr_collection_close(struct ntk_edr_collection *collection);

/* Names of the calibrations that something is recorded of, at known places or not; an array of
 * strings, NULL without memory. */
json_t *ntk_edr_collection_names(struct ntk_server *server);

struct ntk_edr_instance {
    int64_t reference_time;
    const struct ntk_places *places; /* borrowed from the collection; at least one */
    size_t n_fields;
    struct ntk_edr_field *fields; /* by variable, then valid time */
    size_t n_times;
    int64_t *times; /* valid times, each once, ascending */
    size_t n_quantiles;
    double *quantiles; /* each once, ascending */
};

/* NTK_NO_INPUT: nothing is recorded with that reference time. */
enum ntk_status ntk_edr_instance_open(const struct ntk_edr_collection *collection, int64_t time,
                                      struct ntk_edr_instance *out, struct ntk_error *error);
void ntk_edr_instance_close(struct ntk_edr_instance *instance);

/* The quantiles at the lower (upper 0) and upper end of an interval of a level: (1 - level) / 2
 * and 1 - (1 - level) / 2, to 12 digits, so that 0.9 gives 0.05. */
double ntk_edr_quantile(double level, int upper);

/* What a query can name: `<variable>` with quantiles, and the forecast itself as
 * `<variable>_forecast` unless that is the name of another variable. */
struct ntk_edr_parameter {
    char name[NTK_NAME_SIZE + 16];
    char label[NTK_NAME_SIZE + 40];
    int is_forecast;
    const struct ntk_edr_field *field; /* the variable's first, borrowed from the instance */
    const char *standard_name;         /* "": none; borrowed from the collection's version */
};

/* All of an instance, by variable; *out is the caller's to free. */
enum ntk_status ntk_edr_parameters(const struct ntk_edr_instance *instance,
                                   struct ntk_edr_parameter **out, size_t *n,
                                   struct ntk_error *error);

#endif
