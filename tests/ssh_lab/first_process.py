"""The first process of a place, run alone: it mounts, starts one program, tells that it did, and reaps for ever.

What it reads is JSON:

- `hostname`;
- `steps`, in their order: `["tmpfs", PATH, OPTIONS]`, and `["bind", PATH, SOURCE, WRITABLE]`;
  sources are as seen from outside;
- `program`: what it starts as root, or nothing.

Everything that no step makes is read-only. It writes one line to its output: its number as seen from outside.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import stat
import sys
from pathlib import Path

# linux/mount.h, linux/fcntl.h; these system calls have the same number on all architectures.
SYS_OPEN_TREE, SYS_MOVE_MOUNT, SYS_MOUNT_SETATTR = 428, 429, 442
AT_FDCWD, AT_RECURSIVE = -100, 0x8000
OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC = 1, os.O_CLOEXEC
MOVE_MOUNT_F_EMPTY_PATH = 4
MOUNT_ATTR_RDONLY = 1
MS_NOSUID, MS_NODEV, MS_NOEXEC = 2, 4, 8

libc = ctypes.CDLL(None, use_errno=True)


def check(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), what)
    return result


def mount(kind: str, path: str, options: str, flags: int = MS_NOSUID | MS_NODEV) -> None:
    arguments = kind.encode(), path.encode(), kind.encode(), ctypes.c_ulong(flags), options.encode()
    check(libc.mount(*arguments), f"mount {kind} at {path}")


def copy_tree(path: str) -> int:
    """A mount that is nowhere yet, of what is at the path now, with whether it may be written to."""
    flags = ctypes.c_long(OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE)
    tree = libc.syscall(ctypes.c_long(SYS_OPEN_TREE), ctypes.c_long(AT_FDCWD), path.encode(), flags)
    return check(tree, f"copy the mount of {path}")


def put_tree(tree: int, path: str) -> None:
    """Mount it at a path, which is made where there is nothing."""
    if stat.S_ISDIR(os.fstat(tree).st_mode):
        Path(path).mkdir(parents=True, exist_ok=True)
    elif not Path(path).exists():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).touch()
    here, flags = ctypes.c_long(AT_FDCWD), ctypes.c_long(MOVE_MOUNT_F_EMPTY_PATH)
    moved = libc.syscall(ctypes.c_long(SYS_MOVE_MOUNT), ctypes.c_long(tree), b"", here, path.encode(), flags)
    check(moved, f"mount at {path}")
    os.close(tree)


def make_all_read_only() -> None:
    attributes = (ctypes.c_uint64 * 4)(MOUNT_ATTR_RDONLY, 0, 0, 0)
    arguments = ctypes.c_long(AT_FDCWD), b"/", ctypes.c_long(AT_RECURSIVE), attributes, ctypes.c_long(32)
    check(libc.syscall(ctypes.c_long(SYS_MOUNT_SETATTR), *arguments), "make everything read-only")


def take_steps(steps: list[list[str]]) -> None:
    binds = [step[1:] for step in steps if step[0] == "bind"]
    # Before anything is covered, since sources may be below what will be.
    trees = {path: copy_tree(source) for path, source, writable in binds if writable}
    make_all_read_only()
    trees |= {path: copy_tree(source) for path, source, writable in binds if not writable}
    for kind, path, what, *_ in steps:
        if kind == "tmpfs":
            mount("tmpfs", path, what)
        else:
            put_tree(trees[path], path)
    mount("devpts", "/dev/pts", "newinstance,ptmxmode=0666,mode=0620,gid=5", 0)
    mount("proc", "/proc", "", MS_NOSUID | MS_NODEV | MS_NOEXEC)


def reap() -> None:
    """End what has ended, for ever."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        except ChildProcessError:
            pass
        signal.sigwait([signal.SIGCHLD])


def main() -> None:
    wanted = json.load(sys.stdin)
    number = Path("/proc/self").readlink()  # Still the outer /proc.
    os.umask(0o022)
    socket.sethostname(wanted["hostname"])
    take_steps(wanted["steps"])
    os.chdir("/")
    if program := wanted["program"]:
        Path("/run/sshd").mkdir()  # Where sshd locks what it runs as nobody in.
        nothing = os.open("/dev/null", os.O_RDWR)
        streams = [(os.POSIX_SPAWN_DUP2, nothing, stream) for stream in (0, 1, 2)]
        os.posix_spawn(
            program[0], program, {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, file_actions=streams, setsid=True
        )
    print(number, flush=True)
    reap()


if __name__ == "__main__":
    main()
