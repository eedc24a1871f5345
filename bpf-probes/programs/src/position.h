/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Where the two directions of a connection stand, by TCP's own numbers: so what no program saw is
 * noticed by the next that runs, and none tells what another has told.
 */
#ifndef UNDERSPAN_POSITION_H
#define UNDERSPAN_POSITION_H

#include "maps.h"

#include "connection.h"

#define RCV_SHUTDOWN 1
#define SEND_SHUTDOWN 2

/* The number behind the last byte that was moved. The end of a direction takes a number, too. */
static __always_inline __u32 position(struct sock *sk, struct tcp_sock *tcp, __u16 type)
{
	__u32 at;

	if (type == EVENT_SENT)
		return tcp->write_seq - !!(sk->sk_shutdown & SEND_SHUTDOWN);
	at = tcp->copied_seq;
	return at - (sk->sk_shutdown & RCV_SHUTDOWN && at == tcp->rcv_nxt);
}

/* From here on it is known what is moved. */
static __always_inline void begin_positions(struct connection *conn, struct sock *sk,
					    struct tcp_sock *tcp)
{
	conn->sent_seq = position(sk, tcp, EVENT_SENT);
	conn->received_seq = position(sk, tcp, EVENT_RECEIVED);
	conn->positioned = 1;
}

/* Whether a call that has moved bytes up to now was told by another program. */
static __always_inline bool is_told(const struct connection *conn, struct sock *sk,
				    struct tcp_sock *tcp, __u16 type)
{
	__u32 told = type == EVENT_SENT ? conn->sent_seq : conn->received_seq;

	return conn->positioned && (__s32)(position(sk, tcp, type) - told) <= 0;
}

/* A call has moved its bytes: counts them, and those before that nobody saw. */
static __always_inline void move_on(struct process_state *process, struct connection *conn,
				    struct sock *sk, struct tcp_sock *tcp, __u16 type, __u32 total)
{
	bool sent = type == EVENT_SENT;
	__u32 end = position(sk, tcp, type);
	__u32 *told = sent ? &conn->sent_seq : &conn->received_seq;
	__u64 *bytes = sent ? &conn->bytes_out : &conn->bytes_in;
	__s32 unseen;

	if (!conn->positioned) {
		begin_positions(conn, sk, tcp);
		*told = end - total;
	}
	unseen = end - total - *told;
	/* What a layer above (TLS in the kernel) makes of the bytes has another length. */
	if (unseen > 0 && !tcp->inet_conn.icsk_ulp_ops) {
		*bytes += unseen;
		(sent ? &conn->sent : &conn->received)->known = 0;
		COUNT(process, transfers_unseen);
	}
	*bytes += total;
	if ((__s32)(end - *told) > 0)
		*told = end;
}

#endif
