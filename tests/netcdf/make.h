/* Small archives whose every value tells its place, and ways to spoil them. */
#ifndef NTK_TESTS_NETCDF_MAKE_H
#define NTK_TESTS_NETCDF_MAKE_H

#include <stddef.h>

#include "io/netcdf/archive.h"

enum make_role {
    MAKE_FEATURES = 1,
    MAKE_FORECAST = 2,
    MAKE_TRUTH = 4,
    MAKE_SPLIT = 8,
    MAKE_EVENT = 16,
    MAKE_ALL = 31,
};

struct make {
    int mode; /* of nc_create */
    unsigned roles;
    size_t n_sample, d;
    size_t n_lead;                 /* 0: no dimension lead, and sample i has lead 24 (1 + i % 2) */
    enum ntk_place place;          /* the grid is 2 x 3, the stations are 4 */
    double first_hour, step_hours; /* since 2016-01-01 */
    int unlimited;                 /* the dimension sample */
};

/* NetCDF-4, all roles, 5 samples 24 h apart, leads 24 and 48 h, 3 features, a grid. */
struct make make_usual(void);

void make_archive(const char *path, const struct make *make);

/* What the archive holds. role: MAKE_FEATURES, MAKE_FORECAST or MAKE_TRUTH. */
double make_value(enum make_role role, double hour, double lead_hours, size_t index);
int make_split(size_t sample);
int make_event(size_t sample, size_t lead);

/* A path in a folder that exists while a suite runs. Eight may be in use at once. */
const char *make_path(const char *name);
void make_folder(void);
void remove_folder(void);

void edit_text(const char *path, const char *variable, const char *attribute, const char *text);
void edit_number(const char *path, const char *variable, const char *attribute, double value);
void edit_delete(const char *path, const char *variable, const char *attribute);
void edit_rename(const char *path, const char *variable, const char *name);
void edit_value(const char *path, const char *variable, const size_t *index, double value);

/* Adds a double variable of the named dimensions (an empty list: a scalar). */
void add_variable(const char *path, const char *variable, const char *const *dimensions,
                  size_t rank);

/* Whole files, for truncating and flipping. */
unsigned char *load_bytes(const char *path, size_t *size);
void save_bytes(const char *path, const void *bytes, size_t size);

/* ---- what is expected of a scan ---- */

struct ntk_archive *open_well(const char *const *paths, size_t n);
struct ntk_archive *open_one(const char *path);

/* One of the problems contains `text`, and opening is refused with the first problem. */
void expect_problem(const char *const *paths, size_t n, const char *text);
void expect_problem_in(const char *path, const char *text);

/* Opens without a problem, and one of the notes contains `text`. */
void expect_note_in(const char *path, const char *text);

/* Scanning fails with this status and a sentence that contains `text`. */
void expect_failure(const char *path, enum ntk_status status, const char *text);

/* What became of a file that was scanned and read in another process. */
enum fate { FATE_REFUSED, FATE_PROBLEM, FATE_READ, FATE_CRASHED, FATE_HUNG };
struct outcome {
    enum fate fate;
    char text[512]; /* the sentence, when refused or a problem */
};
struct outcome read_in_child(const char *path);

#endif
