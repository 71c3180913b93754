#include "io/netcdf/candidate.h"

#include <stdio.h>

#include "io/limits.h"
#include "io/netcdf/findings.h"

/* ---- shapes --------------------------------------------------------------------------------- */

/* Is it (sample[, lead], anything)? */
static int has_row_shape(const struct ntk_found *found, int *has_lead)
{
    *has_lead = found->rank == 3 && found->dimensions[1] == NTK_DIMENSION_LEAD;
    return found->rank == 2 + *has_lead && found->dimensions[0] == NTK_DIMENSION_SAMPLE &&
           found->dimensions[found->rank - 1] != NTK_DIMENSION_LEAD;
}

void ntk_candidate_refuse_shape(const struct ntk_candidate *it, const char *expected)
{
    char shape[NTK_REASON_SIZE];
    ntk_source_format_shape(it->source, it->found, shape, sizeof shape);
    ntk_problem(it->archive, it->source, "%s has dimensions %s; %s was expected", it->found->name,
                shape, expected);
}

void ntk_candidate_note_all_leads(const struct ntk_candidate *it, int has_lead)
{
    size_t n_lead = it->source->lengths[NTK_DIMENSION_LEAD];
    if (!has_lead && n_lead > 1)
        ntk_note(it->archive, it->source,
                 "%s has no lead dimension: the same %s serve all %zu lead times", it->found->name,
                 it->found->name, n_lead);
}

void ntk_candidate_check_columns(const struct ntk_candidate *it, size_t n, size_t *expected)
{
    const char *name = it->found->name;
    if (n == 0)
        ntk_problem(it->archive, it->source, "%s has no columns", name);
    else if (n > ntk_limits.features)
        ntk_problem(it->archive, it->source, "%s has %zu columns; the limit is %zu", name, n,
                    ntk_limits.features);
    else if (*expected == 0)
        *expected = n;
    else if (*expected != n)
        ntk_problem(it->archive, it->source, "%s has %zu columns, in another file %zu", name, n,
                    *expected);
}

/* ---- attributes ----------------------------------------------------------------------------- */

enum ntk_status ntk_candidate_text(const struct ntk_candidate *it, const char *name,
                                   char out[NTK_NAME_SIZE], int *present)
{
    struct ntk_error why;
    out[0] = 0;
    *present = 0;
    enum ntk_status status = ntk_attribute_text(it->source->ncid, it->found->varid, it->found->name,
                                                name, out, present, &why);
    return ntk_problem_if_bad(it->archive, it->source, status, &why);
}

enum ntk_status ntk_candidate_check_units_one(const struct ntk_candidate *it)
{
    char units[NTK_NAME_SIZE];
    int present;
    enum ntk_status status = ntk_candidate_text(it, "units", units, &present);
    if (status)
        return status;
    if (!present)
        ntk_note(it->archive, it->source, "%s has no units; '1' is assumed", it->found->name);
    else if (!ntk_units_is_one(units))
        ntk_problem(it->archive, it->source, "%s has units '%s'; '1' was expected", it->found->name,
                    units);
    return NTK_OK;
}

/* ---- numbers -------------------------------------------------------------------------------- */

/* Takes over the field's conversion; `status` and `why` are what became of the field. */
static enum ntk_status add_field(const struct ntk_candidate *it, struct ntk_series *series,
                                 struct ntk_field *field, enum ntk_status status,
                                 const struct ntk_error *why, int *added, struct ntk_error *error)
{
    *added = 0;
    if (status) {
        status = ntk_problem_if_bad(it->archive, it->source, status, why);
        return status ? ntk_fail(error, status, "%s", why->text) : NTK_OK;
    }
    status = ntk_series_add(series, it->source, field, error);
    *added = !status;
    return status;
}

enum ntk_status ntk_candidate_add(const struct ntk_candidate *it, struct ntk_series *series,
                                  int has_lead, struct ntk_conversion *conversion, int *added,
                                  struct ntk_error *error)
{
    struct ntk_field field;
    struct ntk_error why;
    enum ntk_status status =
        ntk_field_init(&field, it->source->ncid, it->found->varid, it->found->name, has_lead, &why);
    if (status)
        ntk_conversion_free(conversion);
    else
        field.conversion = conversion;
    return add_field(it, series, &field, status, &why, added, error);
}

enum ntk_status ntk_candidate_add_rows(const struct ntk_candidate *it, struct ntk_series *series,
                                       const char *column, size_t *expected, int *added,
                                       struct ntk_error *error)
{
    int has_lead;
    *added = 0;
    if (!has_row_shape(it->found, &has_lead)) {
        char shape[64];
        snprintf(shape, sizeof shape, "(sample[, lead], %s)", column);
        ntk_candidate_refuse_shape(it, shape);
        return NTK_OK;
    }
    enum ntk_status status = ntk_candidate_add(it, series, has_lead, NULL, added, error);
    if (status || !*added)
        return status;
    ntk_candidate_note_all_leads(it, has_lead);
    ntk_candidate_check_columns(it, series->pieces[series->n_pieces - 1].field.points, expected);
    return NTK_OK;
}

enum ntk_status ntk_candidate_add_large(const struct ntk_candidate *it, struct ntk_series *series,
                                        int has_lead, int *added, struct ntk_error *error)
{
    struct ntk_field field;
    struct ntk_error why;
    enum ntk_status status = ntk_field_init_large(&field, it->source->ncid, it->found->varid,
                                                  it->found->name, has_lead, &why);
    return add_field(it, series, &field, status, &why, added, error);
}
