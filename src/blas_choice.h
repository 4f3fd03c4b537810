/* OpenBLAS 0.3.21 does not know newer processors and then multiplies at half their speed. It reads the name
 * of the kernels that it is to use once, when it is loaded, from the environment: only a restart of the
 * program helps. */
#ifndef LANCET_BLAS_CHOICE_H
#define LANCET_BLAS_CHOICE_H

/* Restarts the program once with AVX-512 kernels where the processor has them, OpenBLAS has chosen narrower
 * ones and the user has not chosen. After the restart, compares a product with a plain loop: wrong kernels
 * are dropped by one more restart, with a notice. When a restart fails, the program goes on, slower. */
void blas_choose(char **argv);

#endif
