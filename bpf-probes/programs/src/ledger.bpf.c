// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The scheduler's side of the ledger: moves a thread's time between kinds. */
#include "maps.h"

#include "admit.bpf.c"
#include "safepoint.bpf.c"

#define TASK_UNINTERRUPTIBLE 2

#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define S_IFREG 0100000
#define S_IFBLK 0060000

struct blocked {
	__u32 kind;
	__u32 futex;
};

/* What a blocking read or write waits for: a socket's peer, a device, or (pipe, terminal)
 * somebody's output.
 */
static __always_inline __u32 file_kind(struct task_struct *task, __u32 fd)
{
	struct file **files = BPF_CORE_READ(task, files, fdt, fd);
	struct file *file = NULL;
	umode_t mode;

	bpf_probe_read_kernel(&file, sizeof(file), files + fd);
	mode = BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT;
	if (mode == S_IFSOCK)
		return KIND_NETWORK;
	return mode == S_IFREG || mode == S_IFBLK ? KIND_DISK : KIND_WAIT;
}

static __always_inline bool java_monitor(const struct slot *slot, __u32 field)
{
	__u64 monitor = 0;

	bpf_probe_read_user(&monitor, sizeof(monitor),
			    (const void *)(slot->identity.java_thread + field));
	return monitor != 0;
}

/* Java said it, or the JVM's own fields do; else it waits for the JVM itself. */
static __always_inline __u32 futex_kind(void *ledger, const struct slot *slot,
					const struct pt_regs *regs)
{
	struct process_state *process;

	switch (slot->head.wait_hint) {
	case HINT_LOCK:
		return KIND_LOCK;
	case HINT_WAIT:
		return KIND_WAIT;
	case HINT_SLEEP:
		return KIND_SLEEP;
	case HINT_NETWORK:
		return KIND_NETWORK;
	default:
		break;
	}
	if (!slot->identity.java_thread)
		return KIND_LOCK;
	process = process_at(ledger);
	if (process && process->waiting_monitor) {
		if (java_monitor(slot, process->waiting_monitor))
			return KIND_WAIT;
		/* With a timeout and for no monitor: Thread.sleep, where it is a native method. */
		if (user_arg4(regs) && !java_monitor(slot, process->pending_monitor))
			return KIND_SLEEP;
	}
	return KIND_LOCK;
}

/* Why a task that is about to be switched out blocks: by its state and the system call it is in. */
static __always_inline struct blocked blocked_in(void *ledger, struct task_struct *task,
						 const struct slot *slot, unsigned int state)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	bool uninterruptible = state & TASK_UNINTERRUPTIBLE;
	struct blocked why = {.kind = KIND_OTHER};

	if (uninterruptible && BPF_CORE_READ_BITFIELD_PROBED(task, in_iowait)) {
		why.kind = KIND_DISK;
		return why;
	}
	switch (user_syscall(regs)) {
	case NR_futex:
		if (!uninterruptible) { /* else it is a page fault's wait */
			why.kind = futex_kind(ledger, slot, regs);
			why.futex = 1;
		}
		break;
	case NR_nanosleep:
	case NR_clock_nanosleep:
		why.kind = KIND_SLEEP;
		break;
	case NR_read:
	case NR_write:
	case NR_readv:
	case NR_writev:
		why.kind = file_kind(task, user_arg1(regs));
		break;
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
		why.kind = KIND_NETWORK;
		break;
	case NR_pread64:
	case NR_pwrite64:
	case NR_preadv:
	case NR_pwritev:
	case NR_fsync:
	case NR_fdatasync:
		why.kind = KIND_DISK;
		break;
	case NR_fcntl:
	case NR_flock:
		why.kind = KIND_LOCK;
		break;
	case NR_wait4:
	case NR_waitid:
	case NR_clone:
	case NR_clone3:
#ifdef NR_vfork
	case NR_vfork:
#endif
		why.kind = KIND_WAIT; /* for another process */
		break;
	default:
		break;
	}
	return why;
}

/* Flavours of what the scheduler knows of CPU quotas: tasks are throttled one by one since 6.18,
 * whole queues before; a queue adds up its own throttled time since 6.6.
 */
