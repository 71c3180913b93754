/* The header of a classic file, walked for its lengths; no value is decoded here.
 *
 *   header    = magic numrecs dimensions attributes variables
 *   list      = tag count entry*                    absent: two zeros
 *   dimension = name length                         length 0: the record dimension
 *   attribute = name type count values
 *   variable  = name rank dimension-index* attributes type size begin
 *
 * (NetCDF Classic Format Specification.) Numbers are big-endian; counts take 4 bytes, 8 in CDF-5;
 * `begin` takes 4 bytes in CDF-1 alone; names and values are padded to 4 bytes. The size that a
 * variable gives for itself is not trusted, its dimensions are: every variable must end within the
 * file, because libnetcdf returns zeros beyond the end.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/netcdf/prescan.h"

struct variable {
    int is_record;
    uint64_t bytes; /* of the whole, or of one record */
    uint64_t begin;
};

struct header {
    const char *path;
    FILE *file;
    struct ntk_error *error;
    uint64_t size, position;
    int wide_counts, wide_offsets;
    uint64_t n_records;
    size_t n_dimensions, n_variables;
    uint64_t *lengths; /* n_dimensions */
    struct variable *variables;
};

enum { TAG_DIMENSION = 10, TAG_VARIABLE = 11, TAG_ATTRIBUTE = 12 };

static enum ntk_status truncated(const struct header *header)
{
    return ntk_fail(header->error, NTK_BAD_DATA,
                    "%s is truncated: its header ends at %llu bytes, the end of the file",
                    header->path, (unsigned long long)header->size);
}

static enum ntk_status damaged(const struct header *header, const char *what, uint64_t found,
                               uint64_t limit)
{
    return ntk_fail(header->error, NTK_BAD_DATA,
                    "%s has a damaged or hostile header: %s is %llu; at most %llu was expected",
                    header->path, what, (unsigned long long)found, (unsigned long long)limit);
}

static enum ntk_status read_number(struct header *header, int wide, uint64_t *out)
{
    unsigned char bytes[8];
    size_t width = wide ? 8 : 4;
    if (fread(bytes, 1, width, header->file) != width)
        return truncated(header);
    header->position += width;
    uint64_t value = 0;
    for (size_t i = 0; i < width; i++)
        value = value << 8 | bytes[i];
    *out = value;
    return NTK_OK;
}

static enum ntk_status read_count(struct header *header, const char *what, uint64_t limit,
                                  uint64_t *out)
{
    uint64_t count;
    enum ntk_status status = read_number(header, header->wide_counts, &count);
    if (!status && count > limit)
        status = damaged(header, what, count, limit);
    if (!status)
        *out = count;
    return status;
}

/* Skips `bytes` and what pads them to a multiple of four. */
static enum ntk_status skip(struct header *header, uint64_t bytes)
{
    uint64_t left = header->size - header->position;
    if (bytes > left || (bytes + 3) / 4 * 4 > left)
        return truncated(header);
    bytes = (bytes + 3) / 4 * 4;
    header->position += bytes;
    if (fseeko(header->file, (off_t)header->position, SEEK_SET) != 0)
        return truncated(header);
    return NTK_OK;
}

static enum ntk_status skip_name(struct header *header)
{
    uint64_t length;
    enum ntk_status status =
        read_count(header, "the length of a name", NTK_PRESCAN_NAME_LENGTH, &length);
    return status ? status : skip(header, length);
}

static enum ntk_status read_type(struct header *header, uint64_t *bytes)
{
    static const unsigned char sizes[] = {0, 1, 1, 2, 4, 4, 8, 1, 2, 4, 8, 8};
    uint64_t type = 0;
    enum ntk_status status = read_number(header, 0, &type);
    if (status)
        return status;
    if (type == 0 || type >= sizeof sizes)
        return damaged(header, "the type of a variable or attribute", type, sizeof sizes - 1);
    *bytes = sizes[type];
    return NTK_OK;
}

static enum ntk_status read_list(struct header *header, uint64_t tag, const char *what,
                                 uint64_t *count)
{
    uint64_t found = 0;
    enum ntk_status status = read_number(header, 0, &found);
    if (!status)
        status = read_count(header, what, NTK_PRESCAN_OBJECTS, count);
    if (!status && found != tag && (found != 0 || *count != 0))
        status = damaged(header, "the tag of a list", found, tag);
    return status;
}

static enum ntk_status skip_attributes(struct header *header)
{
    uint64_t count = 0, values, bytes;
    enum ntk_status status = read_list(header, TAG_ATTRIBUTE, "the number of attributes", &count);
    for (uint64_t i = 0; i < count && !status; i++) {
        if ((status = skip_name(header)) || (status = read_type(header, &bytes)) ||
            (status = read_count(header, "the length of an attribute",
                                 NTK_PRESCAN_ATTRIBUTE_BYTES / 8, &values)))
            break;
        status = skip(header, values * bytes);
    }
    return status;
}

static enum ntk_status read_dimensions(struct header *header)
{
    uint64_t count = 0;
    enum ntk_status status = read_list(header, TAG_DIMENSION, "the number of dimensions", &count);
    if (status)
        return status;
    header->lengths = calloc(count + 1, sizeof *header->lengths);
    if (!header->lengths)
        return ntk_fail_memory(header->error, "dimensions", count * sizeof *header->lengths);
    header->n_dimensions = count;
    for (uint64_t i = 0; i < count && !status; i++) {
        status = skip_name(header);
        if (!status)
            status = read_count(header, "the length of a dimension", (uint64_t)1 << 62,
                                &header->lengths[i]);
    }
    return status;
}

