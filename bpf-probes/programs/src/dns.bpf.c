// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Questions to name servers and their answers, over UDP (RFC 1035); part of tcp.bpf.c, whose
 * programs see datagrams as well. Told by their bytes, since most of a process's datagrams are
 * something else.
 */
#define IPPROTO_UDP 17
#define DNS_HEADER 12
#define DNS_RESPONSE 0x80
#define DNS_OPCODE 0x78

struct user_mmsghdr {
	struct user_msghdr msg_hdr;
	unsigned int msg_len, padding;
};

/* sendmmsg() sends its messages one by one: which one it is now is known by counting. */
static __always_inline const void *find_message(struct pt_regs *regs, struct connection *conn)
{
	const struct user_mmsghdr *messages = (const void *)user_arg2(regs);
	__u64 count = user_arg3(regs) & 0xffffffff;
	struct user_msghdr message = {};
	struct iovec only = {};

	if (!count)
		return NULL;
	messages += conn->request_number++ % count;
	if (bpf_probe_read_user(&message, sizeof(message), &messages->msg_hdr) ||
	    message.msg_iovlen != 1)
		return NULL;
	bpf_probe_read_user(&only, sizeof(only), message.msg_iov);
	return only.iov_base;
}

/* One question, and no answers in what asks it. */
static __always_inline bool is_dns(const void *base, __u16 type)
{
	__u8 header[DNS_HEADER];
	bool response = type == EVENT_RECEIVED;

	if (bpf_probe_read_user(header, sizeof(header), base))
		return false;
	if (!!(header[2] & DNS_RESPONSE) != response || header[2] & DNS_OPCODE || header[4] ||
	    header[5] != 1)
		return false;
	return response ? !header[6] : !(header[6] | header[7] | header[8] | header[9]);
}

/* Of a socket that is not connected, where the datagram goes to. */
static __always_inline void fill_destination(struct endpoint *to, struct pt_regs *regs)
{
	const void *user = (const void *)user_arg5(regs);
	struct sockaddr_in6 address = {};
	struct sockaddr_in *v4 = (void *)&address;

	if (user_syscall(regs) != NR_sendto || bpf_probe_read_user(v4, sizeof(*v4), user))
		return;
	if (v4->sin_family == AF_INET) {
		__builtin_memcpy(to->remote_addr, &v4->sin_addr, sizeof(v4->sin_addr));
	} else {
		bpf_probe_read_user(&address, sizeof(address), user);
		__builtin_memcpy(to->remote_addr, &address.sin6_addr, sizeof(address.sin6_addr));
	}
	to->remote_port = bpf_ntohs(v4->sin_port);
}

static __always_inline int on_datagram(struct sock *sk, int result, __u16 type)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	struct wire_record_medium *record;
	struct served served;
	__u64 now, begin_ns, account[LEDGER_KINDS];
	struct user_buffers buffers;
	struct connection *conn;
	struct thread_ref *ref;
	struct slot *slot;
	__u32 index;
	void *ring;

	if (result < DNS_HEADER || !find_served(task, &served))
		return 0;
	ref = thread_ref_of(task);
	if (is_agents(&served, ref))
		return 0;
	find_buffers(task, &buffers);
	if (user_syscall(regs) == NR_sendmmsg) {
		conn = bpf_sk_storage_get(&connections, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
		if (!conn)
			return 0;
		buffers.base = find_message(regs, conn);
	}
	if (!buffers.base || !is_dns(buffers.base, type))
		return 0;
	conn = bpf_sk_storage_get(&connections, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!conn) {
		COUNT(served.process, connections_untracked);
		return 0;
	}
	note_user(conn, served.number);
	conn->role = ROLE_DATAGRAM;
	if (!conn->cookie)
		conn->cookie = bpf_get_socket_cookie(sk);
	slot = enrol_thread(&served, task, false, KIND_CPU, &index);
	now = read_account(account, slot);
	begin_ns = now;
	if (type == EVENT_RECEIVED) {
		begin_ns = conn->request_arrival_ns;
		conn->request_arrival_ns = 0;
	}
	COUNT(served.process, events_seen);
	ring = ring_of(served.number);
	if (!ring)
		return 0;
	record = bpf_ringbuf_reserve(ring, sizeof(*record), 0);
	if (!record) {
		COUNT(served.process, ring_full);
		return 0;
	}
	fill_event(&record->event, sk, conn, type, result, now, task->pid, slot, index, account,
		   begin_ns, 0, 0);
	if (!record->event.endpoint.remote_port && type == EVENT_SENT)
		fill_destination(&record->event.endpoint, regs);
	fill_payload(served.process, &record->event, record->payload, PAYLOAD_MEDIUM, buffers.base,
		     result);
	bpf_ringbuf_submit(record, wakeup(served.process));
	return 0;
}