struct task_struct___throttled {
	bool throttled;
} __attribute__((preserve_access_index));

struct cfs_rq___throttled_time {
	u64 throttled_clock_self_time;
} __attribute__((preserve_access_index));

struct cfs_rq___throttle_count {
	int throttle_count;
} __attribute__((preserve_access_index));

/* A runnable task waits for a processor, or for its cgroup's next period. */
static __always_inline __u32 runnable_kind(struct task_struct *task)
{
	struct task_struct___throttled *by_task = (void *)task;
	struct cfs_rq___throttle_count *queue;

	if (bpf_core_field_exists(by_task->throttled))
		return BPF_CORE_READ(by_task, throttled) ? KIND_THROTTLED : KIND_RUN_QUEUE;
	queue = (void *)task->se.cfs_rq;
	if (queue && bpf_core_field_exists(queue->throttle_count) &&
	    BPF_CORE_READ(queue, throttle_count))
		return KIND_THROTTLED;
	return KIND_RUN_QUEUE;
}

static __always_inline __u64 throttled_time(struct cfs_rq *queue)
{
	struct cfs_rq___throttled_time *flavour = (void *)queue;

	return bpf_core_field_exists(flavour->throttled_clock_self_time)
		   ? BPF_CORE_READ(flavour, throttled_clock_self_time)
		   : 0;
}

/* Of a throttled task's wait, what it then waited for a processor. */
static __always_inline __u64 queued_after(struct task_struct *task, const struct account *account,
					  __u64 now)
{
	struct cfs_rq *queue = task->se.cfs_rq;
	__u64 elapsed = now - account->last_ns, throttled;

	if (account->state != KIND_THROTTLED || (__u64)queue != account->throttled_queue)
		return 0;
	throttled = throttled_time(queue) - account->throttled_ns;
	return throttled && throttled < elapsed ? elapsed - throttled : 0;
}

static __always_inline struct slot *ours(struct task_struct *task, void **ledger)
{
	struct thread_ref *ref = thread_ref_of(task);

	if (!ref || !ref->slot)
		return NULL;
	*ledger = ledger_of(ref->process);
	return *ledger ? slot_at(*ledger, ref->slot) : NULL;
}

/* An event may be missed (one that the kernel keeps from tracers, a program that was busy): opens
 * the interval that it would have opened, at the moment that the scheduler noted for itself.
 */
static __always_inline void catch_up(void *ledger, struct slot *slot, __u32 kind,
				     struct task_struct *task, __u64 noted, __u64 now)
{
	struct cfs_rq *queue = task->se.cfs_rq;
	__u64 at = now, last = slot->account.last_ns;

	if (!noted || !queue || !bpf_core_field_exists(queue->rq))
		return;
	at -= BPF_CORE_READ(queue, rq, clock) - noted; /* the scheduler has its own clock */
	if ((__s64)(now - at) < 0)
		at = now;
	if ((__s64)(at - last) < 0)
		at = last;
	charge(ledger, slot, kind, at);
}

static __always_inline bool stopping(void *ledger)
{
	struct process_state *process = process_at(ledger);

	return process && process->stopped & STOP_ON;
}

