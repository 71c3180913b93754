/* Covariates and features_map, added to archives of make.h: every value tells its place. */
#ifndef NTK_TESTS_NETCDF_EXTRA_H
#define NTK_TESTS_NETCDF_EXTRA_H

#include "tests/netcdf/make.h"

enum extra_role { EXTRA_COVARIATES, EXTRA_MAP };

struct extra {
    enum extra_role role;
    int type;             /* nc_type; 0: NC_FLOAT */
    double scale, offset; /* 0 and 0: not packed */
    int deflate;          /* 0: as the format has it */
    const size_t *chunk;  /* NULL: as the library likes */
    size_t columns;       /* covariates, or features of the map */
    int without_lead;     /* where the archive has the dimension */
    /* Of covariates, in the same go: libnetcdf 4.9.0 spoils a file to which a variable named like a
     * dimension is added later. */
    const char *const *names; /* columns; NULL: none */
    size_t name_length;       /* of characters; 0: they are strings */
};

/* Adds one to the archive that `make` made. The covariates' dimension is "covariate", the map's
 * "channel". */
void add_extra(const char *path, const struct make *make, const struct extra *extra);

/* index: covariate, or feature * points + point. */
double extra_value(enum extra_role role, double hour, double lead_hours, size_t index);

#endif
