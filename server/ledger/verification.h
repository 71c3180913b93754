/* How a record did against the truth: coverage, width and CRPS over its places, and the conformal
 * p-values that adaptation and the test of drift live on. Plain function of immutable data. */
#ifndef NTK_SERVER_VERIFICATION_H
#define NTK_SERVER_VERIFICATION_H

#include "core/calibration.h"
#include "server/ledger/record.h"

/* `truth` (record->points) may hold NAN: those places are not known and do not count. `model` is
 * that which answered; NULL, when its calibration is gone, leaves out CRPS and p-values. `bands`
 * (points) are the places' latitude bands, or NULL. out->n_groups is 0 when no place is known. */
void ntk_record_verify(const struct ntk_record *record, const double *truth,
                       const struct ntk_interval_model *model, const int *bands,
                       struct ntk_verified *out);

#endif
