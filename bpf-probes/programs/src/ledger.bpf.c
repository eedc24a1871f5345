// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The scheduler's side of the ledger: moves a thread's time between kinds. */
#include "maps.h"

#include "arch.h"

#define TASK_UNINTERRUPTIBLE 2

/* Why a task that is about to be switched out blocks: by its state and the system call it is in. */
static __always_inline __u32 blocked_kind(struct task_struct *task, unsigned int state)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	long call = user_syscall(regs);

	if (state & TASK_UNINTERRUPTIBLE)
		return BPF_CORE_READ_BITFIELD_PROBED(task, in_iowait) ? KIND_DISK : KIND_OTHER;
	switch (call) {
	case NR_futex:
		return KIND_WAIT;
	case NR_nanosleep:
	case NR_clock_nanosleep:
		return KIND_SLEEP;
	case NR_read:
	case NR_write:
	case NR_readv:
	case NR_writev:
	case NR_connect:
	case NR_accept:
	case NR_accept4:
	case NR_sendto:
	case NR_recvfrom:
	case NR_sendmsg:
	case NR_recvmsg:
	case NR_ppoll:
	case NR_pselect6:
	case NR_epoll_pwait:
#ifdef NR_poll
	case NR_poll:
	case NR_select:
	case NR_epoll_wait:
#endif
		return KIND_NETWORK;
	case NR_pread64:
	case NR_pwrite64:
	case NR_fsync:
	case NR_fdatasync:
		return KIND_DISK;
	default:
		return KIND_OTHER;
	}
}

static __always_inline struct slot *ours(struct task_struct *task)
{
	struct thread_ref *ref;

	if ((__u32)task->tgid != globals.target_tgid)
		return NULL;
	ref = thread_ref_of(task->pid);
	return ref ? slot_at(ref->slot) : NULL;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, bool preempt, struct task_struct *prev, struct task_struct *next,
	     unsigned int prev_state)
{
	struct slot *slot = ours(prev);
	__u64 now = 0;

	if (slot) {
		now = bpf_ktime_get_ns();
		slot->account.switches++;
		charge(slot,
		       preempt || !prev_state ? KIND_RUN_QUEUE : blocked_kind(prev, prev_state),
		       now);
	}
	slot = ours(next);
	if (slot)
		charge(slot, KIND_CPU, now ?: bpf_ktime_get_ns());
	return 0;
}

/* Not sched_waking: it may run before the switch-out of the task it wakes has been seen, and the
 * wait for a processor would then be booked as blocked. sched_wakeup always comes after it.
 */
SEC("tp_btf/sched_wakeup")
int BPF_PROG(on_wakeup, struct task_struct *task)
{
	struct slot *slot = ours(task);

	/* A task woken before it left the processor is still running. */
	if (slot && slot->account.state != KIND_CPU && slot->account.state != KIND_RUN_QUEUE)
		charge(slot, KIND_RUN_QUEUE, bpf_ktime_get_ns());
	return 0;
}

/* A thread started by the agent is the agent's; one started under a span may begin with its head.
 */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	struct thread_ref *ref;
	struct slot *slot, *born;
	__u32 index;

	if ((__u32)parent->tgid != globals.target_tgid || (__u32)child->tgid != globals.target_tgid)
		return 0;
	ref = thread_ref_of(parent->pid);
	if (!ref)
		return 0;
	if (ref->agent) {
		enrol_thread(child->pid, true, KIND_RUN_QUEUE, &index);
		return 0;
	}
	slot = slot_at(ref->slot);
	if (!slot || !slot->head.inherit)
		return 0;
	slot->head.inherit = 0;
	born = enrol_thread(child->pid, false, KIND_RUN_QUEUE, &index);
	if (born)
		born->head = slot->head;
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	__u32 tid = task->pid;
	struct thread_ref *ref;
	struct slot *slot;

	if ((__u32)task->tgid != globals.target_tgid)
		return 0;
	ref = thread_ref_of(tid);
	if (!ref)
		return 0;
	slot = slot_at(ref->slot);
	bpf_map_delete_elem(&threads, &tid);
	if (slot) {
		slot->head.valid = 0;
		slot->owner = 0;
	}
	return 0;
}

/* Run by a thread through BPF_PROG_RUN, so the kernel's own idea of who calls is what counts and
 * PID namespaces do not matter.
 */
SEC("syscall")
int enrol(struct enrol_args *args)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u32 tgid = id >> 32, tid = (__u32)id, index;

	if (!globals.target_tgid)
		globals.target_tgid = tgid;
	if (globals.target_tgid != tgid)
		return -1;
	enrol_thread(tid, args->agent, KIND_CPU, &index);
	args->slot = index;
	args->tid = tid;
	args->tgid = tgid;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
