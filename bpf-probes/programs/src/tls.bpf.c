// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Plaintext of TLS libraries in native code: uprobes on SSL_read and SSL_write of this process.
 * Which connection it is on is told by the thread: what a socket moves while a thread is in such a
 * call is that session's ciphertext. A read that is served from what came before is on the
 * connection that the session used last. Calls that do nothing but the handshake are looked into
 * for the case that they fail.
 */
#include "maps.h"

/* Whose an error of OpenSSL is (openssl/err.h). */
#define ERR_LIB_SSL 20

struct tls_key {
	__u64 stream; /* the SSL* */
	__u64 process; /* its number */
};

/* Of a session, by its key. */
struct tls_session {
	__u64 cookie;
	__u32 role;
	__u32 rtt_us;
	__u32 retransmits;
	__u32 wide; /* as in struct connection, of its plaintext */
	__u32 used; /* 1: something was sent */
	__u32 reserved;
	__u64 bytes_in; /* of plaintext */
	__u64 bytes_out;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH); /* a process that is killed frees nothing */
	__uint(max_entries, 4096);
	__type(key, struct tls_key);
	__type(value, struct tls_session);
} tls_sessions SEC(".maps");

struct wire_record_widest {
	struct socket_event event;
	__u8 payload[PAYLOAD_WIDE];
};

static __always_inline int enter_tls(struct pt_regs *regs, __u16 type, __u64 moved)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct thread_ref *ref = thread_ref_of(task);
	__u64 frame = user_sp(regs);
	struct served served;
	struct tls_call *call;

	if (!find_served(task, &served))
		return 0;
	if (!ref) {
		__u32 index;

		enrol_thread(&served, task, false, KIND_CPU, &index);
		ref = thread_ref_of(task);
	}
	if (!ref || is_agents(&served, ref))
		return 0;
	call = &ref->tls;
	/* Within such a call: TLS in TLS, of which the outermost has the plaintext. */
	if (call->stream && frame < call->frame)
		return 0;
	__builtin_memset(call, 0, sizeof(*call));
	call->frame = frame;
	call->buffer = call_arg2(regs);
	call->moved = moved;
	call->type = type;
	call->stream = call_arg1(regs);
	return 0;
}

/* Those that return how many bytes they moved. */
SEC("uprobe")
int on_tls_write(struct pt_regs *regs)
{
	return enter_tls(regs, EVENT_PLAIN_SENT, 0);
}

SEC("uprobe")
int on_tls_read(struct pt_regs *regs)
{
	return enter_tls(regs, EVENT_PLAIN_RECEIVED, 0);
}

/* Those that return 1 and store the number. */
SEC("uprobe")
int on_tls_write_ex(struct pt_regs *regs)
{
	return enter_tls(regs, EVENT_PLAIN_SENT, call_arg4(regs));
}

SEC("uprobe")
int on_tls_read_ex(struct pt_regs *regs)
{
	return enter_tls(regs, EVENT_PLAIN_RECEIVED, call_arg4(regs));
}

/* SSL_connect and SSL_do_handshake */
SEC("uprobe")
int on_tls_shake(struct pt_regs *regs)
{
	return enter_tls(regs, EVENT_TLS_FAILED, 0);
}

/* The library notes why it fails. Others do so, too, and within OpenSSL some only try. */
static __always_inline int note_error(struct pt_regs *regs, __u32 reason)
{
	struct thread_ref *ref = thread_ref_of(bpf_get_current_task_btf());

	if (ref && ref->tls.stream && user_sp(regs) < ref->tls.frame && !ref->tls.error &&
	    (__u32)call_arg1(regs) == ERR_LIB_SSL)
		ref->tls.error = reason;
	return 0;
}

/* ERR_vset_error, in which all of OpenSSL 3 ends */
SEC("uprobe")
int on_tls_error(struct pt_regs *regs)
{
	return note_error(regs, call_arg2(regs));
}

/* ERR_put_error, of the versions before */
SEC("uprobe")
int on_tls_error_old(struct pt_regs *regs)
{
	return note_error(regs, call_arg3(regs));
}

static __always_inline void fill_plain(struct socket_event *event, const struct tls_call *call,
				       const struct tls_session *session, __u32 total, __u64 now,
				       struct slot *slot, __u32 index, const __u64 *account)
{
	__builtin_memset(event, 0, sizeof(*event));
	event->header.type = call->type;
	event->header.tid = (__u32)bpf_get_current_pid_tgid();
	event->header.ns = now;
	event->cookie = session->cookie;
	event->endpoint.role = session->role;
	event->begin_ns = call->cookie ? call->begin_ns : 0;
	event->rtt_us = session->rtt_us;
	event->retransmits = session->retransmits;
	event->bytes_in = session->bytes_in;
	event->bytes_out = session->bytes_out;
	event->total = total;
	if (slot) {
		event->thread = logical_thread(slot, index);
		event->head = slot->head;
		__builtin_memcpy(event->ns, account, sizeof(event->ns));
	}
}

/* Where the session of a call that moved bytes is: on the connection that this call used, or, when
 * it read without one, on the one before.
 */
static __always_inline struct tls_session *session_of(const struct served *served,
						      const struct tls_call *call)
{
	struct tls_key key = {.stream = call->stream, .process = served->number};
	struct tls_session *session = bpf_map_lookup_elem(&tls_sessions, &key);

	if (!call->cookie)
		return call->type == EVENT_PLAIN_RECEIVED ? session : NULL;
	if (!session || session->cookie != call->cookie) {
		struct tls_session fresh = {.cookie = call->cookie, .role = call->role};

		if (bpf_map_update_elem(&tls_sessions, &key, &fresh, BPF_ANY)) {
			COUNT(served->process, tls_untracked);
			return NULL;
		}
		session = bpf_map_lookup_elem(&tls_sessions, &key);
		if (!session)
			return NULL;
	}
	session->rtt_us = call->rtt_us;
	session->retransmits = call->retransmits;
	return session;
}

