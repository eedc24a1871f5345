// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* TCP sockets of the process: who sent what when, and when it arrived. The handlers are independent
 * of how they are attached; the SEC() wrappers at the end are the two variants: by tracepoints,
 * and, since those came with 6.3, by functions.
 */
#include "maps.h"

#include "connection.h"
#include "http2.h"
#include "position.h"

#define AF_INET 2
#define AF_INET6 10
#define MSG_PEEK 2
#define TLS_HEADER 5

/* Cloned from a listening socket to each connection that it yields. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct connection);
} connections SEC(".maps");

/* Of each process, by its number. */
struct recent_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, RECENT_REQUESTS);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct recent_request));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, LEDGER_PROCESSES);
	__type(key, __u32);
	__array(values, struct recent_map);
} recent SEC(".maps");

const struct recent_request *const volatile abi_recent_request = NULL;

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

/* Numbers of processes are used again, while a socket may outlive its process. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LEDGER_PROCESSES);
	__type(key, __u32);
	__type(value, __u32);
} admissions SEC(".maps");

static __always_inline __u32 admission_of(__u32 process)
{
	__u32 *admission = bpf_map_lookup_elem(&admissions, &process);

	return admission ? *admission : 0;
}

static __always_inline void note_user(struct connection *conn, __u32 process)
{
	conn->process = process;
	conn->admission = admission_of(process);
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

/* Of the call that the current task is in: the kernel has just copied from or to them, so they are
 * resident.
 */
static __always_inline void find_buffers(struct task_struct *task, struct user_buffers *buffers)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	const void *second = (const void *)user_arg2(regs);
	__u64 third = user_arg3(regs);
	struct user_msghdr message = {};

	barrier_var(third); /* else one load is made of this and of that from the stack */
	__builtin_memset(buffers, 0, sizeof(*buffers));
	switch (user_syscall(regs)) {
	case NR_read:
	case NR_write:
	case NR_sendto:
	case NR_recvfrom:
		buffers->base = second;
		break;
	case NR_sendmsg:
	case NR_recvmsg:
		if (bpf_probe_read_user(&message, sizeof(message), second))
			break;
		buffers->vector = message.msg_iov;
		buffers->count = message.msg_iovlen;
		break;
	case NR_readv:
	case NR_writev:
		buffers->vector = second;
		buffers->count = third;
		break;
	default:
		break;
	}
	if (buffers->count == 1) {
		struct iovec only = {};

		bpf_probe_read_user(&only, sizeof(only), buffers->vector);
		buffers->base = only.iov_base;
		buffers->count = 0;
	}
}

static __always_inline void fill_tail(struct socket_event *event, const void *user, __u32 total)
{
	if (!bpf_probe_read_user(event->tail, TAIL_BYTES, user + total - TAIL_BYTES))
		event->tail_size = TAIL_BYTES;
}

/* Fills a reserved record: payload first, since the tail depends on whether it was cut. */
static __always_inline void fill_payload(struct process_state *process, struct socket_event *event,
					 __u8 *payload, __u32 size_class, const void *user,
					 __u32 total)
{
	__u32 length = total < size_class ? total : size_class;

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
		COUNT(process, payload_unreadable);
		return;
	}
	event->captured = length;
	if (length < total)
		fill_tail(event, user, total);
}

/* The account of the current thread as it stands now: if that leaves its processor in the middle of
 * this, as it comes back. Without a slot it is left as it is.
 *
 * returns whose moment's account it is, ns
 */
static __always_inline __u64 read_account(__u64 *to, const struct slot *slot)
{
	const volatile struct account *account;
	__u64 now = bpf_ktime_get_ns();

	if (!slot)
		return now;
	account = &slot->account;
#pragma clang loop unroll(disable)
	for (int tries = 0; tries < 3; tries++) {
		__u32 seq = account->seq, state = account->state;
		__u64 last = account->last_ns;

		for (int kind = 0; kind < LEDGER_KINDS; kind++)
			to[kind] = slot->account.ns[kind] + slot->identity.offset_ns[kind];
		/* The thread runs right now; but if that was missed, readers in Java see it as it
		 * stands here, and readings must agree.
		 */
		barrier_var(state);
		if (state < LEDGER_KINDS)
			to[state] += now - last;
		if (seq == account->seq && (__s64)(now - last) >= 0)
			break;
		now = bpf_ktime_get_ns();
	}
	return now;
}

