/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* All that depends on the processor architecture: system call numbers, registers, and what it takes
 * that another processor sees stores in their order.
 */
#ifndef UNDERSPAN_ARCH_H
#define UNDERSPAN_ARCH_H

/* Begins or ends a change, for readers that take an even number for an undisturbed one: a full
 * barrier, which it is on arm64 only if the value before is asked for.
 */
static __always_inline void turn_shared(__u32 *seq)
{
	__u32 before = __sync_fetch_and_add(seq, 1);

	barrier_var(before);
}

#if defined(__TARGET_ARCH_x86)

/* Flavours of the kernel's struct, so that it is compiled on any machine, for any other. */
struct pt_regs___of_x86 {
	__u64 r10, r8, ax, cx, dx, si, di, orig_ax, sp;
} __attribute__((preserve_access_index));

#define registers(of) ((const struct pt_regs___of_x86 *)(of))

#define user_syscall(of) ((long)registers(of)->orig_ax)
#define user_arg1(of) (registers(of)->di)
#define user_arg2(of) (registers(of)->si)
#define user_arg3(of) (registers(of)->dx)
#define user_arg4(of) (registers(of)->r10)
#define user_arg5(of) (registers(of)->r8)

#define call_arg1(of) (registers(of)->di)
#define call_arg2(of) (registers(of)->si)
#define call_arg3(of) (registers(of)->dx)
#define call_arg4(of) (registers(of)->cx)
#define call_result(of) (registers(of)->ax)
#define user_sp(of) (registers(of)->sp)

/* One writer only; stores are seen in their order. */
static __always_inline void turn(__u32 *seq)
{
	barrier();
	(*seq)++;
	barrier();
}

#define NR_read 0
#define NR_write 1
#define NR_poll 7
#define NR_pread64 17
#define NR_pwrite64 18
#define NR_readv 19
#define NR_writev 20
#define NR_select 23
#define NR_nanosleep 35
#define NR_connect 42
#define NR_accept 43
#define NR_sendto 44
#define NR_recvfrom 45
#define NR_sendmsg 46
#define NR_recvmsg 47
#define NR_clone 56
#define NR_vfork 58
#define NR_wait4 61
#define NR_fcntl 72
#define NR_flock 73
#define NR_fsync 74
#define NR_fdatasync 75
#define NR_futex 202
#define NR_clock_nanosleep 230
#define NR_epoll_wait 232
#define NR_waitid 247
#define NR_pselect6 270
#define NR_ppoll 271
#define NR_epoll_pwait 281
#define NR_accept4 288
#define NR_preadv 295
#define NR_pwritev 296
#define NR_sendmmsg 307
#define NR_clone3 435

#elif defined(__TARGET_ARCH_arm64)

struct pt_regs___of_arm64 {
	__u64 regs[31], sp;
	__s32 syscallno;
	__u32 pad;
} __attribute__((preserve_access_index));

#define registers(of) ((const struct pt_regs___of_arm64 *)(of))

#define user_syscall(of) ((long)registers(of)->syscallno)
#define user_arg1(of) (registers(of)->regs[0])
#define user_arg2(of) (registers(of)->regs[1])
#define user_arg3(of) (registers(of)->regs[2])
#define user_arg4(of) (registers(of)->regs[3])
#define user_arg5(of) (registers(of)->regs[4])

#define call_arg1 user_arg1
#define call_arg2 user_arg2
#define call_arg3 user_arg3
#define call_arg4 user_arg4
#define call_result user_arg1
#define user_sp(of) (registers(of)->sp)

static __always_inline void turn(__u32 *seq)
{
	turn_shared(seq);
}

#define NR_epoll_pwait 22
#define NR_fcntl 25
#define NR_flock 32
#define NR_read 63
#define NR_write 64
#define NR_readv 65
#define NR_writev 66
#define NR_pread64 67
#define NR_pwrite64 68
#define NR_preadv 69
#define NR_pwritev 70
#define NR_pselect6 72
#define NR_ppoll 73
#define NR_fsync 82
#define NR_fdatasync 83
#define NR_waitid 95
#define NR_futex 98
#define NR_nanosleep 101
#define NR_clock_nanosleep 115
#define NR_accept 202
#define NR_connect 203
#define NR_sendto 206
#define NR_recvfrom 207
#define NR_sendmsg 211
#define NR_recvmsg 212
#define NR_clone 220
#define NR_accept4 242
#define NR_wait4 260
#define NR_sendmmsg 269
#define NR_clone3 435

#else
#error "add the system call numbers of this architecture here"
#endif

#endif
