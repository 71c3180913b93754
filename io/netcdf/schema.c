#include "io/netcdf/schema.h"

#include <assert.h>
#include <netcdf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct attribute {
    char *name;
    int type;
    size_t n;
    void *values;
};

struct attributes {
    size_t n;
    struct attribute *items;
};

struct dimension {
    char *name;
    size_t length;
};

struct variable {
    char *name;
    int type, rank, dimensions[NTK_SCHEMA_RANK];
    struct attributes attributes;
    uint64_t begin;
};

struct ntk_schema {
    size_t n_dimensions, n_variables;
    struct dimension *dimensions;
    struct variable *variables;
    struct attributes globals;
    uint64_t file_bytes;
    enum ntk_status status; /* the first failure */
    struct ntk_error error;
};

static size_t width_of(int type)
{
    switch (type) {
    case NC_CHAR:
    case NC_UBYTE:
    case NC_BYTE:
        return 1;
    case NC_FLOAT:
    case NC_INT:
        return 4;
    default:
        assert(type == NC_DOUBLE || type == NC_INT64);
        return 8;
    }
}

/* ---- gathering ------------------------------------------------------------------------------ */

struct ntk_schema *ntk_schema_create(void)
{
    return calloc(1, sizeof(struct ntk_schema));
}

static void clear_attributes(struct attributes *attributes)
{
    for (size_t i = 0; i < attributes->n; i++) {
        free(attributes->items[i].name);
        free(attributes->items[i].values);
    }
    free(attributes->items);
}

void ntk_schema_free(struct ntk_schema *schema)
{
    if (!schema)
        return;
    for (size_t i = 0; i < schema->n_dimensions; i++)
        free(schema->dimensions[i].name);
    for (size_t i = 0; i < schema->n_variables; i++) {
        free(schema->variables[i].name);
        clear_attributes(&schema->variables[i].attributes);
    }
    clear_attributes(&schema->globals);
    free(schema->dimensions);
    free(schema->variables);
    free(schema);
}

/* Room for one more in an array of n items; NULL and a remembered failure without memory. */
static void *grow(struct ntk_schema *schema, void *items, size_t n, size_t size)
{
    void *grown = realloc(items, (n + 1) * size);
    if (!grown)
        schema->status = ntk_fail_memory(&schema->error, "the layout of a file", (n + 1) * size);
    return grown;
}

static char *copy_name(struct ntk_schema *schema, const char *name)
{
    char *copy = strdup(name);
    if (!copy)
        schema->status = ntk_fail_memory(&schema->error, "the layout of a file", strlen(name));
    return copy;
}

int ntk_schema_add_dimension(struct ntk_schema *schema, const char *name, size_t length)
{
    assert(length > 0);
    struct dimension *grown =
        schema->status
            ? NULL
            : grow(schema, schema->dimensions, schema->n_dimensions, sizeof *schema->dimensions);
    if (!grown)
        return -1;
    schema->dimensions = grown;
    grown[schema->n_dimensions] = (struct dimension){copy_name(schema, name), length};
    return (int)schema->n_dimensions++;
}

int ntk_schema_find(const struct ntk_schema *schema, const char *name)
{
    for (size_t i = 0; i < schema->n_variables; i++)
        if (!strcmp(schema->variables[i].name, name))
            return (int)i;
    return -1;
}

int ntk_schema_add_variable(struct ntk_schema *schema, const char *name, int type, int rank,
                            const int *dimensions)
{
    assert(rank <= NTK_SCHEMA_RANK && width_of(type));
    if (schema->status)
        return -1;
    if (ntk_schema_find(schema, name) >= 0) {
        schema->status =
            ntk_fail(&schema->error, NTK_BAD_DATA,
                     "the intervals would hold two variables called %s; rename the forecast", name);
        return -1;
    }
    struct variable *grown =
        grow(schema, schema->variables, schema->n_variables, sizeof *schema->variables);
    char *copy = grown ? copy_name(schema, name) : NULL;
    if (grown)
        schema->variables = grown;
    if (!copy)
        return -1;
    struct variable *made = &grown[schema->n_variables];
    *made = (struct variable){.name = copy, .type = type, .rank = rank};
    memcpy(made->dimensions, dimensions, (size_t)rank * sizeof *dimensions);
    return (int)schema->n_variables++;
}

