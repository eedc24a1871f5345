/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Maps and the few helpers that every program of ours needs. */
#ifndef UNDERSPAN_MAPS_H
#define UNDERSPAN_MAPS_H

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "arch.h"
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
	__u32 process; /* its number, from 1 */
	__u32 slot; /* 0: none */
	__u32 agent;
	__u32 reserved;
	struct tls_call tls;
};

/* Maps of each process, by its number: nobody can see, or write, another's. */
struct ledger_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE | BPF_F_INNER_MAP);
	__uint(max_entries, LEDGER_SLOTS);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct slot));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, LEDGER_PROCESSES);
	__type(key, __u32);
	__array(values, struct ledger_map);
} ledgers SEC(".maps");

/* Slots whose threads have ended, the longest free first. */
struct queue_map {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, LEDGER_SLOTS);
	__uint(value_size, sizeof(__u32));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, LEDGER_PROCESSES);
	__type(key, __u32);
	__array(values, struct queue_map);
} free_slots SEC(".maps");

/* The numbers of processes served, by their ids; an entry goes with the last thread. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LEDGER_PROCESSES);
	__type(key, __u32);
	__type(value, __u32);
} processes SEC(".maps");

/* With each thread of theirs that is enrolled; it goes with its task, so no thread id can be
 * mistaken. Agent threads are here too, without a slot.
 */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct thread_ref);
} threads SEC(".maps");

/* Never set: clang keeps type information only of what a map, a global or a signature names. */
const struct socket_event *const volatile abi_socket_event = NULL;
const struct enrol_args *const volatile abi_enrol_args = NULL;
const struct admit_args *const volatile abi_admit_args = NULL;
const struct process_state *const volatile abi_process_state = NULL;
const struct slot *const volatile abi_slot = NULL;

#define COUNT(process, field)                                                                      \
	do {                                                                                       \
		if (process)                                                                       \
			__sync_fetch_and_add(&(process)->losses.field, 1);                         \
	} while (0)

static __always_inline void *ledger_of(__u32 process)
{
	return bpf_map_lookup_elem(&ledgers, &process);
}

static __always_inline struct slot *slot_at(void *ledger, __u32 index)
{
	return bpf_map_lookup_elem(ledger, &index);
}

static __always_inline struct process_state *process_at(void *ledger)
{
	return (struct process_state *)slot_at(ledger, 0);
}

/* Most tasks of a machine have nothing stored with them: a load tells. */
static __always_inline struct thread_ref *thread_ref_of(struct task_struct *task)
{
	if (!task->bpf_storage)
		return NULL;
	return bpf_task_storage_get(&threads, task, NULL, 0);
}

/* The number of the process that a thread belongs to; 0: none that is served. */
static __always_inline __u32 process_of(struct task_struct *task)
{
	struct thread_ref *ref = thread_ref_of(task);
	__u32 tgid = task->tgid, *number;

	if (ref)
		return ref->process;
	number = bpf_map_lookup_elem(&processes, &tgid);
	return number ? *number : 0;
}

/* What a program needs of the thread it looks at. */
struct served {
	__u32 number; /* of the process */
	__u32 reserved;
	void *ledger;
	struct process_state *process;
};

static __always_inline bool find_served(struct task_struct *task, struct served *served)
{
	served->number = process_of(task);
	if (!served->number)
		return false;
	served->ledger = ledger_of(served->number);
	if (!served->ledger)
		return false;
	served->process = process_at(served->ledger);
	return served->process != NULL;
}

/* Neither observed nor counted. */
static __always_inline bool is_agents(const struct served *served, const struct thread_ref *ref)
{
	struct slot *slot;

	if (!ref || ref->agent || !ref->slot)
		return ref && ref->agent;
	slot = slot_at(served->ledger, ref->slot);
	return slot && slot->agent;
}

/* How a record is submitted. Who reads looks by itself while there is much to read; only who has
 * gone to sleep is woken, and once. If that is told here too late, the sleep ends by its time.
 */
static __always_inline __u64 wakeup(struct process_state *process)
{
	if (!process->awaited)
		return BPF_RB_NO_WAKEUP;
	process->awaited = 0;
	return BPF_RB_FORCE_WAKEUP;
}

/* Where only the process's number is at hand. */
#define COUNT_FOR(number, field)                                                                   \
	do {                                                                                       \
		void *of_it = ledger_of(number);                                                   \
		struct process_state *whose = of_it ? process_at(of_it) : NULL;                    \
		COUNT(whose, field);                                                               \
	} while (0)

