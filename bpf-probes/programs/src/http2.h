/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* HTTP/2 in the clear: the programs go from frame to frame, so that all headers are captured,
 * however much was moved with them at once, and each record says where it stands in the framing.
 */
#ifndef UNDERSPAN_HTTP2_H
#define UNDERSPAN_HTTP2_H

#include "gather.h"

/* A frame takes two or three steps, and one more for each end of a buffer within it. A call that
 * needs more, or more records, ends the following.
 */
#define FOLLOW_STEPS 16384
#define FOLLOW_PARTS 64
#define HTTP2_DATA 0
/* A connection that begins as HTTP/1.1 may change over early on. */
#define HTTP2_BEGINS 4096

/* The first eight bytes, the first of them the highest; 0: there are fewer in the first buffer. */
static __always_inline __u64 first_bytes(const struct user_buffers *buffers, __u32 total)
{
	struct iovec first = {.iov_base = (void *)buffers->base, .iov_len = total};
	__u64 begin = 0;

	if (buffers->count && bpf_probe_read_user(&first, sizeof(first), buffers->vector))
		return 0;
	if (total < sizeof(begin) || first.iov_len < sizeof(begin) ||
	    bpf_probe_read_user(&begin, sizeof(begin), first.iov_base))
		return 0;
	return bpf_be64_to_cpu(begin);
}

/* Does what a client sends first begin as HTTP/2 does (RFC 9113, section 3.4)? */
static __always_inline bool begins_http2(const struct user_buffers *buffers, __u32 total)
{
	return first_bytes(buffers, total) == 0x505249202a204854ull; /* "PRI * HT" */
}

/* Does what a server sends first: SETTINGS of some length below 256, without flags? */
static __always_inline bool begins_settings(const struct user_buffers *buffers, __u32 total)
{
	return (first_bytes(buffers, total) & ~0xff0000000000ull) == 0x000000400000000ull;
}

/* Whether the framing is followed, maybe from this call on.
 *
 * before: bytes that this direction has moved before; other: the same of the other direction
 */
static __always_inline bool follows(struct http2_place *place, const struct http2_place *opposite,
				    const struct user_buffers *buffers, __u32 total, __u64 before,
				    __u64 other)
{
	if (place->known || before >= HTTP2_BEGINS)
		return place->known;
	if (begins_http2(buffers, total)) {
		__builtin_memset(place, 0, sizeof(*place));
		place->left = HTTP2_PREFACE;
		place->keep = HTTP2_PREFACE;
		place->known = 1;
	} else if (!before && (!other || opposite->known) && begins_settings(buffers, total)) {
		__builtin_memset(place, 0, sizeof(*place));
		place->known = 1;
	}
	return place->known;
}

static __always_inline bool begin_frame(struct http2_place *place)
{
	place->left = place->head[0] << 16 | place->head[1] << 8 | place->head[2];
	place->keep = place->left;
	if (place->head[3] == HTTP2_DATA && place->keep > HTTP2_DATA_KEPT)
		place->keep = HTTP2_DATA_KEPT;
	place->head_length = 0;
	return place->left <= HTTP2_LONGEST;
}

/* Captures what fits into the record. */
static __always_inline bool keep(struct gathering *state, __u32 length)
{
	state->full = state->at + length > state->limit;
	return !state->full && capture(state, length);
}

/* A step of bpf_loop(): goes to the end of a buffer, of what is kept of a frame, or of a frame. */
static long follow(__u32 step, struct gathering **context)
{
	struct gathering *state = *context;
	struct http2_place *place = &state->http2;
	__u32 length = state->here, have;

	if (!length)
		return !next_buffer(state);
	if (place->left) {
		if (length > place->left)
			length = place->left;
		if (place->keep) {
			if (length > place->keep)
				length = place->keep;
			if (length > GATHER_STEP)
				length = GATHER_STEP;
			if (!keep(state, length))
				return 1;
			place->keep -= length;
		}
		place->left -= length;
	} else {
		have = place->head_length;
		if (length > HTTP2_HEAD - have)
			length = HTTP2_HEAD - have;
		barrier_var(have);
		barrier_var(length);
		if (have >= HTTP2_HEAD || length > HTTP2_HEAD || !keep(state, length) ||
		    bpf_probe_read_user(place->head + have, length, state->base))
			return 1;
		place->head_length = have + length;
		if (place->head_length == HTTP2_HEAD && !begin_frame(place))
			return 1;
	}
	step_over(state, length);
	return !state->left;
}

/* What the record's direction has moved. */
static __always_inline __u64 *moved(struct socket_event *event)
{
	return event->header.type == EVENT_SENT ? &event->bytes_out : &event->bytes_in;
}

/* A step of bpf_loop(): one record, of as much as it has room for. */
static long tell_part(__u32 part, struct gathering **context)
{
	struct gathering *state = *context;
	struct socket_event *event = &state->record.event;
	__u32 before = state->left;

	if (part)
		COUNT_FOR(state->process, events_seen);
	event->http2 = state->http2;
	state->at = 0;
	state->full = 0;
	bpf_loop(FOLLOW_STEPS, follow, context, 0);
	event->total = state->full ? before - state->left : before;
	*moved(event) += event->total;
	tell_captured(state);
	return !state->full;
}

/* Tells what a call moved, frame by frame, and notes where that leaves the direction. */
static __always_inline void tell_frames(struct gathering *state, struct http2_place *place)
{
	state->http2 = *place;
	*moved(&state->record.event) -= state->left; /* each part adds its own */
	bpf_loop(FOLLOW_PARTS, tell_part, &state, 0);
	*place = state->http2;
	if (state->left)
		place->known = 0;
}

#endif