void ntk_schema_add_attribute(struct ntk_schema *schema, int owner, const char *name, int type,
                              size_t n, const void *values)
{
    if (schema->status)
        return;
    assert(owner < (int)schema->n_variables);
    struct attributes *to = owner < 0 ? &schema->globals : &schema->variables[owner].attributes;
    struct attribute *grown = grow(schema, to->items, to->n, sizeof *grown);
    if (!grown)
        return;
    to->items = grown;
    size_t bytes = n * width_of(type);
    struct attribute made = {copy_name(schema, name), type, n, malloc(bytes + 1)};
    if (!made.values)
        schema->status = ntk_fail_memory(&schema->error, "an attribute", bytes);
    else
        memcpy(made.values, values, bytes);
    grown[to->n++] = made;
}

void ntk_schema_add_text(struct ntk_schema *schema, int owner, const char *name, const char *text)
{
    ntk_schema_add_attribute(schema, owner, name, NC_CHAR, strlen(text), text);
}

enum ntk_status ntk_schema_check(const struct ntk_schema *schema, struct ntk_error *error)
{
    return schema->status ? ntk_fail(error, schema->status, "%s", schema->error.text) : NTK_OK;
}

/* ---- NetCDF-4, by the library -----------------------------------------------------------------
 */

static int define_attributes(const struct attributes *attributes, int ncid, int id)
{
    int code = NC_NOERR;
    for (size_t i = 0; i < attributes->n && code == NC_NOERR; i++) {
        const struct attribute *a = &attributes->items[i];
        code = a->type == NC_CHAR ? nc_put_att_text(ncid, id, a->name, a->n, a->values)
                                  : nc_put_att(ncid, id, a->name, a->type, a->n, a->values);
    }
    return code;
}

enum ntk_status ntk_schema_define(const struct ntk_schema *schema, int ncid,
                                  struct ntk_error *error)
{
    enum ntk_status status = ntk_schema_check(schema, error);
    int code = NC_NOERR, id;
    const char *what = "the header";
    if (status)
        return status;
    for (size_t i = 0; i < schema->n_dimensions && code == NC_NOERR; i++) {
        what = schema->dimensions[i].name;
        code = nc_def_dim(ncid, what, schema->dimensions[i].length, &id);
        assert(code != NC_NOERR || id == (int)i);
    }
    for (size_t i = 0; i < schema->n_variables && code == NC_NOERR; i++) {
        const struct variable *v = &schema->variables[i];
        what = v->name;
        code = nc_def_var(ncid, what, v->type, v->rank, v->dimensions, &id);
        assert(code != NC_NOERR || id == (int)i);
        if (code == NC_NOERR)
            code = define_attributes(&v->attributes, ncid, id);
    }
    if (code == NC_NOERR) {
        what = "the header";
        code = define_attributes(&schema->globals, ncid, NC_GLOBAL);
    }
    if (code == NC_NOERR)
        code = nc_enddef(ncid);
    return code == NC_NOERR
               ? NTK_OK
               : ntk_fail(error, NTK_CANNOT_CREATE, "the intervals cannot be written: %s: %s", what,
                          nc_strerror(code));
}

/* ---- CDF-5 ------------------------------------------------------------------------------------
 *
 *   header    = "CDF" 5 records(8) dimensions attributes variables
 *   list      = tag(4) count(8) entry*                          absent: zeros
 *   dimension = name length(8)
 *   attribute = name type(4) count(8) values
 *   variable  = name rank(8) dimension-index(8)* attributes type(4) size(8) begin(8)
 *
 * Big-endian; a name is its length(8) and bytes; names and values are padded to 4 bytes.
 */

enum { TAG_DIMENSION = 10, TAG_VARIABLE = 11, TAG_ATTRIBUTE = 12 };

/* Where the header goes; without bytes it is only measured. */
struct out {
    unsigned char *bytes;
    size_t size;
};

static void put_bytes(struct out *out, const void *bytes, size_t n)
{
    size_t padding = (4 - n % 4) % 4;
    if (out->bytes) {
        memcpy(out->bytes + out->size, bytes, n);
        memset(out->bytes + out->size + n, 0, padding);
    }
    out->size += n + padding;
}

static void put_number(struct out *out, uint64_t value, size_t width)
{
    unsigned char bytes[8];
    for (size_t i = 0; i < width; i++)
        bytes[i] = (unsigned char)(value >> 8 * (width - 1 - i));
    put_bytes(out, bytes, width);
}

static void put_name(struct out *out, const char *name)
{
    put_number(out, strlen(name), 8);
    put_bytes(out, name, strlen(name));
}