static __always_inline void fill_event(struct socket_event *event, struct sock *sk,
				       struct connection *conn, __u16 type, __u32 total, __u64 now,
				       __u32 tid, struct slot *slot, __u32 index,
				       const __u64 *account, __u64 begin_ns, __u32 rtt_us,
				       __u32 retransmits)
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
	event->secured = 0;
	if (slot) {
		event->thread = logical_thread(slot, index);
		event->head = slot->head;
		__builtin_memcpy(event->ns, account, sizeof(event->ns));
	} else {
		__builtin_memset(&event->head, 0, sizeof(event->head));
		__builtin_memset(event->ns, 0, sizeof(event->ns));
	}
	__builtin_memset(&event->http2, 0, sizeof(event->http2));
}

/* Tells the call into a library of TLS that moved these bytes which connection it is on. */
static __always_inline void note_ciphertext(struct tls_call *call, struct connection *conn,
					    __u32 type, __u32 total, __u64 begin_ns, __u32 rtt_us,
					    __u32 retransmits)
{
	if (call->last != type)
		call->begin_ns = 0;
	call->last = type;
	if (call->type != EVENT_TLS_FAILED &&
	    (type == EVENT_SENT) != (call->type == EVENT_PLAIN_SENT))
		return;
	/* OpenSSL reads a record's header by itself: what came before was another record, maybe one
	 * without plaintext.
	 */
	if (!call->begin_ns || (type == EVENT_RECEIVED && total == TLS_HEADER))
		call->begin_ns = begin_ns;
	call->cookie = conn->cookie;
	call->role = conn->role;
	call->rtt_us = rtt_us;
	call->retransmits = retransmits;
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

	if (!conn)
		return 0;
	if (conn->role == ROLE_DATAGRAM && !conn->request_arrival_ns)
		conn->request_arrival_ns = bpf_ktime_get_ns();
	if (conn->role >= ROLE_LISTENER)
		return 0;
	tcp = bpf_skc_to_tcp_sock(sk);
	if (!tcp)
		return 0;
	count = conn->arrival_count;
	if (count >= ARRIVALS) {
		/* Later bytes then count as having come with the last ones noted. */
		conn->arrivals[ARRIVALS - 1].end_seq = tcp->rcv_nxt;
		COUNT_FOR(conn->process, arrivals_merged);
		return 0;
	}
	conn->arrivals[count].end_seq = tcp->rcv_nxt;
	conn->arrivals[count].ns = bpf_ktime_get_ns();
	conn->arrival_count = count + 1;
	return 0;
}

static __always_inline void note_recent(__u32 number, struct sock *sk,
					const struct connection *conn, __u32 rtt_us,
					__u32 retransmits)
{
	void *requests = bpf_map_lookup_elem(&recent, &number);
	__u16 remote_port = bpf_ntohs(sk->__sk_common.skc_dport);
	__u32 place = remote_port & (RECENT_REQUESTS - 1);
	struct recent_request *request;

	if (!requests)
		return;
	request = bpf_map_lookup_elem(requests, &place);
	if (!request)
		return;
	turn_shared(&request->seq);
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
	turn_shared(&request->seq);
}

/* The same in the reader's slot, with its account. */
static __always_inline void note_read(struct slot *slot, __u32 index, struct sock *sk,
				      const struct connection *conn, bool first, __u64 now,
				      const __u64 *account, __u32 rtt_us, __u32 retransmits)
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
		__builtin_memcpy(request->ns, account, sizeof(request->ns));
	}
}

/* place: of scratch, the program's own
 * again: what another program may have told is not told again
 */
