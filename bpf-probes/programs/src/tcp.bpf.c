// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* TCP sockets of the process: who sent what when, and when it arrived. The handlers are independent
 * of how they are attached; the SEC() wrappers at the end are the tracepoint variant.
 */
#include "maps.h"

#include "arch.h"
#include "connection.h"

#define AF_INET 2
#define AF_INET6 10
#define MSG_PEEK 2
#define MAX_IOVEC 4
#define MAX_STEPS 256 /* of a vector's parts, each of an eighth of the record at most */

/* Cloned from a listening socket to each connection that it yields. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct connection);
} connections SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, RECENT_REQUESTS);
	__type(key, __u32);
	__type(value, struct recent_request);
} recent SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 * 1024 * 1024);
} events SEC(".maps");

struct wire_record_small {
	struct socket_event event;
	__u8 payload[PAYLOAD_SMALL];
};
struct wire_record_medium {
	struct socket_event event;
	__u8 payload[PAYLOAD_MEDIUM];
};
struct wire_record_large {
	struct socket_event event;
	__u8 payload[PAYLOAD_LARGE];
};

static __always_inline bool current_is_target(void)
{
	return (__u32)(bpf_get_current_pid_tgid() >> 32) == globals.target_tgid;
}

static __always_inline void fill_endpoint(struct endpoint *to, struct sock *sk, __u16 role)
{
	__builtin_memset(to, 0, sizeof(*to));
	to->family = sk->__sk_common.skc_family;
	to->local_port = sk->__sk_common.skc_num;
	to->remote_port = bpf_ntohs(sk->__sk_common.skc_dport);
	to->role = role;
	if (to->family == AF_INET) {
		__u32 local = sk->__sk_common.skc_rcv_saddr;
		__u32 remote = sk->__sk_common.skc_daddr;

		__builtin_memcpy(to->local_addr, &local, sizeof(local));
		__builtin_memcpy(to->remote_addr, &remote, sizeof(remote));
	} else {
		BPF_CORE_READ_INTO(&to->local_addr, sk, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO(&to->remote_addr, sk, __sk_common.skc_v6_daddr);
	}
}

/* The user's buffer of the call that the current task is in: the kernel has just copied from or to
 * it, so it is resident. Of a vector it is the first part that is not empty; if there are more,
 * parts is where they are described, that one first.
 */
static __always_inline const void *user_buffer(struct task_struct *task, __u32 *length,
					       const void **parts)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	const void *second = (const void *)user_arg2(regs);
	struct iovec vector = {};
	struct user_msghdr message = {};

	switch (user_syscall(regs)) {
	case NR_read:
	case NR_write:
	case NR_sendto:
	case NR_recvfrom:
		return second;
	case NR_sendmsg:
	case NR_recvmsg:
		if (bpf_probe_read_user(&message, sizeof(message), second))
			return NULL;
		second = message.msg_iov;
		/* fall through */
	case NR_readv:
	case NR_writev:
		for (int i = 0; i < MAX_IOVEC; i++) {
			if (bpf_probe_read_user(&vector, sizeof(vector), second))
				return NULL;
			if (vector.iov_len)
				break;
			second += sizeof(vector);
		}
		if (vector.iov_len < *length) {
			*length = vector.iov_len;
			*parts = second;
		}
		return vector.iov_base;
	default:
		return NULL;
	}
}

/* Fills a reserved record: payload first, since the tail depends on whether it was cut. */
static __always_inline void fill_payload(struct socket_event *event, __u8 *payload,
					 __u32 size_class, const void *user, __u32 readable)
{
	__u32 length = readable < size_class ? readable : size_class;

	event->header.size_class = size_class;
	event->captured = 0;
	event->tail_size = 0;
	__builtin_memset(event->tail, 0, sizeof(event->tail));
	if (!user || !length)
		return;
	/* Kept as a compare against a constant: clang 14 drops the upper bound of a min() otherwise
	 * and the verifier refuses an unbounded size.
	 */
	barrier_var(length);
	if (length > size_class)
		return;
	if (bpf_probe_read_user(payload, length, user)) {
		COUNT(payload_unreadable);
		return;
	}
	event->captured = length;
	if (length < event->total && readable == event->total && readable >= TAIL_BYTES &&
	    !bpf_probe_read_user(event->tail, TAIL_BYTES, user + readable - TAIL_BYTES))
		event->tail_size = TAIL_BYTES;
}

/* A walk over a vector's parts, by bpf_loop: as a plain loop it is too much for the verifier. */
struct parts_walk {
	__u8 *payload;
	const void *part; /* the current one's description */
	__u32 at, done; /* in the record, in the part */
	__u32 total, reserved;
};

/* Copies the next step; one ends with its part or with an eighth of the record. The last eighth is
 * the room for a whole step, by which the verifier knows the bounds.
 */