/* How long the JVM stood still up to now. */
static __always_inline __u64 stopped_until(void *ledger, __u64 now)
{
	struct process_state *process = process_at(ledger);
	__u64 word = process ? process->stopped : 0;

	return word & STOP_ON ? now - (word & ~STOP_ON) : word;
}

/* Closes the open interval of a slot and opens one of another kind; part of the closed one may be
 * given to the kind before. Transitions of one task are serialised by its run queue's lock, so
 * there is never a second writer.
 */
static __always_inline void charge_split(void *ledger, struct slot *slot, __u32 state,
					 bool stoppable, __u64 now, __u64 queued)
{
	struct account *account = &slot->account;
	__u64 elapsed = now - account->last_ns, kind = account->state;

	turn(&account->seq);
	if (account->stoppable) {
		__s64 stop = stopped_until(ledger, now) - account->stopped_ns;

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
		account->stopped_ns = stopped_until(ledger, now);
	account->last_ns = now;
	turn(&account->seq);
}

static __always_inline void charge(void *ledger, struct slot *slot, __u32 state, __u64 now)
{
	charge_split(ledger, slot, state, false, now, 0);
}

/* Names a thread, platform or virtual, so that only accounts of the same one are compared. */
static __always_inline __u64 logical_thread(const struct slot *slot, __u32 index)
{
	return slot->identity.id ?: 1ull << 63 | (__u64)slot->generation << 32 | index;
}

/* A slot given back, or one that was never used; counted when there is none. */
static __always_inline __u32 take_slot(const struct served *served)
{
	__u32 index, number = served->number;
	void *given_back = bpf_map_lookup_elem(&free_slots, &number);

	if (given_back && !bpf_map_pop_elem(given_back, &index))
		return index;
	index = served->process->slot_cursor + 1;
	if (slot_at(served->ledger, index)) {
		index = __sync_fetch_and_add(&served->process->slot_cursor, 1) + 1;
		if (slot_at(served->ledger, index))
			return index;
	}
	COUNT(served->process, slots_exhausted);
	return LEDGER_NO_SLOT;
}

static __always_inline void give_back(struct process_state *process, __u32 number,
				      struct slot *slot, __u32 index)
{
	void *given_back = bpf_map_lookup_elem(&free_slots, &number);

	slot->head.valid = 0;
	slot->agent = 0;
	slot->owner = 0;
	if (!given_back || bpf_map_push_elem(given_back, &index, 0))
		COUNT(process, slots_exhausted);
}

/* As the process that it belongs to knows it, which may be in a namespace of its own. */
static __always_inline __u32 own_tid(struct task_struct *task)
{
	struct pid *pid = task->thread_pid;

	return pid ? BPF_CORE_READ(pid, numbers[pid->level].nr) : 0;
}

/* Gives a thread a slot, or marks it as the agent's own. Idempotent. */
static __always_inline struct slot *enrol_thread(const struct served *served,
						 struct task_struct *task, bool agent, __u32 state,
						 __u32 *index)
{
	struct thread_ref *ref =
	    bpf_task_storage_get(&threads, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	struct slot *slot;

	*index = LEDGER_NO_SLOT;
	if (!ref) {
		COUNT(served->process, slots_exhausted);
		return NULL;
	}
	if (ref->process == served->number && (ref->slot || ref->agent)) {
		if (ref->agent)
			return NULL;
		*index = ref->slot;
		return slot_at(served->ledger, ref->slot);
	}
	ref->process = served->number;
	ref->slot = 0;
	ref->agent = agent;
	if (agent)
		return NULL;
	*index = take_slot(served);
	slot = slot_at(served->ledger, *index);
	if (!slot)
		return NULL;
	slot->generation++;
	slot->agent = 0;
	slot->admission = served->process->admission;
	__builtin_memset(&slot->head, 0, sizeof(slot->head));
	__builtin_memset(&slot->account, 0, sizeof(slot->account));
	__builtin_memset(&slot->identity, 0, sizeof(slot->identity));
	__builtin_memset(&slot->request, 0, sizeof(slot->request));
	slot->enrolled_ns = bpf_ktime_get_ns();
	slot->account.state = state;
	slot->account.last_ns = slot->enrolled_ns;
	slot->owner = own_tid(task);
	ref->slot = *index;
	return slot;
}

#endif
