/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The ledger: one slot a thread, in an array that the JVM has mapped; a process has its own, whose
 * place 0 is for what is the process's (see struct process_state).
 * Shared with Java: every field here is checked against the object's BTF by a test.
 */
#ifndef UNDERSPAN_LEDGER_H
#define UNDERSPAN_LEDGER_H

#define LEDGER_NO_SLOT 0xffffffffu

enum ledger_limits {
	LEDGER_SLOTS = 4096, /* unless the map was made with another size */
	LEDGER_PROCESSES = 1024, /* at once, by one set of programs */
	LEDGER_KINDS = 12,
};

/* What a thread's time went to; an index of account.ns. */
enum time_kind {
	KIND_CPU = 0,
	KIND_RUN_QUEUE = 1,
	KIND_THROTTLED = 2,
	KIND_LOCK = 3,
	KIND_WAIT = 4,
	KIND_SLEEP = 5,
	KIND_NETWORK = 6,
	KIND_DISK = 7,
	KIND_SAFEPOINT = 8,
	KIND_OTHER = 9,
	KIND_CARRIER = 10, /* added by Java only: a virtual thread that waits for a carrier */
};

/* Why the thread is about to block, where the system call does not say; stored by Java before. */
enum wait_hint {
	HINT_NONE = 0,
	HINT_LOCK = 1,
	HINT_WAIT = 2,
	HINT_SLEEP = 3,
	HINT_NETWORK = 4,
};

/* The span current on the thread, written by Java only. The first 28 bytes follow OTEP 4947. */
struct trace_head {
	__u8 trace_id[16];
	__u8 span_id[8];
	__u8 valid;
	__u8 flags;
	__u16 attributes_size;
	__u8 wait_hint;
	__u8 inherit; /* 1: the next thread that this one starts begins with this head */
	__u16 reserved;
};

/* The time account, written by the kernel only; seq is odd while it is being written. */
struct account {
	__u32 seq;
	__u8 state; /* enum time_kind that time since last_ns belongs to */
	__u8 stoppable; /* 1: what of it overlaps with a stop of the JVM is the safepoint's */
	__u16 reserved;
	__u64 last_ns;
	__u64 stopped_ns; /* the JVM's stops up to last_ns, if stoppable */
	__u64 switches;
	__u64 ns[LEDGER_KINDS];
	__u64 throttled_queue; /* while throttled: the cgroup's queue, and its throttled time so far
				*/
	__u64 throttled_ns;
};

/* Whose time it is, written by Java only. */
struct thread_identity {
	__u64 id; /* of the virtual thread that is mounted; 0: the platform thread itself */
	__u64 java_thread; /* address of the JVM's JavaThread; 0: not known */
	__u64
	    offset_ns[LEDGER_KINDS]; /* account + offset is the account of that thread; may wrap */
};

/* The latest request that this thread began to read from a connection that the process accepted. */
struct server_request {
	__u64 thread; /* the reader, see logical_thread() */
	__u64 cookie;
	__u64 number; /* of this connection, from 1; 0: none yet */
	__u64 established_ns;
	__u64 arrival_ns; /* 0: not seen */
	__u64 read_ns;
	__u64 bytes_in;
	__u32 rtt_us;
	__u32 retransmits;
	__u16 local_port;
	__u16 remote_port;
	__u32 reserved;
	__u64 ns[LEDGER_KINDS]; /* the thread's account at read_ns */
};

struct slot {
	struct trace_head head;
	__u32 owner; /* thread id as the process itself knows it; 0: free */
	__u32 generation;
	__u64 enrolled_ns; /* when the thread got it */
	__u32 agent; /* written by Java: 1 for a thread of the agent's own */
	__u32 admission; /* see struct process_state */
	__u64 reserved;
	struct account account;
	struct thread_identity identity;
	struct server_request request;
	__u64 reserved_end[3];
};

#endif
