// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Reads the ring buffer that the agent's programs write to, as a consumer in C does: by libbpf, with
 * a callback for each record that looks at its fields and copies its payload. By commands:
 *   drain        once; answers with the number of records and the nanoseconds that it took
 *   poll SECONDS all 5 ms; answers the same
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "events.h"

static __u64 sum;
static __u8 payload[PAYLOAD_WIDE];

static int take(void *context, void *data, size_t size)
{
	const struct socket_event *event = data;

	(void)context;
	(void)size;
	sum += event->header.ns + event->header.type + event->cookie + event->total;
	memcpy(payload, event + 1, event->captured);
	return 0;
}

static __u64 now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return at.tv_sec * 1000000000ull + at.tv_nsec;
}

/* The newest ring buffer of that name. */
static int find(void)
{
	__u32 id = 0;
	int found = -1;

	while (!bpf_map_get_next_id(id, &id)) {
		struct bpf_map_info info = {};
		__u32 length = sizeof(info);
		int fd = bpf_map_get_fd_by_id(id);

		if (fd < 0)
			continue;
		if (!bpf_obj_get_info_by_fd(fd, &info, &length) &&
		    info.type == BPF_MAP_TYPE_RINGBUF && !strcmp(info.name, "events")) {
			if (found >= 0)
				close(found);
			found = fd;
		} else {
			close(fd);
		}
	}
	return found;
}

int main(void)
{
	int fd = find();
	struct ring_buffer *ring = fd < 0 ? NULL : ring_buffer__new(fd, take, NULL, NULL);
	char line[64];

	if (!ring) {
		fprintf(stderr, "no ring buffer to read; root?\n");
		return 1;
	}
	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		__u64 begin = now(), until = begin;
		long count = 0;

		if (!strncmp(line, "poll ", 5))
			until += atoi(line + 5) * 1000000000ull;
		do {
			int read = ring_buffer__consume(ring);

			if (read > 0)
				count += read;
			else if (now() < until)
				usleep(5000);
		} while (now() < until);
		printf("%ld %llu\n", count, now() - begin);
		fflush(stdout);
	}
	ring_buffer__free(ring);
	return sum == 42;
}
