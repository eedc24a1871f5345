/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The copying of several buffers, or of a large one, one behind the other. */
#ifndef UNDERSPAN_GATHER_H
#define UNDERSPAN_GATHER_H

#include "maps.h"

/* So that a step which begins within what is kept ends within the record: the verifier does not
 * compare two variables.
 */
#define GATHER_STEP 4096
#define GATHER_STEPS 2060 /* two for each of UIO_MAXIOV, and those within large ones */

/* Where the bytes are that a call moved: in one buffer, or in several. */
struct user_buffers {
	const void *base;
	const struct iovec *vector;
	__u64 count; /* of vectors; 0: one buffer */
};

struct events_map {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 * 1024 * 1024);
};

/* Of each process, by its number. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, LEDGER_PROCESSES);
	__type(key, __u32);
	__array(values, struct events_map);
} events SEC(".maps");

static __always_inline void *ring_of(__u32 process)
{
	return bpf_map_lookup_elem(&events, &process);
}

struct wire_record_wide {
	struct socket_event event;
	__u8 payload[PAYLOAD_WIDE + GATHER_STEP];
};

/* In a map: of what is on the stack the verifier would follow each value through all steps. */
struct gathering {
	const void *base;
	const struct iovec *vector;
	__u64 count;
	__u32 here; /* rest of the buffer at base */
	__u32 left; /* of what the call moved */
	__u32 at; /* captured so far */
	__u32 limit;
	__u32 full; /* 1: what comes next has no room in this record */
	__u32 process; /* whose call it is, its number */
	struct http2_place http2; /* where it stands by now */
	struct wire_record_wide record;
};

/* One for each program that needs it: on a processor none runs within a run of itself, but may in
 * the middle of another's.
 */
enum scratch_place {
	SCRATCH_SENT,
	SCRATCH_RECEIVED,
#if defined(SOCKETS_BY_FUNCTIONS) || defined(PROGRAMS_TWICE)
	SCRATCH_SENT_OTHER,
	SCRATCH_RECEIVED_OTHER,
#endif
	SCRATCH_PLACES,
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SCRATCH_PLACES);
	__type(key, __u32);
	__type(value, struct gathering);
} scratch SEC(".maps");

static __always_inline void begin_gathering(struct gathering *state, __u32 process,
					    const struct user_buffers *buffers, __u32 total,
					    __u32 limit)
{
	state->process = process;
	state->base = buffers->base;
	state->vector = buffers->vector;
	state->count = buffers->count;
	state->here = buffers->count || !buffers->base ? 0 : total;
	state->left = total;
	state->at = 0;
	state->limit = limit;
}

/* The next buffer, which may be empty; false if there is none. */
static __always_inline bool next_buffer(struct gathering *state)
{
	struct iovec next;

	if (!state->count || bpf_probe_read_user(&next, sizeof(next), state->vector))
		return false;
	state->vector++;
	state->count--;
	state->base = next.iov_base;
	state->here = next.iov_len < state->left ? next.iov_len : state->left;
	return true;
}

/* Captures what comes next, at most GATHER_STEP bytes. */
static __always_inline bool capture(struct gathering *state, __u32 length)
{
	__u32 at = state->at;

	barrier_var(length); /* as in fill_payload() */
	barrier_var(at);
	if (length > GATHER_STEP || at >= PAYLOAD_WIDE)
		return false;
	if (bpf_probe_read_user(state->record.payload + at, length, state->base)) {
		COUNT_FOR(state->process, payload_unreadable);
		return false;
	}
	state->at = at + length;
	return true;
}

static __always_inline void step_over(struct gathering *state, __u32 length)
{
	state->base += length;
	state->here -= length;
	state->left -= length;
}

/* By a copy, since the size is not one of few. */
static __always_inline void tell_captured(struct gathering *state)
{
	struct socket_event *event = &state->record.event;
	void *ring = ring_of(state->process);
	void *ledger = ledger_of(state->process);
	struct process_state *process = ledger ? process_at(ledger) : NULL;
	__u32 captured = state->at;

	event->header.size_class = PAYLOAD_WIDE;
	event->captured = captured;
	event->tail_size = 0;
	barrier_var(captured);
	if (captured > PAYLOAD_WIDE || !ring || !process)
		return;
	if (bpf_ringbuf_output(ring, event, sizeof(*event) + captured, wakeup(process)))
		COUNT(process, ring_full);
}

/* A step of bpf_loop(): captures a prefix. */
static long gather(__u32 step, struct gathering **context)
{
	struct gathering *state = *context;
	__u32 length;

	if (!state->here)
		return !next_buffer(state);
	length = state->here < GATHER_STEP ? state->here : GATHER_STEP;
	if (state->at >= state->limit)
		return 1;
	if (length > state->limit - state->at)
		length = state->limit - state->at;
	if (!capture(state, length))
		return 1;
	step_over(state, length);
	return !state->left;
}

#endif
