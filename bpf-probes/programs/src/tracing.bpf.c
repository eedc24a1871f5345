// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The whole set: ledger and TCP in one object, since a light skeleton owns all of its maps. */
#include "ledger.bpf.c"
#include "tcp.bpf.c"
#include "tls.bpf.c"