static __always_inline int on_transfer(struct sock *sk, int result, __u16 type, __u32 place,
				       bool again)
{
	__u64 now, begin_ns = 0, account[LEDGER_KINDS];
	struct served served;
	struct connection *conn;
	struct thread_ref *ref;
	struct task_struct *task;
	struct tcp_sock *tcp;
	struct slot *slot = NULL;
	__u32 tid, index = LEDGER_NO_SLOT, total, rtt_us, retransmits, secured = 0;
	struct user_buffers buffers;
	void *ring;
	bool sent, framed;

	if (result <= 0)
		return 0;
	task = bpf_get_current_task_btf();
	if (!find_served(task, &served))
		return 0;
	if (sk->__sk_common.skc_family != AF_INET && sk->__sk_common.skc_family != AF_INET6)
		return 0;
	tcp = bpf_skc_to_tcp_sock(sk);
	if (!tcp)
		return 0;
	if (again) {
		conn = bpf_sk_storage_get(&connections, sk, NULL, 0);
		if (conn && is_told(conn, sk, tcp, type))
			return 0;
	}
	tid = task->pid;
	ref = thread_ref_of(task);
	if (is_agents(&served, ref))
		return 0;
	conn = bpf_sk_storage_get(&connections, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!conn) {
		COUNT(served.process, connections_untracked);
		return 0;
	}
	if (conn->role == ROLE_AGENT)
		return 0;
	note_user(conn, served.number);
	/* Accepted, but nobody saw it established: no program runs within a run of itself. */
	if (conn->role == ROLE_LISTENER) {
		conn->role = ROLE_SERVER;
		COUNT(served.process, accepts_unseen);
	}
	if (!conn->cookie)
		conn->cookie = bpf_get_socket_cookie(sk);
	slot = enrol_thread(&served, task, false, KIND_CPU, &index);
	now = read_account(account, slot); /* not before it begins */
	total = result;
	rtt_us = tcp->srtt_us >> 3;
	retransmits = tcp->total_retrans;

	move_on(served.process, conn, sk, tcp, type, total);
	if (type == EVENT_SENT) {
		/* When the latest segment left: the call's own, unless some of it is only queued.
		 */
		begin_ns = tcp->tcp_wstamp_ns;
		if (tcp->snd_nxt != tcp->write_seq || begin_ns <= conn->last_send_ns ||
		    begin_ns > now)
			begin_ns = now;
		conn->last_send_ns = now;
	} else {
		begin_ns = take_arrival(conn, tcp->copied_seq, total);
		if (conn->role == ROLE_SERVER || conn->role == ROLE_UNKNOWN) {
			bool first = conn->last_direction != EVENT_RECEIVED;

			if (first) {
				conn->request_number++;
				conn->request_arrival_ns = begin_ns;
				conn->request_read_ns = now;
				conn->request_bytes = 0;
			}
			conn->request_bytes += total;
			note_recent(served.number, sk, conn, rtt_us, retransmits);
			if (slot)
				note_read(slot, index, sk, conn, first, now, account, rtt_us,
					  retransmits);
		}
	}
	conn->last_direction = type;
	/* Of a call whose end was missed the frame is no longer on the stack. */
	if (ref && ref->tls.stream &&
	    user_sp((struct pt_regs *)bpf_task_pt_regs(task)) <= ref->tls.frame) {
		note_ciphertext(&ref->tls, conn, type, total, begin_ns, rtt_us, retransmits);
		secured = ref->tls.type != EVENT_TLS_FAILED;
	}
	COUNT(served.process, events_seen);
	find_buffers(task, &buffers);
	if (!buffers.base && !buffers.count)
		COUNT(served.process, payload_unreadable);
	sent = type == EVENT_SENT;
	framed = !secured &&
		 follows(sent ? &conn->sent : &conn->received, sent ? &conn->received : &conn->sent,
			 &buffers, total, (sent ? conn->bytes_out : conn->bytes_in) - total,
			 sent ? conn->bytes_in : conn->bytes_out);
	if (framed || (!secured && buffers.count)) {
		struct gathering *state = bpf_map_lookup_elem(&scratch, &place);

		if (!state)
			return 0;
		fill_event(&state->record.event, sk, conn, type, total, now, tid, slot, index,
			   account, begin_ns, rtt_us, retransmits);
		begin_gathering(state, served.number, &buffers, total,
				framed ? PAYLOAD_WIDE : PAYLOAD_LARGE);
		if (framed) {
			tell_frames(state, sent ? &conn->sent : &conn->received);
		} else {
			bpf_loop(GATHER_STEPS, gather, &state, 0);
			tell_captured(state);
		}
		return 0;
	}

	ring = ring_of(served.number);
	if (!ring)
		return 0;

#define EMIT(record_type, size_class)                                                              \
	do {                                                                                       \
		struct record_type *record =                                                       \
		    bpf_ringbuf_reserve(ring, sizeof(struct record_type), 0);                      \
		if (!record) {                                                                     \
			COUNT(served.process, ring_full);                                          \
			return 0;                                                                  \
		}                                                                                  \
		fill_event(&record->event, sk, conn, type, total, now, tid, slot, index, account,  \
			   begin_ns, rtt_us, retransmits);                                         \
		record->event.secured = secured;                                                   \
		fill_payload(served.process, &record->event, record->payload, size_class,          \
			     buffers.base, total);                                                 \
		bpf_ringbuf_submit(record, wakeup(served.process));                                \
	} while (0)

	if (total <= PAYLOAD_SMALL)
		EMIT(wire_record_small, PAYLOAD_SMALL);
	else if (total <= PAYLOAD_MEDIUM || secured) /* enough for a hello */
		EMIT(wire_record_medium, PAYLOAD_MEDIUM);
	else
		EMIT(wire_record_large, PAYLOAD_LARGE);
	return 0;
}

