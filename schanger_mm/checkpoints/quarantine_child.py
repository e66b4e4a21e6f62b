"""Unpickles one file in a process of its own and writes its tensors; run by :mod:`schanger_mm.checkpoints.quarantine`.

A program without imports of this package: it runs isolated, in an empty
folder, and is told the two files. What it may do is cut down before the file
is opened. That is no prison: it makes the usual attacks fail.
"""

import ctypes
import json
import os
import sys

CPU_SECONDS = 300
GIB = 1 << 30
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
WRITES = os.O_WRONLY | os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC
FORBIDDEN = ('socket.', 'subprocess.', 'pty.', 'ctypes.', 'os.system', 'os.exec', 'os.posix_spawn', 'os.spawn',
             'os.fork', 'os.startfile', 'os.remove', 'os.rename', 'os.rmdir', 'os.mkdir', 'os.link', 'os.symlink',
             'os.chmod', 'os.chown', 'os.truncate', 'os.kill', 'os.killpg', 'os.utime', 'os.setxattr', 'shutil.',
             'webbrowser.', 'winreg.', 'signal.', 'sys.settrace', 'sys.setprofile')
"""Python's audit events that a file of weights has no business with."""


def leave_the_network() -> bool:
    """Move to a network without any connection; only Linux has them, and not every container lets one."""
    try:
        return ctypes.CDLL(None).unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0
    except (OSError, AttributeError, TypeError):
        return False


def mapped() -> int:
    """Return the bytes of memory that this process has reserved, by importing torch for the most part."""
    try:
        with open('/proc/self/statm') as stream:
            return int(stream.read().split()[0]) * os.sysconf('SC_PAGE_SIZE')
    except OSError:
        return 8 * GIB


def limit(size: int) -> bool:
    """Limit time, memory, the size and number of files, and processes; nothing on Windows."""
    try:
        import resource
    except ImportError:
        return False
    limits = dict(RLIMIT_CPU=CPU_SECONDS, RLIMIT_AS=mapped() + GIB + 6 * size, RLIMIT_FSIZE=4 * size + GIB // 16,
                  RLIMIT_NOFILE=128, RLIMIT_CORE=0, RLIMIT_NPROC=0)
    for name, most in limits.items():
        if kind := getattr(resource, name, None):
            hard = resource.getrlimit(kind)[1]
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(kind, (most, most))
    return True


def forbid(folder: str) -> None:
    """Refuse processes, connections, and writing outside of ``folder``, from here to the end."""
    inside, realpath = os.path.realpath(folder) + os.sep, os.path.realpath
    forbidden, writes = FORBIDDEN, WRITES

    def check(event: str, arguments: tuple) -> None:
        if event == 'open':
            path, _, flags = arguments
            if isinstance(flags, int) and flags & writes and not isinstance(path, int):
                place = str(realpath(path))
                if not place.startswith(inside):
                    raise PermissionError(f'the file tried to write {place}')
        elif event.startswith(forbidden):
            raise PermissionError(f'the file tried {event}')

    sys.addaudithook(check)


def tensors_of(content: object) -> tuple:
    """Return the state dict in what was unpickled, and the names of what else there was."""
    import torch
    if isinstance(content, torch.nn.Module):
        content = content.state_dict()
    left = []
    for key in ('state_dict', 'model_state_dict', 'model', 'net', 'params'):
        if isinstance(content, dict) and key in content:
            left = [str(name) for name in content if name != key]
            content = content[key]
            break
    if isinstance(content, torch.nn.Module):
        content = content.state_dict()
    entries = dict(content) if isinstance(content, dict) else {}
    left += [str(name) for name, value in entries.items() if not isinstance(value, torch.Tensor)]
    return {str(name): value.detach().cpu().contiguous().clone() for name, value in entries.items()
            if isinstance(value, torch.Tensor)}, left


def main(source: str, target: str, answer: str) -> None:
    """Read ``source``, write its tensors to ``target`` and what was done to ``answer``."""
    alone = leave_the_network()  # before torch starts threads
    import torch
    from safetensors.torch import save_file
    done = dict(network=alone, limits=limit(os.path.getsize(source)), entries=0, left=[], problem=None)
    sys.dont_write_bytecode = True
    forbid(os.path.dirname(target))
    try:
        state, done['left'] = tensors_of(torch.load(source, map_location='cpu', weights_only=False))
        done['entries'] = len(state)
        if state:
            save_file(state, target)
    except BaseException as error:  # the file may raise whatever it likes, SystemExit included
        done['problem'] = f'{type(error).__name__}: {error}'
    with open(answer, 'w', encoding='utf-8') as stream:
        json.dump(done, stream)


if __name__ == '__main__':
    main(*sys.argv[1:])
