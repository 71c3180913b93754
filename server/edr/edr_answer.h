/* The coverages that answer a query: first a plan of their axes, which costs little and says how
 * large the answer would be, then the values of the records. One thread at a time. */
#ifndef NTK_SERVER_EDR_ANSWER_H
#define NTK_SERVER_EDR_ANSWER_H

#include "io/coveragejson.h"
#include "server/edr/edr_catalogue.h"
#include "server/edr/edr_places.h"
#include "server/edr/edr_query.h"

/* Axes and places of the answer; places are a grid (rows x columns) or a series each. */
struct ntk_edr_plan {
    const struct ntk_edr_collection *collection; /* borrowed, as is the instance */
    const struct ntk_edr_instance *instance;
    int is_series, is_multi;
    size_t n_parameters;
    struct ntk_edr_parameter *parameters;
    size_t n_t;
    int64_t *t;
    size_t n_quantiles;
    double *quantiles;
    struct ntk_edr_selection places;
    size_t n_places;
    size_t n_values; /* of all parameters; 0: there is no such data */
};

/* NTK_USAGE: a parameter-name that the instance does not have. Borrows collection and instance. */
enum ntk_status ntk_edr_plan_make(const struct ntk_edr_collection *collection,
                                  const struct ntk_edr_instance *instance,
                                  const struct ntk_edr_query *query, struct ntk_edr_plan *out,
                                  struct ntk_error *error);
void ntk_edr_plan_clear(struct ntk_edr_plan *plan);

/* Whether the plan has parameters on the quantile axis as well as parameters without it, which
 * makes two coverages of every place. */
int ntk_edr_plan_is_mixed(const struct ntk_edr_plan *plan);

struct ntk_edr_answer {
    struct ntk_coverage_document document; /* refers to what follows and to the plan */
    struct ntk_coverage_parameter *parameters;
    struct ntk_coverage_member *members;
    double **values;         /* of a parameter, all members: owned */
    const double **pointers; /* members x parameters */
};

/* Reads the records: blocks on the database. The plan must outlive the answer. */
enum ntk_status ntk_edr_answer_read(const struct ntk_edr_plan *plan, struct ntk_edr_answer *out,
                                    struct ntk_error *error);
void ntk_edr_answer_clear(const struct ntk_edr_plan *plan, struct ntk_edr_answer *answer);

#endif
