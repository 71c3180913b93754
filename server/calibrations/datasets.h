/* Uploaded archives: state_dir/datasets/<sha256>.nc with its description beside it. */
#ifndef NTK_SERVER_DATASETS_H
#define NTK_SERVER_DATASETS_H

#include <jansson.h>
#include <stddef.h>

#include "config/config.h"

/* The path of a dataset; false when `id` is not 64 hexadecimal digits or there is none. */
int ntk_dataset_path(const struct ntk_config *config, const char *id, char *out, size_t size);

/* What ntkuq inspect said of it; a new reference, NULL when there is none. */
json_t *ntk_dataset_description(const struct ntk_config *config, const char *id);

#endif
