/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What is kept with each socket of the process; Java writes it for sockets older than the programs.
 */
#ifndef UNDERSPAN_CONNECTION_H
#define UNDERSPAN_CONNECTION_H

#include "events.h"

enum connection_limits {
	ARRIVALS = 8,
	RECENT_REQUESTS = 4096, /* a power of two */
};

/* The latest request of a connection that the process accepted, for whichever thread handles it; at
 * the place of the client's port, so the latest of those that share it. seq is odd while written.
 */
struct recent_request {
	__u32 seq;
	__u16 local_port;
	__u16 remote_port;
	__u64 cookie;
	__u64 number;
	__u64 established_ns;
	__u64 arrival_ns;
	__u64 read_ns;
	__u64 bytes_in;
	__u32 rtt_us;
	__u32 retransmits;
};

struct arrival {
	__u64 ns;
	__u32 end_seq; /* the sequence number behind the last byte that arrived then */
	__u32 reserved;
};

struct connection {
	__u64 cookie;
	__u64 connect_ns;
	__u64 established_ns;
	__u64 last_send_ns;
	__u64 bytes_in;
	__u64 bytes_out;
	__u64 request_number;
	__u64 request_arrival_ns;
	__u64 request_read_ns;
	__u64 request_bytes;
	__u32 role;
	__u32 arrival_count;
	__u32 last_direction;
	__u32 process; /* the number of the one that used it last, and which one had that then */
	__u32 admission;
	__u32 state; /* of TCP, as a program saw it last */
	__u32 positioned; /* 1: the next two are known */
	__u32 sent_seq; /* behind the last byte sent that was told */
	__u32 received_seq;
	__u32 reserved;
	struct arrival arrivals[ARRIVALS];
	struct http2_place sent;
	struct http2_place received;
};

#endif
