// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* A process comes to these programs, maybe with a ledger that others kept before. Whoever loaded
 * them marks its first thread with the process's number and runs these: ADMIT_BEGIN, the iterator
 * twice, since it may meet that thread late, and ADMIT_SWEEP.
 */
#include "maps.h"

struct search {
	void *ledger;
	__u32 tid;
	__u32 found; /* 0: not yet */
};

static long find_owned(__u32 step, struct search *search)
{
	struct slot *slot = slot_at(search->ledger, step + 1);

	if (!slot)
		return 1;
	if (slot->owner != search->tid)
		return 0;
	search->found = step + 1;
	return 1;
}

struct sweep {
	void *ledger;
	void *given_back;
	__u64 admission;
};

static long sweep_slot(__u32 step, struct sweep *sweep)
{
	__u32 index = step + 1;
	struct slot *slot = slot_at(sweep->ledger, index);

	if (!slot)
		return 1;
	if (slot->owner && slot->admission == sweep->admission)
		return 0;
	slot->head.valid = 0;
	slot->agent = 0;
	slot->owner = 0;
	return bpf_map_push_elem(sweep->given_back, &index, 0) != 0;
}

SEC("syscall")
int admit(struct admit_args *args)
{
	__u32 number = args->process;
	void *ledger = ledger_of(number), *given_back = bpf_map_lookup_elem(&free_slots, &number);
	struct process_state *process = ledger ? process_at(ledger) : NULL;
	struct sweep sweep;

	if (!process || !given_back)
		return -1;
	if (args->step == ADMIT_BEGIN) {
		process->admission++;
		process->whole = 1;
		/* The end of a stop may have been missed. */
		if (process->stopped & STOP_ON)
			process->stopped = bpf_ktime_get_ns() - (process->stopped & ~STOP_ON);
		return 0;
	}
	sweep.ledger = ledger;
	sweep.given_back = given_back;
	sweep.admission = process->admission;
	bpf_loop(process->slot_cursor, sweep_slot, &sweep, 0);
	return 0;
}

/* Its account goes on; what nobody saw is other. */
static __always_inline void resume(struct slot *slot, __u32 state, __u64 now)
{
	struct account *account = &slot->account;

	/* Whoever kept it may have ended in the middle of a change. */
	if (!(account->seq & 1))
		turn(&account->seq);
	if (now > account->last_ns)
		account->ns[KIND_OTHER] += now - account->last_ns;
	account->state = state;
	account->stoppable = 0;
	account->last_ns = now;
	turn(&account->seq);
}

SEC("iter/task")
int admit_threads(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct search search = {};
	struct thread_ref *ref;
	struct served served;
	struct slot *slot;
	__u32 state, index, number, tgid, *known;

	if (!task)
		return 0;
	ref = thread_ref_of(task);
	tgid = task->tgid;
	/* The first thread was marked by whoever admits the process. */
	if (ref && task->pid == task->tgid &&
	    bpf_map_update_elem(&processes, &tgid, &ref->process, BPF_ANY))
		return 0;
	known = bpf_map_lookup_elem(&processes, &tgid);
	if (!known)
		return 0;
	number = *known;
	served.number = number;
	served.ledger = ledger_of(number);
	if (!served.ledger)
		return 0;
	served.process = process_at(served.ledger);
	if (!served.process || !served.process->whole)
		return 0;
	search.ledger = served.ledger;
	search.tid = own_tid(task);
	if (ref && ref->process == number) {
		slot = slot_at(served.ledger, ref->slot ?: LEDGER_NO_SLOT);
		if (slot && slot->owner == search.tid &&
		    slot->admission == served.process->admission)
			return 0;
		/* It was served before, with another ledger. */
		ref->slot = 0;
		ref->agent = 0;
	}
	state = task->__state ? KIND_OTHER : KIND_RUN_QUEUE;
	bpf_loop(served.process->slot_cursor, find_owned, &search, 0);
	slot = search.found ? slot_at(served.ledger, search.found) : NULL;
	if (!slot) {
		enrol_thread(&served, task, false, state, &index);
		return 0;
	}
	ref = bpf_task_storage_get(&threads, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!ref)
		return 0;
	/* Its account has one writer: this until the slot is its, then the scheduler's programs. */
	ref->process = number;
	ref->slot = 0;
	ref->agent = 0;
	slot->admission = served.process->admission;
	resume(slot, state, bpf_ktime_get_ns());
	barrier();
	ref->slot = search.found;
	return 0;
}