static __always_inline long copy_step(struct parts_walk *walk, const __u32 size)
{
	const __u32 step = size / 8;
	struct iovec part = {};
	__u64 length;
	__u32 at = walk->at;

	if (at >= walk->total || bpf_probe_read_user(&part, sizeof(part), walk->part))
		return 1;
	length = part.iov_len - walk->done;
	if (length > walk->total - at)
		length = walk->total - at;
	if (length > step)
		length = step;
	/* Compares against constants, as above. */
	barrier_var(length);
	barrier_var(at);
	if (length > step || at > size - step)
		return 1;
	if (length && bpf_probe_read_user(walk->payload + at, length, part.iov_base + walk->done)) {
		COUNT(payload_unreadable);
		return 1;
	}
	walk->at = at + length;
	walk->done += length;
	if (walk->done >= part.iov_len) {
		walk->part += sizeof(part);
		walk->done = 0;
	}
	return 0;
}

static long copy_small_step(__u32 index, struct parts_walk *walk)
{
	return copy_step(walk, PAYLOAD_SMALL);
}

static long copy_medium_step(__u32 index, struct parts_walk *walk)
{
	return copy_step(walk, PAYLOAD_MEDIUM);
}

static long copy_large_step(__u32 index, struct parts_walk *walk)
{
	return copy_step(walk, PAYLOAD_LARGE);
}

/* A vector's parts one behind the other: of HTTP/2, many calls' headers leave in one writev, and
 * the table that they build must not miss any.
 */
static __always_inline void fill_parts(struct socket_event *event, __u8 *payload, __u32 size_class,
				       const void *parts)
{
	struct parts_walk walk = {
	    .payload = payload,
	    .part = parts,
	    .total = event->total,
	};

	event->header.size_class = size_class;
	event->tail_size = 0;
	__builtin_memset(event->tail, 0, sizeof(event->tail));
	if (size_class == PAYLOAD_SMALL)
		bpf_loop(MAX_STEPS, copy_small_step, &walk, 0);
	else if (size_class == PAYLOAD_MEDIUM)
		bpf_loop(MAX_STEPS, copy_medium_step, &walk, 0);
	else
		bpf_loop(MAX_STEPS, copy_large_step, &walk, 0);
	event->captured = walk.at;
}

static __always_inline void copy_account(__u64 *to, struct slot *slot, __u64 now)
{
	__u32 state = slot->account.state;

	for (int kind = 0; kind < LEDGER_KINDS; kind++)
		to[kind] = slot->account.ns[kind] + slot->identity.offset_ns[kind];
	/* The thread runs right now; but if that was missed, readers in Java see it as it stands
	 * here, and readings must agree.
	 */
	barrier_var(state);
	if (state < LEDGER_KINDS)
		to[state] += now - slot->account.last_ns;
}

static __always_inline void fill_event(struct socket_event *event, struct sock *sk,
				       struct connection *conn, __u16 type, __u32 total, __u64 now,
				       __u32 tid, struct slot *slot, __u32 index, __u64 begin_ns,
				       __u32 rtt_us, __u32 retransmits)
{
	event->header.type = type;
	event->header.tid = tid;
	event->header.ns = now;
	event->cookie = conn->cookie;
	fill_endpoint(&event->endpoint, sk, conn->role);
	event->begin_ns = begin_ns;
	event->connect_ns = conn->connect_ns;
	event->established_ns = conn->established_ns;
	event->bytes_in = conn->bytes_in;
	event->bytes_out = conn->bytes_out;
	event->rtt_us = rtt_us;
	event->retransmits = retransmits;
	event->total = total;
	event->thread = 0;
	event->reserved = 0;
	if (slot) {
		event->thread = logical_thread(slot, index);
		event->head = slot->head;
		copy_account(event->ns, slot, now);
	} else {
		__builtin_memset(&event->head, 0, sizeof(event->head));
		__builtin_memset(event->ns, 0, sizeof(event->ns));
	}
}

/* When the first byte of what the reader has just taken reached the socket; drops what was read. */
static __always_inline __u64 take_arrival(struct connection *conn, __u32 copied_seq, __u32 length)
{
	__u32 first = copied_seq - length, count = conn->arrival_count, kept = 0;
	__u64 ns = 0;

	for (int i = 0; i < ARRIVALS; i++) {
		struct arrival entry;

		if ((__u32)i >= count)
			break;
		entry = conn->arrivals[i];
		if (!ns && (__s32)(entry.end_seq - first) > 0)
			ns = entry.ns;
		if ((__s32)(entry.end_seq - copied_seq) > 0 && kept < ARRIVALS) {
			conn->arrivals[kept & (ARRIVALS - 1)] = entry;
			kept++;
		}
	}
	conn->arrival_count = kept;
	return ns;
}

