namespace PassthroughFs.PtfsVirtiofsd.Seccomp;

/// <summary>The numbers of the calls that have rules, by what they are for.</summary>
internal static class SystemCalls
{
    /// <summary>
    /// The shared directory by descriptors and names below them, and what the runtime looks for by paths.
    /// </summary>
    public static readonly SystemCall[] Files =
    [
        new("access", 21, -1), new("close", 3, 57), new("close_range", 436, 436), new("copy_file_range", 326, 285),
        new("dup", 32, 23), new("dup2", 33, -1), new("dup3", 292, 24), new("faccessat", 269, 48),
        new("faccessat2", 439, 439), new("fadvise64", 221, 223), new("fallocate", 285, 47), new("fchmod", 91, 52),
        new("fchmodat", 268, 53), new("fchmodat2", 452, 452), new("fchown", 93, 55), new("fchownat", 260, 54),
        new("fcntl", 72, 25), new("fdatasync", 75, 83), new("fgetxattr", 193, 10), new("flistxattr", 196, 13),
        new("flock", 73, 32), new("fremovexattr", 199, 16), new("fsetxattr", 190, 7), new("fstat", 5, 80),
        new("fstatfs", 138, 44), new("fsync", 74, 82), new("ftruncate", 77, 46), new("getcwd", 79, 17),
        new("getdents64", 217, 61), new("getxattr", 191, 8), new("getxattrat", 464, 464),
        new("inotify_add_watch", 254, 27), new("inotify_init1", 294, 26), new("linkat", 265, 37),
        new("listxattr", 194, 11), new("listxattrat", 465, 465), new("lseek", 8, 62), new("lstat", 6, -1),
        new("mkdirat", 258, 34), new("mknodat", 259, 33), new("name_to_handle_at", 303, 264),
        new("newfstatat", 262, 79), new("open", 2, -1), new("openat", 257, 56), new("openat2", 437, 437),
        new("pread64", 17, 67), new("preadv", 295, 69), new("preadv2", 327, 286), new("pwrite64", 18, 68),
        new("pwritev", 296, 70), new("pwritev2", 328, 287), new("read", 0, 63), new("readlink", 89, -1),
        new("readlinkat", 267, 78), new("readv", 19, 65), new("removexattr", 197, 14), new("removexattrat", 466, 466),
        new("renameat", 264, 38), new("renameat2", 316, 276), new("setxattr", 188, 5), new("setxattrat", 463, 463),
        new("stat", 4, -1), new("statfs", 137, 43), new("statx", 332, 291), new("symlinkat", 266, 36),
        new("sync_file_range", 277, 84), new("syncfs", 306, 267), new("umask", 95, 166), new("unlinkat", 263, 35),
        new("utimensat", 280, 88), new("write", 1, 64), new("writev", 20, 66),
    ];

    /// <summary>Files are made as their owners: a thread changes its ids and capabilities for one call.</summary>
    public static readonly SystemCall[] Identity =
    [
        new("capget", 125, 90), new("capset", 126, 91), new("getegid", 108, 177), new("geteuid", 107, 175),
        new("getgid", 104, 176), new("getgroups", 115, 158), new("getuid", 102, 174), new("setgroups", 116, 159),
        new("setresgid", 119, 149), new("setresuid", 117, 147),
    ];

    /// <summary>The VMM: a connection on the socket that listens, messages, events of the queues.</summary>
    public static readonly SystemCall[] FrontEnd =
    [
        new("accept4", 288, 242), new("epoll_create1", 291, 20), new("epoll_ctl", 233, 21),
        new("epoll_pwait", 281, 22), new("epoll_wait", 232, -1), new("eventfd2", 290, 19), new("getsockopt", 55, 209),
        new("poll", 7, -1), new("ppoll", 271, 73), new("recvmsg", 47, 212), new("sendmsg", 46, 211),
    ];

    /// <summary>What the runtime and libc need for memory, threads, signals and clocks.</summary>
    public static readonly SystemCall[] Runtime =
    [
        new("brk", 12, 214), new("clock_getres", 229, 114), new("clock_gettime", 228, 113),
        new("clock_nanosleep", 230, 115), new("exit", 60, 93), new("exit_group", 231, 94), new("futex", 202, 98),
        new("get_mempolicy", 239, 236), new("getcpu", 309, 168), new("getpid", 39, 172), new("getppid", 110, 173),
        new("getpriority", 140, 141), new("getrandom", 318, 278), new("getrlimit", 97, 163),
        new("getrusage", 98, 165), new("gettid", 186, 178), new("gettimeofday", 96, 169), new("madvise", 28, 233),
        new("mbind", 237, 235), new("membarrier", 324, 283), new("mincore", 27, 232), new("mmap", 9, 222),
        new("mprotect", 10, 226), new("mremap", 25, 216), new("munmap", 11, 215), new("nanosleep", 35, 101),
        new("pipe2", 293, 59), new("restart_syscall", 219, 128), new("rseq", 334, 293), new("rt_sigaction", 13, 134),
        new("rt_sigpending", 127, 136), new("rt_sigprocmask", 14, 135), new("rt_sigreturn", 15, 139),
        new("rt_sigsuspend", 130, 133), new("rt_sigtimedwait", 128, 137), new("sched_get_priority_max", 146, 125),
        new("sched_get_priority_min", 147, 126), new("sched_getaffinity", 204, 123), new("sched_getparam", 143, 121),
        new("sched_getscheduler", 145, 120), new("sched_setaffinity", 203, 122), new("sched_yield", 24, 124),
        new("set_robust_list", 273, 99), new("set_tid_address", 218, 96), new("sigaltstack", 131, 132),
        new("sysinfo", 99, 179), new("time", 201, -1), new("times", 100, 153), new("uname", 63, 160),
    ];

    /// <summary>Without a sandbox the runtime's port for diagnostics is open, and its file goes at the end.</summary>
    public static readonly SystemCall[] Diagnostics =
    [
        new("accept", 43, 202), new("recvfrom", 45, 207), new("sendto", 44, 206), new("unlink", 87, -1),
    ];

    public static readonly SystemCall Clone = new("clone", 56, 220);
    public static readonly SystemCall Clone3 = new("clone3", 435, 435);
    public static readonly SystemCall Ioctl = new("ioctl", 16, 29);
    public static readonly SystemCall Kill = new("kill", 62, 129);
    public static readonly SystemCall OpenByHandleAt = new("open_by_handle_at", 304, 265);
    public static readonly SystemCall Prctl = new("prctl", 157, 167);
    public static readonly SystemCall Prlimit64 = new("prlimit64", 302, 261);
    public static readonly SystemCall SchedSetscheduler = new("sched_setscheduler", 144, 119);
    public static readonly SystemCall Tgkill = new("tgkill", 234, 131);
    public static readonly SystemCall Tkill = new("tkill", 200, 130);
}