static __always_inline void tell_closed(struct sock *sk, struct connection *conn, __u64 now)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	struct socket_event *event;
	struct process_state *process;
	void *ring, *ledger;

	if (conn->admission != admission_of(conn->process))
		return;
	ring = ring_of(conn->process);
	ledger = ledger_of(conn->process);
	if (!ring || !ledger)
		return;
	process = process_at(ledger);
	if (!process)
		return;
	event = bpf_ringbuf_reserve(ring, sizeof(*event), 0);
	if (!event) {
		COUNT(process, ring_full);
		return;
	}
	__builtin_memset(event, 0, sizeof(*event));
	fill_event(event, sk, conn, EVENT_CLOSED, 0, now, 0, NULL, LEDGER_NO_SLOT, NULL, now,
		   tcp ? tcp->srtt_us >> 3 : 0, tcp ? tcp->total_retrans : 0);
	bpf_ringbuf_submit(event, wakeup(process));
}

/* connect() and listen(), in the caller's context. */
static __always_inline int on_opened(struct sock *sk, int new_state)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct connection *conn;
	struct served served;

	if (!find_served(task, &served))
		return 0;
	conn = bpf_sk_storage_get(&connections, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!conn) {
		COUNT(served.process, connections_untracked);
		return 0;
	}
	note_user(conn, served.number);
	conn->state = new_state;
	if (new_state == TCP_LISTEN) {
		conn->role = ROLE_LISTENER;
		return 0;
	}
	conn->role = is_agents(&served, thread_ref_of(task)) ? ROLE_AGENT : ROLE_CLIENT;
	conn->connect_ns = bpf_ktime_get_ns();
	return 0;
}

