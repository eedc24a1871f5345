// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The whole set for kernels without tracepoints on sockets. */
#define SOCKETS_BY_FUNCTIONS

#include "tracing.bpf.c"