static void put_values(struct out *out, const struct attribute *attribute)
{
    size_t width = width_of(attribute->type);
    const unsigned char *bytes = attribute->values;
    if (width == 1) {
        put_bytes(out, bytes, attribute->n);
        return;
    }
    for (size_t i = 0; i < attribute->n; i++, bytes += width) {
        uint32_t narrow;
        uint64_t wide;
        if (width == 4) {
            memcpy(&narrow, bytes, sizeof narrow);
            put_number(out, narrow, 4);
        } else {
            memcpy(&wide, bytes, sizeof wide);
            put_number(out, wide, 8);
        }
    }
}

static void put_list(struct out *out, uint32_t tag, size_t n)
{
    put_number(out, n ? tag : 0, 4);
    put_number(out, n, 8);
}

static void put_attributes(struct out *out, const struct attributes *attributes)
{
    put_list(out, TAG_ATTRIBUTE, attributes->n);
    for (size_t i = 0; i < attributes->n; i++) {
        const struct attribute *attribute = &attributes->items[i];
        put_name(out, attribute->name);
        put_number(out, (uint64_t)attribute->type, 4);
        put_number(out, attribute->n, 8);
        put_values(out, attribute);
    }
}

/* 0 when it does not fit into a file. */
static int size_of(const struct ntk_schema *schema, const struct variable *variable, size_t *out)
{
    size_t bytes = width_of(variable->type);
    for (int i = 0; i < variable->rank; i++)
        if (!ntk_size_multiply(bytes, schema->dimensions[variable->dimensions[i]].length, &bytes))
            return 0;
    if (bytes > (size_t)INT64_MAX - 3)
        return 0;
    *out = (bytes + 3) / 4 * 4;
    return 1;
}

static void put_header(const struct ntk_schema *schema, struct out *out)
{
    put_bytes(out, "CDF\5", 4);
    put_number(out, 0, 8);
    put_list(out, TAG_DIMENSION, schema->n_dimensions);
    for (size_t i = 0; i < schema->n_dimensions; i++) {
        put_name(out, schema->dimensions[i].name);
        put_number(out, schema->dimensions[i].length, 8);
    }
    put_attributes(out, &schema->globals);
    put_list(out, TAG_VARIABLE, schema->n_variables);
    for (size_t i = 0; i < schema->n_variables; i++) {
        const struct variable *variable = &schema->variables[i];
        size_t bytes = 0;
        size_of(schema, variable, &bytes);
        put_name(out, variable->name);
        put_number(out, (uint64_t)variable->rank, 8);
        for (int d = 0; d < variable->rank; d++)
            put_number(out, (uint64_t)variable->dimensions[d], 8);
        put_attributes(out, &variable->attributes);
        put_number(out, (uint64_t)variable->type, 4);
        put_number(out, bytes, 8);
        put_number(out, variable->begin, 8);
    }
}

static enum ntk_status place_variables(struct ntk_schema *schema, size_t header_bytes,
                                       struct ntk_error *error)
{
    uint64_t at = header_bytes;
    for (size_t i = 0; i < schema->n_variables; i++) {
        size_t bytes = 0;
        schema->variables[i].begin = at;
        if (!size_of(schema, &schema->variables[i], &bytes) ||
            __builtin_add_overflow(at, bytes, &at) || at > INT64_MAX)
            return ntk_fail(error, NTK_BAD_DATA, "%s would not fit into a file",
                            schema->variables[i].name);
    }
    schema->file_bytes = at;
    return NTK_OK;
}

enum ntk_status ntk_schema_encode(struct ntk_schema *schema, unsigned char **out, size_t *size,
                                  struct ntk_error *error)
{
    struct out header = {NULL, 0};
    enum ntk_status status = ntk_schema_check(schema, error);
    if (status)
        return status;
    put_header(schema, &header);
    if ((status = place_variables(schema, header.size, error)))
        return status;
    header.bytes = malloc(header.size);
    if (!header.bytes)
        return ntk_fail_memory(error, "the header of a file", header.size);
    *out = header.bytes;
    *size = header.size;
    header.size = 0;
    put_header(schema, &header);
    return NTK_OK;
}

uint64_t ntk_schema_begin(const struct ntk_schema *schema, int variable)
{
    return schema->variables[variable].begin;
}

uint64_t ntk_schema_file_bytes(const struct ntk_schema *schema)
{
    return schema->file_bytes;
}