/* A task of ours leaves its processor. */
static __always_inline void leave(void *ledger, struct slot *slot, struct task_struct *task,
				  bool runnable, unsigned int state, __u64 now)
{
	slot->account.switches++;
	if (slot->account.state != KIND_CPU && bpf_core_field_exists(task->sched_info.last_arrival))
		catch_up(ledger, slot, KIND_CPU, task, task->sched_info.last_arrival, now);
	if (runnable) {
		__u32 kind = runnable_kind(task);

		if (kind == KIND_THROTTLED) {
			struct cfs_rq *queue = task->se.cfs_rq;

			slot->account.throttled_queue = (__u64)queue;
			slot->account.throttled_ns = throttled_time(queue);
		}
		charge(ledger, slot, kind, now);
	} else {
		struct blocked why = blocked_in(ledger, task, slot, state);
		/* Within a stop it may be the stop that a futex waits for. */
		bool stoppable = why.kind == KIND_LOCK || (why.kind == KIND_WAIT && why.futex) ||
				 (why.futex && stopping(ledger));

		charge_split(ledger, slot, why.kind, stoppable, now, 0);
	}
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, bool preempt, struct task_struct *prev, struct task_struct *next,
	     unsigned int prev_state)
{
	void *ledger;
	struct slot *slot = ours(prev, &ledger);
	__u64 now = 0;

	if (slot) {
		now = bpf_ktime_get_ns();
		leave(ledger, slot, prev, preempt || !prev_state, prev_state, now);
	}
	slot = ours(next, &ledger);
	if (slot) {
		now = now ?: bpf_ktime_get_ns();
		if (slot->account.state > KIND_THROTTLED &&
		    bpf_core_field_exists(next->sched_info.last_queued))
			catch_up(ledger, slot, KIND_RUN_QUEUE, next, next->sched_info.last_queued,
				 now);
		charge_split(ledger, slot, KIND_CPU, false, now,
			     queued_after(next, &slot->account, now));
	}
	return 0;
}

/* Not sched_waking: it may run before the switch-out of the task it wakes has been seen, and the
 * wait for a processor would then be booked as blocked. sched_wakeup always comes after it.
 */
SEC("tp_btf/sched_wakeup")
int BPF_PROG(on_wakeup, struct task_struct *task)
{
	void *ledger;
	struct slot *slot = ours(task, &ledger);

	/* A task woken before it left the processor is still running. */
	if (slot && slot->account.state > KIND_THROTTLED)
		charge(ledger, slot, KIND_RUN_QUEUE, bpf_ktime_get_ns());
	return 0;
}

/* A thread started by the agent is the agent's; one started under a span may begin with its head.
 */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	struct thread_ref *ref;
	struct slot *giver = NULL, *born;
	struct served served;
	bool agent;
	__u32 index;

	if (parent->tgid != child->tgid || !find_served(parent, &served))
		return 0;
	ref = thread_ref_of(parent);
	agent = is_agents(&served, ref);
	if (ref && ref->slot)
		giver = slot_at(served.ledger, ref->slot);
	if (giver && !giver->head.inherit)
		giver = NULL;
	if (!agent && !giver && !served.process->whole)
		return 0;
	/* Where each thread has a slot, this tells the next programs as well. */
	born =
	    enrol_thread(&served, child, agent && !served.process->whole, KIND_RUN_QUEUE, &index);
	if (born && agent)
		born->agent = 1;
	if (giver) {
		giver->head.inherit = 0;
		if (born)
			born->head = giver->head;
	}
	return 0;
}

static __always_inline int ended(struct task_struct *task)
{
	struct thread_ref *ref = thread_ref_of(task);
	__u32 tgid = task->tgid, index;
	struct slot *slot;
	void *ledger;

	if (!ref)
		return 0;
	if (!BPF_CORE_READ(task, signal, live.counter))
		bpf_map_delete_elem(&processes, &tgid);
	if (!ref->slot)
		return 0;
	index = ref->slot;
	ref->slot = 0;
	ref->agent = 1; /* it has ended, and gets none any more */
	ledger = ledger_of(ref->process);
	if (!ledger)
		return 0;
	slot = slot_at(ledger, index);
	if (slot)
		give_back(process_at(ledger), ref->process, slot, index);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	return ended(task);
}

#ifdef PROGRAMS_TWICE

/* Finds it done; else the slot would be lost for good. */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit_again, struct task_struct *task)
{
	return ended(task);
}

#endif

/* Run by a thread through BPF_PROG_RUN, so the kernel's own idea of who calls is what counts and
 * PID namespaces do not matter.
 */
SEC("syscall")
int enrol(struct enrol_args *args)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 tgid = task->tgid, number = args->process, index;
	struct served served;

	if (number && bpf_map_update_elem(&processes, &tgid, &number, BPF_ANY))
		return -1;
	if (!find_served(task, &served))
		return -1;
	enrol_thread(&served, task, args->agent, KIND_CPU, &index);
	args->slot = index;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
