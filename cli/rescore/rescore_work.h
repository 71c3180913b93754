/* The jailed part of rescore: one process opens one archive, says what there is, and then computes
 * the chunks it is told, each read, evaluated and written to its fixed place in the output.
 *
 *   outer process                                 jailed work
 *     <---- NTK_REPORT_READY (survey is filled) ------
 *     ---- order: samples first .. first + count ---->
 *     <---- NTK_REPORT_DONE --------------------------     again and again
 *     ---- order of 0 samples, or end of file ------->     the work ends
 *
 * NTK_REPORT_FAILED may come instead of any report, with a sentence. Several processes may work on
 * one archive: none writes what another does, and all write the same bytes in the same place. What
 * comes out of the jail is checked like input.
 */
#ifndef NTK_CLI_RESCORE_WORK_H
#define NTK_CLI_RESCORE_WORK_H

#include <stdint.h>

#include "cli/arguments.h"
#include "core/calibration.h"
#include "core/interval.h"
#include "io/netcdf/interval_layout.h"

/* What is in an archive and what rescoring it takes. */
struct ntk_rescore_survey {
    struct ntk_interval_layout layout;
    size_t stored_samples; /* that lie in one chunk of the archive */
    uint64_t read_bytes;   /* of all values that are read, unpacked */
    size_t memory_bytes;   /* of one process */
};

enum ntk_rescore_order_kind { NTK_ORDER_END, NTK_ORDER_CHUNK, NTK_ORDER_MEASURE, NTK_ORDER_FLUSH };

struct ntk_rescore_order {
    enum ntk_rescore_order_kind kind;
    size_t first, count; /* samples, at all their lead times */
};

enum ntk_rescore_report_kind { NTK_REPORT_READY, NTK_REPORT_DONE, NTK_REPORT_FAILED };

struct ntk_rescore_report {
    enum ntk_rescore_report_kind kind;
    struct ntk_rescore_order order;     /* that was done */
    double reading, computing, writing; /* seconds */
    enum ntk_status status;             /* of a failure */
    struct ntk_error error;
};

struct ntk_rescore_work {
    const struct ntk_arguments *arguments;
    const struct ntk_calibration *calibration;
    const char *sha256;  /* of the calibration */
    const char *archive; /* absolute path */
    const char *output;  /* absolute path, or NULL: nothing is written */
    int prepares;        /* writes header and coordinates, and gives the output its length */
    size_t memory_bytes; /* that blocks and caches may take */
    int channel;         /* a socket that keeps messages apart */
    struct ntk_rescore_survey *survey; /* shared with the outer process */
};

/* Seconds of a clock that only goes on. */
double ntk_rescore_now(void);

/* For ntk_jail_start: `work` is a struct ntk_rescore_work. */
int ntk_rescore_work(void *work);

#endif
