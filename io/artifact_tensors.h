/* The tensors of a calibration's lead times, by name: one list for writing and reading. Private to
 * io/artifact.c. */
#ifndef NTK_IO_ARTIFACT_TENSORS_H
#define NTK_IO_ARTIFACT_TENSORS_H

#include "core/calibration.h"

/* One tensor: where its values are, or go. */
struct ntk_slot {
    char name[192];
    size_t rows, columns; /* columns 0: one dimension */
    double **values;
};

/* Slots that a lead of so many variables can have. */
size_t ntk_slots_most(const struct ntk_calibration_lead *lead);

/* Lists the tensors of a lead whose sizes are set; `scalars` (2) stand for the values that the
 * structs hold inline: noise variance and mean norm. Gives their number. */
size_t ntk_slots_list(struct ntk_calibration_lead *lead, size_t d, double **scalars,
                      struct ntk_slot *slots);

#endif