/* A call whose library noted an error has failed for good: it does not note that it would block. */
static __always_inline void tell_failure(const struct served *served, struct task_struct *task,
					 void *ring, const struct tls_call *call)
{
	struct tls_key key = {.stream = call->stream, .process = served->number};
	struct tls_session *session = session_of(served, call);
	__u64 now, account[LEDGER_KINDS];
	struct socket_event *event;
	struct slot *slot;
	__u32 index;

	if (!session)
		session = bpf_map_lookup_elem(&tls_sessions, &key);
	if (!session)
		return;
	slot = enrol_thread(served, task, false, KIND_CPU, &index);
	now = read_account(account, slot);
	event = bpf_ringbuf_reserve(ring, sizeof(*event), 0);
	if (!event) {
		COUNT(served->process, ring_full);
		return;
	}
	COUNT(served->process, events_seen);
	fill_plain(event, call, session, call->error, now, slot, index, account);
	event->header.type = EVENT_TLS_FAILED;
	bpf_ringbuf_submit(event, wakeup(served->process));
}

SEC("uretprobe")
int on_tls_return(struct pt_regs *regs)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct thread_ref *ref = thread_ref_of(task);
	__s32 result = call_result(regs);
	__u64 moved = result, now, account[LEDGER_KINDS];
	struct tls_session *session;
	struct tls_call call;
	struct slot *slot;
	struct user_buffers buffers = {};
	struct served served;
	__u32 total, index;
	void *ring;

	/* Back from the call, or only from one within it? The return address may be taken off the
	 * stack by now.
	 */
	if (!ref || !ref->tls.stream || user_sp(regs) < ref->tls.frame)
		return 0;
	call = ref->tls;
	ref->tls.stream = 0;
	if (!find_served(task, &served))
		return 0;
	ring = ring_of(served.number);
	if (!ring)
		return 0;
	if (result <= 0 && call.error)
		tell_failure(&served, task, ring, &call);
	if (result <= 0 || call.type == EVENT_TLS_FAILED) {
		/* The next call may move nothing before it fails. */
		if (call.cookie)
			session_of(&served, &call);
		return 0;
	}
	if (call.moved && bpf_probe_read_user(&moved, sizeof(moved), (const void *)call.moved)) {
		COUNT(served.process, payload_unreadable);
		return 0;
	}
	if (!moved || moved >> 31)
		return 0;
	total = moved;
	session = session_of(&served, &call);
	if (!session)
		return 0;
	slot = enrol_thread(&served, task, false, KIND_CPU, &index);
	now = read_account(account, slot);
	buffers.base = (const void *)call.buffer;
	if (call.type == EVENT_PLAIN_SENT && !session->used) {
		session->used = 1;
		session->wide = begins_http2(&buffers, total);
	}
	if (call.type == EVENT_PLAIN_SENT)
		session->bytes_out += total;
	else
		session->bytes_in += total;
	COUNT(served.process, events_seen);

#define EMIT_PLAIN(record_type, size_class)                                                        \
	do {                                                                                       \
		struct record_type *record =                                                       \
		    bpf_ringbuf_reserve(ring, sizeof(struct record_type), 0);                      \
		if (!record) {                                                                     \
			COUNT(served.process, ring_full);                                          \
			return 0;                                                                  \
		}                                                                                  \
		fill_plain(&record->event, &call, session, total, now, slot, index, account);      \
		fill_payload(served.process, &record->event, record->payload, size_class,          \
			     buffers.base, total);                                                 \
		bpf_ringbuf_submit(record, wakeup(served.process));                                \
	} while (0)

	if (total <= PAYLOAD_SMALL)
		EMIT_PLAIN(wire_record_small, PAYLOAD_SMALL);
	else if (total <= PAYLOAD_MEDIUM)
		EMIT_PLAIN(wire_record_medium, PAYLOAD_MEDIUM);
	else if (total <= PAYLOAD_LARGE || !session->wide)
		EMIT_PLAIN(wire_record_large, PAYLOAD_LARGE);
	else
		EMIT_PLAIN(wire_record_widest, PAYLOAD_WIDE);
	return 0;
}

/* The address may be another session's from now on. */
SEC("uprobe")
int on_tls_free(struct pt_regs *regs)
{
	struct tls_key key = {.stream = call_arg1(regs)};

	key.process = process_of(bpf_get_current_task_btf());
	bpf_map_delete_elem(&tls_sessions, &key);
	return 0;
}

/* The dynamic linker tells debuggers that libraries were mapped, or are about to go. */
SEC("uprobe")
int on_libraries(struct pt_regs *regs)
{
	struct served served;
	void *ring, *nothing;

	if (!find_served(bpf_get_current_task_btf(), &served))
		return 0;
	__sync_fetch_and_add(&served.process->libraries, 1);
	/* Whoever reads the events is the one to look at the libraries. */
	ring = ring_of(served.number);
	if (!ring)
		return 0;
	nothing = bpf_ringbuf_reserve(ring, sizeof(__u64), 0);
	if (nothing)
		bpf_ringbuf_discard(nothing, wakeup(served.process));
	return 0;
}
