#include "io/netcdf/extras.h"

#include <netcdf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/netcdf/findings.h"
#include "io/netcdf/format.h"
#include "io/netcdf/prescan.h"

/* ---- names of covariates ----------------------------------------------------------------------
 */

/* Is it text along dimension `id`: strings(id) or characters(id, length)? */
static int is_text_along(const struct ntk_source *source, const struct ntk_found *found, int id)
{
    int ids[NTK_PRESCAN_RANK];
    int rank = found->type == NC_STRING ? 1 : found->type == NC_CHAR ? 2 : -1;
    return found->rank == rank && nc_inq_vardimid(source->ncid, found->varid, ids) == NC_NOERR &&
           ids[0] == id;
}

const struct ntk_found *ntk_extras_find_names(const struct ntk_source *source)
{
    const struct ntk_found *covariates = ntk_source_find(source, "covariates");
    int ids[NTK_PRESCAN_RANK];
    char name[NTK_NAME_SIZE];
    if (!covariates || covariates->rank < 2 ||
        !ntk_source_dimension_name(source, covariates, covariates->rank - 1, name) ||
        nc_inq_vardimid(source->ncid, covariates->varid, ids) != NC_NOERR)
        return NULL;
    const struct ntk_found *found = ntk_source_find(source, name);
    return found && is_text_along(source, found, ids[covariates->rank - 1]) ? found : NULL;
}

/* Keeps text that is not empty, without the blanks that fill up its end; 0 when it is no name. */
static int keep_name(const char *text, char out[NTK_NAME_SIZE])
{
    size_t length = strnlen(text, 4096);
    while (length > 0 && text[length - 1] == ' ')
        length--;
    if (length == 0 || length >= NTK_NAME_SIZE)
        return 0;
    memcpy(out, text, length);
    out[length] = 0;
    return ntk_format_is_text(out);
}

/* One string a call: libnetcdf 4.9.0 makes room for one where strings have a fixed length. */
static int read_string(const struct ntk_source *source, const struct ntk_found *found, size_t index,
                       char out[NTK_NAME_SIZE])
{
    char *owned = NULL;
    if (nc_get_var1_string(source->ncid, found->varid, &index, &owned) != NC_NOERR)
        return 0;
    int usable = owned && keep_name(owned, out);
    nc_free_string(1, &owned);
    return usable;
}

static int read_characters(const struct ntk_source *source, const struct ntk_found *found,
                           size_t index, char out[NTK_NAME_SIZE])
{
    char text[4096] = "";
    int ids[NTK_PRESCAN_RANK];
    size_t length;
    if (nc_inq_vardimid(source->ncid, found->varid, ids) != NC_NOERR ||
        nc_inq_dimlen(source->ncid, ids[1], &length) != NC_NOERR || length >= sizeof text)
        return 0;
    const size_t start[2] = {index, 0}, count[2] = {1, length};
    return nc_get_vara_text(source->ncid, found->varid, start, count, text) == NC_NOERR &&
           keep_name(text, out);
}

static int read_names(const struct ntk_source *source, const struct ntk_found *found, size_t n,
                      char (*out)[NTK_NAME_SIZE])
{
    int usable = 1;
    for (size_t i = 0; i < n && usable; i++)
        usable = found->type == NC_STRING ? read_string(source, found, i, out[i])
                                          : read_characters(source, found, i, out[i]);
    return usable;
}

static void compare_names(const struct ntk_candidate *it, char (*names)[NTK_NAME_SIZE])
{
    const struct ntk_archive *archive = it->archive;
    for (size_t i = 0; i < archive->n_covariates; i++) {
        if (strcmp(names[i], archive->covariate_names[i]) == 0)
            continue;
        ntk_problem(it->archive, it->source, "covariate %zu is '%s', in another file '%s'", i,
                    names[i], archive->covariate_names[i]);
        return;
    }
}

/* The names that this file has, if any, against those of the files before. */
static enum ntk_status take_names(const struct ntk_candidate *it, struct ntk_error *error)
{
    struct ntk_archive *archive = it->archive;
    const struct ntk_found *found = ntk_extras_find_names(it->source);
    size_t n = archive->n_covariates;
    if (!found)
        return NTK_OK;
    char(*names)[NTK_NAME_SIZE] = calloc(n, sizeof *names);
    if (!names)
        return ntk_fail_memory(error, "the names of covariates", n * sizeof *names);
    if (!read_names(it->source, found, n, names))
        ntk_note(archive, it->source,
                 "%s: ignored, its entries are not all readable text of 1 to %d characters",
                 found->name, NTK_NAME_SIZE - 1);
    else if (archive->covariate_names)
        compare_names(it, names);
    else {
        archive->covariate_names = names;
        return NTK_OK;
    }
    free(names);
    return NTK_OK;
}