/* The product of a variable's dimensions. Only the first may be the record dimension. */
static enum ntk_status read_shape(struct header *header, struct variable *variable,
                                  uint64_t *elements)
{
    uint64_t rank = 0, index = 0;
    enum ntk_status status =
        read_count(header, "the number of dimensions of a variable", NTK_PRESCAN_RANK, &rank);
    *elements = 1;
    for (uint64_t i = 0; i < rank && !status; i++) {
        status = read_count(header, "the index of a dimension", UINT64_MAX, &index);
        if (status)
            break;
        if (index >= header->n_dimensions)
            return damaged(header, "the index of a dimension", index, header->n_dimensions - 1);
        if (i == 0 && header->lengths[index] == 0)
            variable->is_record = 1;
        else if (__builtin_mul_overflow(*elements, header->lengths[index], elements))
            return damaged(header, "the length of a dimension", header->lengths[index], INT64_MAX);
    }
    return status;
}

static enum ntk_status read_variable(struct header *header, struct variable *variable)
{
    uint64_t elements, width, declared;
    enum ntk_status status;
    if ((status = skip_name(header)) || (status = read_shape(header, variable, &elements)) ||
        (status = skip_attributes(header)) || (status = read_type(header, &width)) ||
        (status = read_number(header, header->wide_counts, &declared)) ||
        (status = read_number(header, header->wide_offsets, &variable->begin)))
        return status;
    if (__builtin_mul_overflow(elements, width, &variable->bytes))
        return damaged(header, "the size of a variable", elements, INT64_MAX / width);
    return NTK_OK;
}

static enum ntk_status read_variables(struct header *header)
{
    uint64_t count = 0;
    enum ntk_status status = read_list(header, TAG_VARIABLE, "the number of variables", &count);
    if (status)
        return status;
    header->variables = calloc(count + 1, sizeof *header->variables);
    if (!header->variables)
        return ntk_fail_memory(header->error, "variables", count * sizeof *header->variables);
    header->n_variables = count;
    for (uint64_t i = 0; i < count && !status; i++)
        status = read_variable(header, &header->variables[i]);
    return status;
}

/* Bytes from one record to the next: every record variable padded to four, a lone one not. */
static int record_stride(const struct header *header, uint64_t *stride)
{
    size_t records = 0;
    uint64_t sum = 0, lone = 0;
    for (size_t i = 0; i < header->n_variables; i++) {
        const struct variable *variable = &header->variables[i];
        if (!variable->is_record)
            continue;
        records++;
        lone = variable->bytes;
        if (variable->bytes > UINT64_MAX - 3 ||
            __builtin_add_overflow(sum, (variable->bytes + 3) / 4 * 4, &sum))
            return 0;
    }
    *stride = records == 1 ? lone : sum;
    return 1;
}

static int end_of_variable(const struct header *header, const struct variable *variable,
                           uint64_t stride, uint64_t *end)
{
    uint64_t skipped = 0;
    if (variable->is_record && header->n_records == 0) {
        *end = 0;
        return 1;
    }
    if (variable->is_record && __builtin_mul_overflow(stride, header->n_records - 1, &skipped))
        return 0;
    return !__builtin_add_overflow(variable->begin, skipped, end) &&
           !__builtin_add_overflow(*end, variable->bytes, end);
}

static enum ntk_status check_ends(struct header *header)
{
    uint64_t stride = 0, end, last = 0;
    int fits = record_stride(header, &stride);
    for (size_t i = 0; i < header->n_variables && fits; i++) {
        const struct variable *variable = &header->variables[i];
        if (variable->bytes > 0 && variable->begin < header->position)
            return ntk_fail(header->error, NTK_BAD_DATA,
                            "%s has a damaged or hostile header: a variable begins at byte %llu, "
                            "inside the header of %llu bytes",
                            header->path, (unsigned long long)variable->begin,
                            (unsigned long long)header->position);
        fits = end_of_variable(header, variable, stride, &end);
        if (fits && end > last)
            last = end;
    }
    if (!fits)
        return damaged(header, "the end of a variable", UINT64_MAX, header->size);
    if (last > header->size)
        return ntk_fail(header->error, NTK_BAD_DATA,
                        "%s is truncated: it has %llu bytes, its header promises %llu",
                        header->path, (unsigned long long)header->size, (unsigned long long)last);
    return NTK_OK;
}

static enum ntk_status walk(struct header *header)
{
    enum ntk_status status;
    uint64_t streaming = header->wide_counts ? UINT64_MAX : UINT32_MAX;
    if ((status = skip(header, 4)) ||
        (status = read_number(header, header->wide_counts, &header->n_records)))
        return status;
    if (header->n_records == streaming)
        return ntk_fail(header->error, NTK_BAD_DATA,
                        "%s was never finished: its header does not say how many records it has",
                        header->path);
    if ((status = read_dimensions(header)) || (status = skip_attributes(header)) ||
        (status = read_variables(header)))
        return status;
    return check_ends(header);
}

enum ntk_status ntk_prescan_classic(const char *path, enum ntk_format format, uint64_t size,
                                    struct ntk_error *error)
{
    struct header header = {.path = path,
                            .error = error,
                            .size = size,
                            .wide_counts = format == NTK_FORMAT_CDF5,
                            .wide_offsets = format != NTK_FORMAT_CDF1};
    header.file = fopen(path, "rbe");
    if (!header.file)
        return ntk_fail(error, NTK_NO_INPUT, "%s cannot be opened: %s", path, strerror(errno));
    enum ntk_status status = walk(&header);
    fclose(header.file);
    free(header.lengths);
    free(header.variables);
    return status;
}
