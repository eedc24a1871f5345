/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Maps and the few helpers that every program of ours needs. */
#ifndef UNDERSPAN_MAPS_H
#define UNDERSPAN_MAPS_H

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "events.h"

/* A call of a thread into a library of TLS, see tls.bpf.c. */
struct tls_call {
	__u64 stream; /* the SSL*; 0: no call under way */
	__u64 frame; /* stack pointer where it began */
	__u64 buffer;
	__u64 moved; /* where it will say how many bytes it moved; 0: that is what it returns */
	__u64 cookie; /* of the connection that it has used so far in its direction; 0: none */
	__u64 begin_ns; /* as in socket_event, of the first of the sends or reads that it is at */
	__u32 rtt_us;
	__u32 retransmits;
	__u16 type; /* EVENT_PLAIN_*; EVENT_TLS_FAILED: it moves no plaintext, but may fail */
	__u16 role;
	__u32 last; /* direction of what it moved last */
	__u32 error; /* the first that the library noted within; 0: none */
	__u32 reserved;
};

struct thread_ref {
	__u32 slot; /* its index and one; 0: none */
	__u32 agent;
	struct tls_call tls;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, LEDGER_SLOTS);
	__type(key, __u32);
	__type(value, struct slot);
} ledger SEC(".maps");

/* With each thread of the process; it goes with its task, so no thread id can be mistaken. Agent
 * threads are here too, without a slot.
 */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct thread_ref);
} threads SEC(".maps");

/* Slots whose threads have ended, the longest free first. */
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, LEDGER_SLOTS);
	__type(value, __u32);
} free_slots SEC(".maps");

/* The one process that these programs serve is set by the first enrolment, before anything is
 * attached. One variable, so that its place in .bss is known to Java.
 */
struct globals globals;

/* Never set: clang keeps type information only of what a map, a global or a signature names. */
const struct socket_event *const volatile abi_socket_event = NULL;
const struct enrol_args *const volatile abi_enrol_args = NULL;

#define COUNT(field) __sync_fetch_and_add(&globals.losses.field, 1)

static __always_inline struct slot *slot_at(__u32 index)
{
	return bpf_map_lookup_elem(&ledger, &index);
}

static __always_inline struct thread_ref *thread_ref_of(struct task_struct *task)
{
	return bpf_task_storage_get(&threads, task, NULL, 0);
}

static __always_inline struct slot *slot_of(const struct thread_ref *ref)
{
	return slot_at(ref->slot - 1);
}

/* How long the JVM stood still up to now. */
static __always_inline __u64 stopped_until(__u64 now)
{
	__u64 word = globals.stopped;

	return word & STOP_ON ? now - (word & ~STOP_ON) : word;
}

/* Closes the open interval of a slot and opens one of another kind; part of the closed one may be
 * given to the kind before. Transitions of one task are serialised by its run queue's lock, so
 * there is never a second writer.
 */
static __always_inline void charge_split(struct slot *slot, __u32 state, bool stoppable, __u64 now,
					 __u64 queued)
{
	struct account *account = &slot->account;
	__u64 elapsed = now - account->last_ns, kind = account->state;

	account->seq++;
	barrier();
	if (account->stoppable) {
		__s64 stop = stopped_until(now) - account->stopped_ns;

		if (stop > 0) {
			if ((__u64)stop > elapsed)
				stop = elapsed;
			account->ns[KIND_SAFEPOINT] += stop;
			elapsed -= stop;
		}
	}
	if (queued) {
		account->ns[KIND_RUN_QUEUE] += queued;
		elapsed -= queued;
	}
	barrier_var(kind); /* else the check is done on a copy that the verifier does not know */
	if (kind < LEDGER_KINDS)
		account->ns[kind] += elapsed;
	account->state = state;
	account->stoppable = stoppable;
	if (stoppable)
		account->stopped_ns = stopped_until(now);
	account->last_ns = now;
	barrier();
	account->seq++;
}

static __always_inline void charge(struct slot *slot, __u32 state, __u64 now)
{
	charge_split(slot, state, false, now, 0);
}

/* Names a thread, platform or virtual, so that only accounts of the same one are compared. */
static __always_inline __u64 logical_thread(const struct slot *slot, __u32 index)
{
	return slot->identity.id ?: 1ull << 63 | (__u64)slot->generation << 32 | index;
}

/* A slot given back, or one that was never used; counted when there is none. */
static __always_inline __u32 take_slot(void)
{
	__u32 index;

	if (!bpf_map_pop_elem(&free_slots, &index))
		return index;
	index = globals.slot_cursor;
	if (slot_at(index)) {
		index = __sync_fetch_and_add(&globals.slot_cursor, 1);
		if (slot_at(index))
			return index;
	}
	COUNT(slots_exhausted);
	return LEDGER_NO_SLOT;
}

static __always_inline void give_back(struct slot *slot, __u32 index)
{
	slot->head.valid = 0;
	slot->owner = 0;
	if (bpf_map_push_elem(&free_slots, &index, 0))
		COUNT(slots_exhausted);
}

/* Gives a thread a slot, or marks it as the agent's own. Idempotent. */
static __always_inline struct slot *enrol_thread(struct task_struct *task, bool agent, __u32 state,
						 __u32 *index)
{
	struct thread_ref *ref =
	    bpf_task_storage_get(&threads, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	struct slot *slot;

	*index = LEDGER_NO_SLOT;
	if (!ref) {
		COUNT(slots_exhausted);
		return NULL;
	}
	if (ref->slot || ref->agent) {
		*index = ref->slot - 1;
		return slot_of(ref);
	}
	if (agent) {
		ref->agent = 1;
		return NULL;
	}
	*index = take_slot();
	slot = slot_at(*index);
	if (!slot)
		return NULL;
	slot->owner = task->pid;
	slot->generation++;
	__builtin_memset(&slot->head, 0, sizeof(slot->head));
	__builtin_memset(&slot->account, 0, sizeof(slot->account));
	__builtin_memset(&slot->identity, 0, sizeof(slot->identity));
	__builtin_memset(&slot->request, 0, sizeof(slot->request));
	slot->account.state = state;
	slot->account.last_ns = bpf_ktime_get_ns();
	ref->slot = *index + 1;
	return slot;
}

#endif
