/* ntkuq coverage: CoverageJSON in, NetCDF out. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/command.h"
#include "io/covjson.h"
#include "io/file.h"
#include "io/limits.h"
#include "io/netcdf/coverage_writer.h"

static void print_summary(const struct ntk_command_context *context, const struct ntk_covjson *c)
{
    ntk_progress_clear(context->progress);
    printf(context->arguments->json ? "{\"coverages\": %zu, \"parameters\": %zu}\n"
                                    : "%zu coverages of %zu parameters\n",
           c->n_members, c->n_parameters);
}

enum ntk_status ntk_coverage_command(const struct ntk_command_context *context,
                                     struct ntk_error *error)
{
    const char *path = context->files[0];
    struct ntk_covjson *coverage = NULL;
    void *text = NULL;
    size_t size;
    enum ntk_status status = ntk_file_read(path, "a CoverageJSON document",
                                           ntk_limits.coverage_bytes, &text, &size, error);
    if (!status)
        status = ntk_covjson_parse(text, size, path, &coverage, error);
    free(text);
    if (!status)
        status = ntk_coverage_write(context->output, coverage, "ntkuq " NTK_VERSION, error);
    if (!status)
        print_summary(context, coverage);
    ntk_covjson_free(coverage);
    return status;
}
