/* Every object of an HDF5 file, looked at through its metadata alone.
 *
 * An HDF5 file can name other files (external storage, virtual datasets, external links), code to
 * load (filters) and itself (cycles of links). Groups, datasets and attributes are visited once for
 * each hard link, within bounds on depth and number; whatever is not on the list is refused by
 * name. No dataset is read and no link but a hard one followed. Names come from the library's own
 * memory, through callbacks, never into a buffer of ours.
 */
#include <hdf5.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "io/netcdf/prescan.h"

struct walk {
    const char *path;
    const char *object; /* of which attributes are visited */
    unsigned depth;
    size_t objects, attributes;
    enum ntk_status status;
    struct ntk_error *error;
};

/* Callbacks return this to stop an iteration; `status` then holds why. */
enum { KEEP_ON = 0, STOP = 1 };

__attribute__((format(printf, 2, 3))) static int refuse(struct walk *walk, const char *format, ...)
{
    char why[384];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);
    walk->status = ntk_fail(walk->error, NTK_BAD_DATA, "%s: %s", walk->path, why);
    return STOP;
}

static int damaged(struct walk *walk, const char *what)
{
    return refuse(walk, "HDF5 cannot read %s; the file is damaged or hostile", what);
}

static int check_name(struct walk *walk, const char *name)
{
    size_t length = strlen(name);
    if (length > NTK_PRESCAN_NAME_LENGTH)
        return refuse(walk, "a name has %zu bytes; at most %d were expected", length,
                      NTK_PRESCAN_NAME_LENGTH);
    if (!ntk_format_is_text(name))
        return refuse(walk, "a name is not printable UTF-8");
    return KEEP_ON;
}

/* ---- types ------------------------------------------------------------------------------- */

static int is_plain(hid_t type)
{
    size_t size = H5Tget_size(type);
    switch (H5Tget_class(type)) {
    case H5T_INTEGER:
        return size == 1 || size == 2 || size == 4 || size == 8;
    case H5T_FLOAT:
        return size == 4 || size == 8;
    case H5T_STRING:
        return 1;
    default:
        return 0;
    }
}

/* netCDF-4 ties variables to dimensions by two attributes of its own: lists of references. */
static int is_dimension_list(const char *name, hid_t type)
{
    H5T_class_t class = H5Tget_class(type);
    if (strcmp(name, "REFERENCE_LIST") == 0)
        return class == H5T_COMPOUND;
    if (strcmp(name, "DIMENSION_LIST") != 0 || class != H5T_VLEN)
        return 0;
    hid_t element = H5Tget_super(type);
    int yes = element >= 0 && H5Tget_class(element) == H5T_REFERENCE;
    H5Tclose(element);
    return yes;
}

/* ---- attributes -------------------------------------------------------------------------- */

static int check_attribute(struct walk *walk, const char *name, hid_t attribute)
{
    hid_t type = H5Aget_type(attribute);
    if (type < 0)
        return damaged(walk, "the type of an attribute");
    int known = is_plain(type) || is_dimension_list(name, type);
    H5Tclose(type);
    hsize_t bytes = H5Aget_storage_size(attribute);
    if (!known)
        return refuse(walk, "attribute %s of %s is neither a number nor text", name, walk->object);
    if (bytes > NTK_PRESCAN_ATTRIBUTE_BYTES)
        return refuse(walk, "attribute %s of %s has %llu bytes; the limit is %llu", name,
                      walk->object, (unsigned long long)bytes,
                      (unsigned long long)NTK_PRESCAN_ATTRIBUTE_BYTES);
    return KEEP_ON;
}

static herr_t visit_attribute(hid_t object, const char *name, const H5A_info_t *info,
                              void *argument)
{
    struct walk *walk = argument;
    (void)info;
    if (++walk->attributes > NTK_PRESCAN_OBJECTS)
        return refuse(walk, "%s has more than %d attributes", walk->object, NTK_PRESCAN_OBJECTS);
    if (check_name(walk, name))
        return STOP;
    hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
    if (attribute < 0)
        return damaged(walk, "an attribute");
    int answer = check_attribute(walk, name, attribute);
    H5Aclose(attribute);
    return answer;
}

static int check_attributes(struct walk *walk, const char *name, hid_t object)
{
    hsize_t position = 0;
    walk->object = name;
    walk->attributes = 0;
    herr_t answer =
        H5Aiterate2(object, H5_INDEX_NAME, H5_ITER_NATIVE, &position, visit_attribute, walk);
    return answer < 0 ? damaged(walk, "the attributes of an object") : answer;
}

/* ---- datasets ---------------------------------------------------------------------------- */

static int check_filters(struct walk *walk, const char *name, hid_t plist)
{
    int n = H5Pget_nfilters(plist);
    if (n < 0)
        return damaged(walk, "the filters of a dataset");
    for (int i = 0; i < n; i++) {
        unsigned flags, config;
        size_t values = 0;
        H5Z_filter_t filter =
            H5Pget_filter2(plist, (unsigned)i, &flags, &values, NULL, 0, NULL, &config);
        if (filter != H5Z_FILTER_DEFLATE && filter != H5Z_FILTER_SHUFFLE &&
            filter != H5Z_FILTER_FLETCHER32)
            return refuse(walk,
                          "%s is packed with HDF5 filter %d; only deflate, shuffle and fletcher32 "
                          "are read",
                          name, (int)filter);
    }
    return KEEP_ON;
}

