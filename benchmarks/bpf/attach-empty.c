// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Keeps the empty program attached until its standard input ends. */
#include <stdio.h>

#include "empty.skel.h"

int main(void)
{
	struct empty_bpf *empty = empty_bpf__open_and_load();

	if (!empty || empty_bpf__attach(empty)) {
		fprintf(stderr, "the empty program cannot be attached; root?\n");
		return 1;
	}
	puts("ready");
	fflush(stdout);
	while (getchar() != EOF)
		;
	return 0;
}