/* What no file has named. */
static enum ntk_status number_covariates(struct ntk_archive *archive, struct ntk_error *error)
{
    size_t n = archive->n_covariates;
    if (n == 0 || archive->covariate_names)
        return NTK_OK;
    archive->covariate_names = calloc(n, sizeof *archive->covariate_names);
    if (!archive->covariate_names)
        return ntk_fail_memory(error, "the names of covariates", n * NTK_NAME_SIZE);
    for (size_t i = 0; i < n; i++)
        snprintf(archive->covariate_names[i], NTK_NAME_SIZE, "covariate_%zu", i);
    return NTK_OK;
}

/* ---- covariates -------------------------------------------------------------------------------
 */

static enum ntk_status add_covariates(const struct ntk_candidate *it, struct ntk_error *error)
{
    struct ntk_archive *archive = it->archive;
    struct ntk_series *series = &archive->files->covariates;
    int added;
    enum ntk_status status =
        ntk_candidate_add_rows(it, series, "covariate", &archive->n_covariates, &added, error);
    if (status || !added)
        return status;
    size_t n = series->pieces[series->n_pieces - 1].field.points;
    return n > 0 && n == archive->n_covariates ? take_names(it, error) : NTK_OK;
}

/* ---- features_map -----------------------------------------------------------------------------
 */

/* Is it (sample[, lead], feature, latitude, longitude)? */
static int has_map_shape(const struct ntk_found *found, int *has_lead)
{
    const int *at = found->dimensions;
    *has_lead = found->rank == 5 && at[1] == NTK_DIMENSION_LEAD;
    if (found->rank != 4 + *has_lead || at[0] != NTK_DIMENSION_SAMPLE)
        return 0;
    at += 1 + *has_lead;
    return at[0] < 0 && at[1] == NTK_DIMENSION_LATITUDE && at[2] == NTK_DIMENSION_LONGITUDE;
}

/* The map must come from the network that the features come from, where both say so. */
static enum ntk_status compare_origin(const struct ntk_candidate *it)
{
    const struct ntk_archive *a = it->archive;
    const struct {
        const char *name, *of_features;
    } attributes[] = {{"ntkuq__model", a->model},
                      {"ntkuq__layer", a->layer},
                      {"ntkuq__checkpoint_sha256", a->checkpoint_sha256}};
    char text[NTK_NAME_SIZE];
    int present;
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++) {
        enum ntk_status status = ntk_candidate_text(it, attributes[i].name, text, &present);
        if (status)
            return status;
        if (present && *attributes[i].of_features && strcmp(text, attributes[i].of_features) != 0)
            ntk_problem(it->archive, it->source, "features_map has %s '%s', %s has '%s'",
                        attributes[i].name, text, a->features_name, attributes[i].of_features);
    }
    return NTK_OK;
}

static void check_points(const struct ntk_candidate *it, const struct ntk_field *field)
{
    struct ntk_archive *archive = it->archive;
    size_t height = field->extent[field->rank - 2], width = field->extent[field->rank - 1];
    ntk_candidate_check_columns(it, field->extent[field->rank - 3], &archive->map_d);
    if (height == 0 || width == 0)
        ntk_problem(archive, it->source, "features_map has no points: it is %zu x %zu", height,
                    width);
    else if (field->points) /* the product is checked; other grids are found by their axes */
        archive->map_points = height * width;
}

static enum ntk_status add_map(const struct ntk_candidate *it, struct ntk_error *error)
{
    struct ntk_series *series = &it->archive->files->features_map;
    int has_lead, added;
    if (!has_map_shape(it->found, &has_lead)) {
        ntk_candidate_refuse_shape(it, "(sample[, lead], feature, latitude, longitude)");
        return NTK_OK;
    }
    enum ntk_status status = ntk_candidate_add_large(it, series, has_lead, &added, error);
    if (status || !added)
        return status;
    ntk_candidate_note_all_leads(it, has_lead);
    check_points(it, &series->pieces[series->n_pieces - 1].field);
    if ((status = ntk_candidate_check_units_one(it)) || (status = compare_origin(it)))
        return ntk_fail_memory(error, "an attribute", NTK_NAME_SIZE);
    return NTK_OK;
}

/* ---- both -------------------------------------------------------------------------------------
 */

static enum ntk_status for_each_named(struct ntk_candidate *it, const char *name,
                                      enum ntk_status (*add)(const struct ntk_candidate *it,
                                                             struct ntk_error *error),
                                      struct ntk_error *error)
{
    const struct ntk_archive_files *files = it->archive->files;
    enum ntk_status status = NTK_OK;
    if (strcmp(name, it->archive->features_name) == 0)
        return NTK_OK; /* --features has given it another role */
    for (size_t i = 0; i < files->n_sources && !status; i++) {
        it->source = &files->sources[i];
        it->found = ntk_source_find(it->source, name);
        if (it->found)
            status = add(it, error);
    }
    return status;
}

enum ntk_status ntk_extras_assign(struct ntk_candidate *it, struct ntk_error *error)
{
    enum ntk_status status;
    if ((status = for_each_named(it, "covariates", add_covariates, error)) ||
        (status = for_each_named(it, "features_map", add_map, error)))
        return status;
    return number_covariates(it->archive, error);
}
