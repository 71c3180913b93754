/* What a NetCDF file is made of, as data: dimensions, variables and attributes, before anything is
 * written. libnetcdf writes it as NetCDF-4; or it is laid out here as CDF-5 (64-bit data), whose
 * variables without a record dimension lie one after another at fixed places, so that anyone may
 * write any part of them, in any order, and again, without the library.
 *
 * The first thing that cannot be added is remembered and what follows it is skipped;
 * ntk_schema_check tells. A schema belongs to one thread.
 */
#ifndef NTK_IO_NETCDF_SCHEMA_H
#define NTK_IO_NETCDF_SCHEMA_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

#define NTK_SCHEMA_RANK 5

struct ntk_schema;

/* NULL: no memory. */
struct ntk_schema *ntk_schema_create(void);
void ntk_schema_free(struct ntk_schema *schema);

/* Lengths are 1 or more. Gives its index. */
int ntk_schema_add_dimension(struct ntk_schema *schema, const char *name, size_t length);

/* `type` is an nc_type of 1, 4 or 8 bytes. Gives its index, which is its id in a NetCDF-4 file. */
int ntk_schema_add_variable(struct ntk_schema *schema, const char *name, int type, int rank,
                            const int *dimensions);

/* Attributes of a variable or of the file (`owner`: its index or NC_GLOBAL), copied; n values of an
 * nc_type. */
void ntk_schema_add_attribute(struct ntk_schema *schema, int owner, const char *name, int type,
                              size_t n, const void *values);
void ntk_schema_add_text(struct ntk_schema *schema, int owner, const char *name, const char *text);

/* The first failure: NTK_BAD_DATA, two variables of one name; NTK_TRY_AGAIN, no memory. */
enum ntk_status ntk_schema_check(const struct ntk_schema *schema, struct ntk_error *error);

/* The index of a variable, or -1. */
int ntk_schema_find(const struct ntk_schema *schema, const char *name);

/* Defines all of it in an open, empty NetCDF file and ends its definition. */
enum ntk_status ntk_schema_define(const struct ntk_schema *schema, int ncid,
                                  struct ntk_error *error);

/* The header as CDF-5, `*size` bytes to be freed; begins as libnetcdf would place them. */
enum ntk_status ntk_schema_encode(struct ntk_schema *schema, unsigned char **out, size_t *size,
                                  struct ntk_error *error);

/* Where a variable's values begin, and how long the file is, once it was encoded. */
uint64_t ntk_schema_begin(const struct ntk_schema *schema, int variable);
uint64_t ntk_schema_file_bytes(const struct ntk_schema *schema);

#endif
