/* The engine's number: float in the product, double in one test build that checks gradients. */
#ifndef LANCET_REAL_H
#define LANCET_REAL_H

#include <math.h>

#ifdef LANCET_REAL_DOUBLE
typedef double real;
#define real_exp exp
#define real_tanh tanh
#define real_sqrt sqrt
#define real_erf erf
#define real_fabs fabs
#else
typedef float real;
#define real_exp expf
#define real_tanh tanhf
#define real_sqrt sqrtf
#define real_erf erff
#define real_fabs fabsf
#endif

#endif
