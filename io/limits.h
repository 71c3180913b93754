/* Every limit on what may come in, in one table (io/limits.c), so that a refusal can name both the
 * number found and the number allowed. docs/formats.md lists them too. */
#ifndef NTK_IO_LIMITS_H
#define NTK_IO_LIMITS_H

#include <stddef.h>

struct ntk_limits {
    size_t archive_bytes;  /* of one input file */
    size_t array_bytes;    /* of one array of an archive, as doubles, when read */
    size_t archive_files;  /* given to one command */
    size_t samples;        /* of one archive */
    size_t features;       /* columns of a feature matrix */
    size_t leads;          /* of one archive or calibration */
    size_t variables;      /* of one archive or calibration */
    size_t artifact_bytes; /* of a calibration file */
    size_t rows_bytes;     /* of a rows file */
    size_t coverage_bytes; /* of a CoverageJSON document */
    size_t scores;         /* kept a variable and lead; more are thinned, never downwards */
    size_t levels;         /* of one query */
    size_t query_samples;  /* rows of one interval query */
    size_t tensors;        /* inputs, or outputs, of one inference request */
    size_t reply_bytes;    /* of the outputs of one inference request */
};

extern const struct ntk_limits ntk_limits;

#endif
