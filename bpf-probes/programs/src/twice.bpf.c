// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The whole set for kernels that may take the processor from a program on a tracepoint. */
#define PROGRAMS_TWICE

#include "tracing.bpf.c"