static int check_chunks(struct walk *walk, const char *name, hid_t plist, size_t value_bytes)
{
    hsize_t extents[H5S_MAX_RANK];
    uint64_t bytes = value_bytes;
    int rank = H5Pget_chunk(plist, H5S_MAX_RANK, extents);
    if (rank < 0 || rank > H5S_MAX_RANK)
        return damaged(walk, "the chunks of a dataset");
    for (int i = 0; i < rank; i++)
        if (__builtin_mul_overflow(bytes, extents[i], &bytes))
            bytes = UINT64_MAX;
    if (bytes > NTK_PRESCAN_CHUNK_BYTES)
        return refuse(walk, "%s is stored in chunks of %llu bytes; the limit is %llu", name,
                      (unsigned long long)bytes, (unsigned long long)NTK_PRESCAN_CHUNK_BYTES);
    return KEEP_ON;
}

/* Before anything asks a virtual dataset for its extent, which opens its source files. */
static int check_storage(struct walk *walk, const char *name, hid_t plist, size_t value_bytes)
{
    H5D_layout_t layout = H5Pget_layout(plist);
    int external = H5Pget_external_count(plist);
    if (layout == H5D_LAYOUT_ERROR || external < 0)
        return damaged(walk, "the layout of a dataset");
    if (layout == H5D_VIRTUAL)
        return refuse(walk, "%s is a virtual dataset; its values are in other files", name);
    if (external > 0)
        return refuse(walk, "%s has external storage; its values are in other files", name);
    if (check_filters(walk, name, plist))
        return STOP;
    return layout == H5D_CHUNKED ? check_chunks(walk, name, plist, value_bytes) : KEEP_ON;
}

static int check_extent(struct walk *walk, const char *name, hid_t space)
{
    int rank = H5Sget_simple_extent_ndims(space);
    if (rank < 0)
        return damaged(walk, "the extent of a dataset");
    if (rank > NTK_PRESCAN_RANK)
        return refuse(walk, "%s has %d dimensions; at most %d were expected", name, rank,
                      NTK_PRESCAN_RANK);
    return KEEP_ON;
}

static int check_type(struct walk *walk, const char *name, hid_t type)
{
    if (type < 0)
        return damaged(walk, "the type of a dataset");
    if (!is_plain(type))
        return refuse(walk, "%s is neither integer, floating point nor text", name);
    return KEEP_ON;
}

static int check_dataset(struct walk *walk, const char *name, hid_t dataset)
{
    hid_t plist = H5Dget_create_plist(dataset), type = H5Dget_type(dataset), space = -1;
    int answer = plist < 0 ? damaged(walk, "the storage of a dataset") : KEEP_ON;
    if (!answer)
        answer = check_type(walk, name, type);
    if (!answer)
        answer = check_storage(walk, name, plist, H5Tget_size(type));
    if (!answer) {
        space = H5Dget_space(dataset);
        answer = check_extent(walk, name, space);
    }
    H5Sclose(space);
    H5Tclose(type);
    H5Pclose(plist);
    return answer;
}

/* ---- links and groups -------------------------------------------------------------------- */

static int check_group(struct walk *walk, const char *name, hid_t group);

static int check_object(struct walk *walk, const char *name, hid_t object)
{
    switch (H5Iget_type(object)) {
    case H5I_GROUP:
        return check_group(walk, name, object);
    case H5I_DATASET:
        if (check_dataset(walk, name, object))
            return STOP;
        return check_attributes(walk, name, object);
    default:
        return refuse(walk, "%s is a type defined by the file; none was expected", name);
    }
}

static herr_t visit_link(hid_t group, const char *name, const H5L_info_t *info, void *argument)
{
    struct walk *walk = argument;
    if (check_name(walk, name))
        return STOP;
    if (info->type != H5L_TYPE_HARD)
        return refuse(walk, "%s is %s link; only hard links are followed", name,
                      info->type == H5L_TYPE_SOFT       ? "a soft"
                      : info->type == H5L_TYPE_EXTERNAL ? "an external"
                                                        : "a user-defined");
    if (++walk->objects > NTK_PRESCAN_OBJECTS)
        return refuse(walk, "more than %d objects, or a group that contains itself",
                      NTK_PRESCAN_OBJECTS);
    hid_t object = H5Oopen(group, name, H5P_DEFAULT);
    if (object < 0)
        return damaged(walk, "an object");
    int answer = check_object(walk, name, object);
    H5Oclose(object);
    return answer;
}

static int check_group(struct walk *walk, const char *name, hid_t group)
{
    if (walk->depth == NTK_PRESCAN_DEPTH)
        return refuse(walk, "groups are nested deeper than %d, or contain themselves",
                      NTK_PRESCAN_DEPTH);
    if (check_attributes(walk, name, group))
        return STOP;
    hsize_t position = 0;
    walk->depth++;
    herr_t answer = H5Literate(group, H5_INDEX_NAME, H5_ITER_NATIVE, &position, visit_link, walk);
    walk->depth--;
    return answer < 0 ? damaged(walk, "the links of a group") : answer;
}

static enum ntk_status walk_file(struct walk *walk, hid_t file)
{
    hid_t root = H5Gopen2(file, "/", H5P_DEFAULT);
    if (root < 0)
        damaged(walk, "the root group");
    else
        check_group(walk, "the root group", root);
    H5Gclose(root);
    return walk->status;
}

enum ntk_status ntk_prescan_hdf5(const char *path, struct ntk_error *error)
{
    struct walk walk = {.path = path, .error = error};
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL); /* errors are returned, not printed */
    H5PLset_loading_state(0);              /* no filter is loaded from a folder of plugins */
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (file < 0)
        return ntk_fail(error, NTK_BAD_DATA,
                        "%s cannot be opened by HDF5: it is truncated, damaged or hostile", path);
    enum ntk_status status = walk_file(&walk, file);
    H5Fclose(file);
    return status;
}
