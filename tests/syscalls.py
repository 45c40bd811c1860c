"""A run that stops before certain system calls until it is told how to go on: seccomp_unotify(2).

All others cost it nothing, which is why a fault at one call of a run is brought about here and not by strace.
Each call is counted by itself, in the run's first thread alone, as ``strace -p`` does it.

Debian: libseccomp2.
"""

import ctypes
import errno
import os
import signal
import socket
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from ctypes import POINTER, byref, c_int, c_int32, c_int64, c_size_t, c_uint, c_uint32, c_uint64, c_void_p
from functools import cache
from select import POLLIN, poll

GO_ON, KILL = 0, -signal.SIGKILL
Registers = tuple[int, ...]
"""Where in the program a call is, and its six arguments."""
Answer = Callable[[str, int, Registers], int]
"""From a system call and how manieth of its kind it is to GO_ON, KILL, or an errno that it fails with."""
_ALLOW, _NOTIFY, _NO_NEW_PRIVS, _CONTINUE = 0x7FFF0000, 0x7FC00000, 3, 1


class _Notice(ctypes.Structure):
    _fields_ = (
        ("id", c_uint64), ("pid", c_uint32), ("flags", c_uint32),
        ("nr", c_int), ("arch", c_uint32), ("pointer", c_uint64), ("args", c_uint64 * 6),
    )  # fmt: skip


class _Reply(ctypes.Structure):
    _fields_ = (("id", c_uint64), ("val", c_int64), ("error", c_int32), ("flags", c_uint32))


@cache
def library() -> ctypes.CDLL:
    """Return libseccomp."""
    found = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    found.seccomp_init.argtypes, found.seccomp_init.restype = (c_uint32,), c_void_p
    found.seccomp_attr_set.argtypes = (c_void_p, c_int, c_uint32)
    found.seccomp_rule_add_array.argtypes = (c_void_p, c_uint32, c_int, c_uint, c_size_t)
    found.seccomp_load.argtypes = found.seccomp_notify_fd.argtypes = (c_void_p,)
    found.seccomp_notify_alloc.argtypes = (POINTER(POINTER(_Notice)), POINTER(POINTER(_Reply)))
    found.seccomp_notify_receive.argtypes = (c_int, POINTER(_Notice))
    found.seccomp_notify_respond.argtypes = (c_int, POINTER(_Reply))
    found.seccomp_api_get()  # has it find out what the kernel can, without which it refuses to receive
    return found


def _number(call: str) -> int:
    number: int = library().seccomp_syscall_resolve_name(call.encode())
    return number


def numbers(calls: Sequence[str]) -> dict[int, str]:
    """Return the calls that this architecture has, by number."""
    return {number: call for call in calls if (number := _number(call)) >= 0}


def stop_before(calls: Sequence[int], teller: socket.socket) -> None:
    """Have this process stop before these calls from now on; what tells how to go on gets the descriptor."""
    ours = library()
    rules = ours.seccomp_init(_ALLOW)
    ours.seccomp_attr_set(rules, _NO_NEW_PRIVS, 0)
    for number in calls:
        assert ours.seccomp_rule_add_array(rules, _NOTIFY, number, 0, 0) == 0
    assert ours.seccomp_load(rules) == 0
    descriptor = ours.seccomp_notify_fd(rules)
    socket.send_fds(teller, [b"."], [descriptor])
    os.close(descriptor)


def tell(process: int, listener: socket.socket, calls: Mapping[int, str], answer: Answer) -> None:
    """Tell a process, and its children, how to go on until all of them have ended."""
    _, (descriptor,), _, _ = socket.recv_fds(listener, 1, 1)
    notice, reply = POINTER(_Notice)(), POINTER(_Reply)()
    assert library().seccomp_notify_alloc(byref(notice), byref(reply)) == 0
    waiting, seen = poll(), Counter[str]()
    waiting.register(descriptor, POLLIN)
    while waiting.poll()[0][1] & POLLIN:
        ctypes.memset(notice, 0, ctypes.sizeof(_Notice))
        if library().seccomp_notify_receive(descriptor, notice):
            assert ctypes.get_errno() in {errno.ENOENT, errno.EINTR}  # killed meanwhile
            continue
        told = GO_ON
        if notice[0].pid == process:
            call = calls[notice[0].nr]
            seen[call] += 1
            told = answer(call, seen[call], (notice[0].pointer, *notice[0].args))
        if told == KILL:
            os.kill(process, signal.SIGKILL)
            continue
        reply[0].id, reply[0].val, reply[0].error = notice[0].id, 0, -told
        reply[0].flags = 0 if told else _CONTINUE
        library().seccomp_notify_respond(descriptor, reply)
    os.close(descriptor)
    library().seccomp_notify_free(notice, reply)