static __always_inline int on_arrival(struct sock *sk)
{
	struct connection *conn = bpf_sk_storage_get(&connections, sk, NULL, 0);
	struct tcp_sock *tcp;
	__u32 count;

	if (!conn || conn->role >= ROLE_LISTENER)
		return 0;
	tcp = bpf_skc_to_tcp_sock(sk);
	if (!tcp)
		return 0;
	count = conn->arrival_count;
	if (count >= ARRIVALS) {
		/* Later bytes then count as having come with the last ones noted. */
		conn->arrivals[ARRIVALS - 1].end_seq = tcp->rcv_nxt;
		COUNT(arrivals_merged);
		return 0;
	}
	conn->arrivals[count].end_seq = tcp->rcv_nxt;
	conn->arrivals[count].ns = bpf_ktime_get_ns();
	conn->arrival_count = count + 1;
	return 0;
}

static __always_inline void note_recent(struct sock *sk, const struct connection *conn,
					__u32 rtt_us, __u32 retransmits)
{
	__u16 remote_port = bpf_ntohs(sk->__sk_common.skc_dport);
	__u32 place = remote_port & (RECENT_REQUESTS - 1);
	struct recent_request *request = bpf_map_lookup_elem(&recent, &place);

	if (!request)
		return;
	__sync_fetch_and_add(&request->seq, 1); /* a full barrier, as is the one below */
	request->local_port = sk->__sk_common.skc_num;
	request->remote_port = remote_port;
	request->cookie = conn->cookie;
	request->number = conn->request_number;
	request->established_ns = conn->established_ns;
	request->arrival_ns = conn->request_arrival_ns;
	request->read_ns = conn->request_read_ns;
	request->bytes_in = conn->request_bytes;
	request->rtt_us = rtt_us;
	request->retransmits = retransmits;
	__sync_fetch_and_add(&request->seq, 1);
}

/* The same in the reader's slot, with its account. */
static __always_inline void note_read(struct slot *slot, __u32 index, struct sock *sk,
				      const struct connection *conn, bool first, __u64 now,
				      __u32 rtt_us, __u32 retransmits)
{
	struct server_request *request = &slot->request;
	__u64 thread = logical_thread(slot, index);

	if (request->thread != thread)
		request->read_ns = 0;
	request->thread = thread;
	request->cookie = conn->cookie;
	request->number = conn->request_number;
	request->established_ns = conn->established_ns;
	request->arrival_ns = conn->request_arrival_ns;
	request->bytes_in = conn->request_bytes;
	request->rtt_us = rtt_us;
	request->retransmits = retransmits;
	request->local_port = sk->__sk_common.skc_num;
	request->remote_port = bpf_ntohs(sk->__sk_common.skc_dport);
	/* Read in parts by several threads: the account can only start where this thread came in.
	 */
	if (first || request->read_ns < conn->request_read_ns) {
		request->read_ns = now;
		copy_account(request->ns, slot, now);
	}
}

