/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Records in the ring buffer, shared with Java. */
#ifndef UNDERSPAN_EVENTS_H
#define UNDERSPAN_EVENTS_H

#include "ledger.h"

/* Bytes of payload kept at most, by the size of what was moved. */
enum payload_limits {
	PAYLOAD_SMALL = 256,
	PAYLOAD_MEDIUM = 1024,
	PAYLOAD_LARGE = 8192,
	PAYLOAD_WIDE = 24576, /* of HTTP/2, whose calls share what they write */
	TAIL_BYTES = 16,
};

enum http2_limits {
	HTTP2_PREFACE = 24,
	HTTP2_HEAD = 9,
	HTTP2_DATA_KEPT = 5, /* the length of a message of gRPC */
	HTTP2_LONGEST = 1048576, /* no frame is longer; whatever is, is none */
};

enum event_type {
	EVENT_SENT = 1,
	EVENT_RECEIVED = 2,
	EVENT_CLOSED = 3,
	/* What a library of TLS in the process was given to send, or made of what was received. Of
	 * the endpoint only the role is set; begin_ns is that of the ciphertext, 0 if it came
	 * before.
	 */
	EVENT_PLAIN_SENT = 4,
	EVENT_PLAIN_RECEIVED = 5,
	/* A call into such a library failed; total is the reason, by the library's own number. */
	EVENT_TLS_FAILED = 6,
};

enum connection_role {
	ROLE_UNKNOWN = 0, /* open before we looked */
	ROLE_CLIENT = 1,
	ROLE_SERVER = 2,
	ROLE_LISTENER = 3,
	ROLE_AGENT = 4,
	ROLE_DATAGRAM = 5, /* no connection: a UDP socket that asks name servers */
};

/* Where one direction of HTTP/2 stands between two calls (RFC 9113, section 4.1). Of what a call
 * moves then only this is captured: the preface, the heads of frames, their payload, and of DATA
 * no more than its first bytes.
 */
struct http2_place {
	__u32 left; /* bytes to come of the current frame's payload, or of the preface */
	__u32 keep; /* so many of them, from the first on, will be captured */
	__u8 head[2 * HTTP2_HEAD]; /* of the next frame, as far as it came; the rest is room */
	__u8 head_length;
	__u8 known; /* 0: not followed, what is captured is a prefix of what was moved */
	__u8 reserved[4];
};

struct event_header {
	__u16 type;
	__u16 size_class; /* bytes kept for payload behind the record */
	__u32 tid;
	__u64 ns; /* CLOCK_MONOTONIC */
};

struct endpoint {
	__u16 family;
	__u16 local_port; /* may be 0 in EVENT_CLOSED: the socket has none any more */
	__u16 remote_port;
	__u16 role;
	__u8 local_addr[16];
	__u8 remote_addr[16];
};

struct socket_event {
	struct event_header header;
	__u64 cookie;
	__u64 thread; /* whose account it is, see logical_thread(); 0: nobody's */
	struct endpoint endpoint;
	struct trace_head head;
	__u64 begin_ns; /* sent: when the first segment left; received: when its first byte arrived
			   (0: not seen) */
	__u64 connect_ns;
	__u64 established_ns;
	/* Moved since the connection is watched, up to the end of this record: what no record told
	 * of is in it. Of EVENT_PLAIN_* plaintext, since its session is known.
	 */
	__u64 bytes_in;
	__u64 bytes_out;
	__u32 rtt_us;
	__u32 retransmits;
	__u32 total; /* bytes that the call moved */
	__u32 captured; /* bytes of payload that follow, from the first on */
	__u32 tail_size;
	__u32 secured; /* 1: ciphertext, whose plaintext follows as another event */
	__u8 tail[TAIL_BYTES];
	__u64 ns[LEDGER_KINDS]; /* the thread's account at header.ns */
	struct http2_place http2; /* before this call */
};

/* What was lost or not seen, by the hop that lost it; mapped by Java. */
struct loss_counters {
	__u64 ring_full;
	__u64 slots_exhausted;
	__u64 payload_unreadable;
	__u64 connections_untracked;
	__u64 arrivals_merged;
	__u64 events_seen;
	__u64 tls_untracked; /* more sessions at once than can be kept */
	__u64 accepts_unseen; /* whose establishment was missed */
	__u64 transfers_unseen; /* one or more calls that moved bytes, noticed by a later one */
};

/* What is a process's, in place 0 of its ledger. */
struct process_state {
	__u32 slot_cursor; /* how many slots were ever used */
	/* Counts how often the process came to a set of programs: its slots are the present one's
	 * if they say the same.
	 */
	__u32 admission;
	__u32 whole; /* 1: each of its threads is enrolled, not only those that ask */
	/* Where a JavaThread keeps the monitor it waits on, and the one it wants to enter; 0:
	 * unknown. Written by Java.
	 */
	__u32 waiting_monitor;
	__u32 pending_monitor;
	__u32 awaited; /* 1: who reads the events sleeps until there is one. Set by Java */
	/* How long the JVM stood still up to a moment t: STOP_ON clear, this (ns); set, t less the
	 * rest of it.
	 */
	__u64 stopped;
	__u64 libraries; /* how often the set of mapped libraries has changed */
	struct loss_counters losses;
};

#define STOP_ON (1ull << 63)

struct enrol_args {
	__u32 agent; /* in: 1 for a thread of the agent itself */
	__u32 process; /* in: the number that its process has from now on; 0 leaves it */
	__u32 slot; /* out */
	__u32 reserved;
};

enum admit_step {
	ADMIT_BEGIN = 0, /* its threads may be enrolled from now on */
	ADMIT_SWEEP = 1, /* they are: what is left of slots is free */
};

struct admit_args {
	__u32 process; /* in: its number */
	__u32 step; /* in: enum admit_step */
};

#endif