/* The rest may be in anybody's. */
static __always_inline int on_state(struct sock *sk, int old_state, int new_state, bool again)
{
	struct connection *conn = bpf_sk_storage_get(&connections, sk, NULL, 0);
	__u64 now;

	if (again && conn && conn->state == (__u32)new_state)
		return 0;
	if (new_state == TCP_SYN_SENT || new_state == TCP_LISTEN)
		return on_opened(sk, new_state);
	if (!conn)
		return 0;
	conn->state = new_state;
	now = bpf_ktime_get_ns();
	if (new_state == TCP_ESTABLISHED) {
		struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);

		if (tcp)
			begin_positions(conn, sk, tcp);
		if (old_state == TCP_SYN_RECV && conn->role == ROLE_LISTENER) {
			conn->role = ROLE_SERVER;
			conn->cookie = 0;
		}
		conn->established_ns = now;
	} else if (new_state == TCP_CLOSE && conn->cookie && conn->role < ROLE_LISTENER) {
		tell_closed(sk, conn, now);
	}
	return 0;
}

#include "dns.bpf.c"

static __always_inline int on_moved(struct sock *sk, int result, __u16 type, __u32 place)
{
	return sk->sk_protocol == IPPROTO_UDP ? on_datagram(sk, result, type)
					      : on_transfer(sk, result, type, place, false);
}

#ifdef SOCKETS_BY_FUNCTIONS

static __always_inline int on_socket(struct socket *socket, int result, __u16 type, __u32 place)
{
	struct sock *sk = socket->sk;

	return sk ? on_moved(sk, result, type, place) : 0;
}

/* What sock_send_length and sock_recv_length are told of, where the call returns from. */
SEC("fexit/inet_sendmsg")
int BPF_PROG(on_sent, struct socket *socket, struct msghdr *message, size_t size, int result)
{
	return on_socket(socket, result, EVENT_SENT, SCRATCH_SENT);
}

SEC("fexit/inet6_sendmsg")
int BPF_PROG(on_sent_v6, struct socket *socket, struct msghdr *message, size_t size, int result)
{
	return on_socket(socket, result, EVENT_SENT, SCRATCH_SENT_OTHER);
}

SEC("fexit/inet_recvmsg")
int BPF_PROG(on_received, struct socket *socket, struct msghdr *message, size_t size, int flags,
	     int result)
{
	return flags & MSG_PEEK ? 0 : on_socket(socket, result, EVENT_RECEIVED, SCRATCH_RECEIVED);
}

SEC("fexit/inet6_recvmsg")
int BPF_PROG(on_received_v6, struct socket *socket, struct msghdr *message, size_t size, int flags,
	     int result)
{
	return flags & MSG_PEEK ? 0
				: on_socket(socket, result, EVENT_RECEIVED, SCRATCH_RECEIVED_OTHER);
}

/* The sk_data_ready of sockets that nobody gave another one. */
SEC("fentry/sock_def_readable")
int BPF_PROG(on_data_ready, struct sock *sk)
{
	return on_arrival(sk);
}

#else

SEC("tp_btf/sock_send_length")
int BPF_PROG(on_sent, struct sock *sk, int result)
{
	return on_moved(sk, result, EVENT_SENT, SCRATCH_SENT);
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(on_received, struct sock *sk, int result, int flags)
{
	return flags & MSG_PEEK ? 0 : on_moved(sk, result, EVENT_RECEIVED, SCRATCH_RECEIVED);
}

SEC("tp_btf/sk_data_ready")
int BPF_PROG(on_data_ready, struct sock *sk)
{
	return on_arrival(sk);
}

#endif

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_set_state, struct sock *sk, int old_state, int new_state)
{
	return on_state(sk, old_state, new_state, false);
}

#ifdef PROGRAMS_TWICE

/* The kernel leaves a program out while a run of it, from which the processor was taken, has not
 * ended there. These come behind the programs above and tell what those did not.
 */
SEC("tp_btf/sock_send_length")
int BPF_PROG(on_sent_again, struct sock *sk, int result)
{
	return on_transfer(sk, result, EVENT_SENT, SCRATCH_SENT_OTHER, true);
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(on_received_again, struct sock *sk, int result, int flags)
{
	return flags & MSG_PEEK
		   ? 0
		   : on_transfer(sk, result, EVENT_RECEIVED, SCRATCH_RECEIVED_OTHER, true);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_set_state_again, struct sock *sk, int old_state, int new_state)
{
	return on_state(sk, old_state, new_state, true);
}

#endif