static __always_inline int on_transfer(struct sock *sk, int result, __u16 type)
{
	__u64 id, now, begin_ns = 0;
	struct connection *conn;
	struct thread_ref *ref;
	struct task_struct *task;
	struct tcp_sock *tcp;
	struct slot *slot = NULL;
	__u32 tid, index = LEDGER_NO_SLOT, total, readable, rtt_us, retransmits;
	const void *user, *parts = NULL;

	if (result <= 0)
		return 0;
	id = bpf_get_current_pid_tgid();
	if ((__u32)(id >> 32) != globals.target_tgid)
		return 0;
	if (sk->__sk_common.skc_family != AF_INET && sk->__sk_common.skc_family != AF_INET6)
		return 0;
	tcp = bpf_skc_to_tcp_sock(sk);
	if (!tcp)
		return 0;
	tid = (__u32)id;
	task = bpf_get_current_task_btf();
	ref = thread_ref_of(task);
	if (ref && ref->agent)
		return 0;
	conn = bpf_sk_storage_get(&connections, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!conn) {
		COUNT(connections_untracked);
		return 0;
	}
	if (conn->role == ROLE_AGENT)
		return 0;
	if (!conn->cookie)
		conn->cookie = bpf_get_socket_cookie(sk);
	slot = enrol_thread(task, false, KIND_CPU, &index);
	now = bpf_ktime_get_ns(); /* not before the account begins */
	total = result;
	readable = total;
	rtt_us = tcp->srtt_us >> 3;
	retransmits = tcp->total_retrans;

	if (type == EVENT_SENT) {
		/* When the latest segment left: the call's own, unless some of it is only queued.
		 */
		begin_ns = tcp->tcp_wstamp_ns;
		if (tcp->snd_nxt != tcp->write_seq || begin_ns <= conn->last_send_ns ||
		    begin_ns > now)
			begin_ns = now;
		conn->last_send_ns = now;
		conn->bytes_out += total;
	} else {
		begin_ns = take_arrival(conn, tcp->copied_seq, total);
		conn->bytes_in += total;
		if (conn->role == ROLE_SERVER || conn->role == ROLE_UNKNOWN) {
			bool first = conn->last_direction != EVENT_RECEIVED;

			if (first) {
				conn->request_number++;
				conn->request_arrival_ns = begin_ns;
				conn->request_read_ns = now;
				conn->request_bytes = 0;
			}
			conn->request_bytes += total;
			note_recent(sk, conn, rtt_us, retransmits);
			if (slot)
				note_read(slot, index, sk, conn, first, now, rtt_us, retransmits);
		}
	}
	conn->last_direction = type;
	COUNT(events_seen);
	user = user_buffer(task, &readable, &parts);
	if (!user)
		COUNT(payload_unreadable);

#define EMIT(record_type, size_class)                                                              \
	do {                                                                                       \
		struct record_type *record =                                                       \
		    bpf_ringbuf_reserve(&events, sizeof(struct record_type), 0);                   \
		if (!record) {                                                                     \
			COUNT(ring_full);                                                          \
			return 0;                                                                  \
		}                                                                                  \
		fill_event(&record->event, sk, conn, type, total, now, tid, slot, index, begin_ns, \
			   rtt_us, retransmits);                                                   \
		if (parts)                                                                         \
			fill_parts(&record->event, record->payload, size_class, parts);            \
		else                                                                               \
			fill_payload(&record->event, record->payload, size_class, user, readable); \
		bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);                                      \
	} while (0)

	if (parts)
		readable = total + total / 7; /* so that the last eighth is not needed */
	if (readable <= PAYLOAD_SMALL)
		EMIT(wire_record_small, PAYLOAD_SMALL);
	else if (readable <= PAYLOAD_MEDIUM)
		EMIT(wire_record_medium, PAYLOAD_MEDIUM);
	else
		EMIT(wire_record_large, PAYLOAD_LARGE);
	return 0;
}

static __always_inline int on_state(struct sock *sk, int old_state, int new_state)
{
	struct socket_event *event;
	struct connection *conn;
	struct tcp_sock *tcp;
	struct thread_ref *ref;
	__u64 flags = 0, now;

	/* connect() and listen() run in the caller's context; the rest may be anywhere. */
	if (new_state == TCP_SYN_SENT || new_state == TCP_LISTEN) {
		if (!current_is_target())
			return 0;
		flags = BPF_SK_STORAGE_GET_F_CREATE;
	}
	conn = bpf_sk_storage_get(&connections, sk, NULL, flags);
	if (!conn) {
		if (flags)
			COUNT(connections_untracked);
		return 0;
	}
	now = bpf_ktime_get_ns();
	if (new_state == TCP_SYN_SENT) {
		ref = thread_ref_of(bpf_get_current_task_btf());
		conn->role = ref && ref->agent ? ROLE_AGENT : ROLE_CLIENT;
		conn->connect_ns = now;
	} else if (new_state == TCP_LISTEN) {
		conn->role = ROLE_LISTENER;
	} else if (new_state == TCP_ESTABLISHED) {
		if (old_state == TCP_SYN_RECV && conn->role == ROLE_LISTENER) {
			conn->role = ROLE_SERVER;
			conn->cookie = 0;
		}
		conn->established_ns = now;
	} else if (new_state == TCP_CLOSE && conn->cookie && conn->role < ROLE_LISTENER) {
		tcp = bpf_skc_to_tcp_sock(sk);
		event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
		if (!event) {
			COUNT(ring_full);
			return 0;
		}
		__builtin_memset(event, 0, sizeof(*event));
		fill_event(event, sk, conn, EVENT_CLOSED, 0, now, 0, NULL, LEDGER_NO_SLOT, now,
			   tcp ? tcp->srtt_us >> 3 : 0, tcp ? tcp->total_retrans : 0);
		bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
	}
	return 0;
}

SEC("tp_btf/sock_send_length")
int BPF_PROG(on_sent, struct sock *sk, int result)
{
	return on_transfer(sk, result, EVENT_SENT);
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(on_received, struct sock *sk, int result, int flags)
{
	return flags & MSG_PEEK ? 0 : on_transfer(sk, result, EVENT_RECEIVED);
}

SEC("tp_btf/sk_data_ready")
int BPF_PROG(on_data_ready, struct sock *sk)
{
	return on_arrival(sk);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_set_state, struct sock *sk, int old_state, int new_state)
{
	return on_state(sk, old_state, new_state);
}
