/* OpenBLAS as lancet uses it: single-threaded calls on fixed blocks from our own pool. */
#ifndef LANCET_BLAS_H
#define LANCET_BLAS_H

#include "error.h"

/* To be called by whoever is about to call BLAS, on the thread that will: threads of OpenBLAS's own would
 * change the partition of the sums. Cheap. */
void blas_single_thread(void);

/* Compares a product of each kind that lancet uses with a plain loop: some kernels of old OpenBLAS versions
 * are wrong on some processors. ERROR_NUMERIC names the kernels. */
bool blas_check(struct error *err);

#endif
