"""End a training with a checkpoint on Ctrl-C and SIGTERM."""

from __future__ import annotations

import atexit
import os
import select
import signal
import sys
import threading
import time
from contextlib import suppress
from multiprocessing import active_children
from types import FrameType
from typing import Any

import torch
import torch.distributed as torch_dist
from mmengine.dist import all_reduce, get_world_size
from mmengine.hooks import EMAHook, Hook

from schanger_mm.engine.hooks.checkpoint_hook import AtomicCheckpointHook
from schanger_mm.registry import HOOKS

TOGETHER = 1.0
"""Seconds in which signals are one request: ``timeout`` sends it to its child, and then to the whole group."""
EXIT = 20.0
"""Seconds that the exit of Python may take behind the checkpoint, before what holds it up is killed."""
SIGNALS = {signal.SIGINT: 'Ctrl-C', signal.SIGTERM: 'SIGTERM'}


class Stopped(KeyboardInterrupt):
    """A training was stopped by a signal.

    Args:
        message: what was saved and how to continue.
        status: exit status that shells expect, 128 + the signal's number.
    """

    def __init__(self, message: str, status: int = 128 + signal.SIGINT) -> None:
        super().__init__(message)
        self.status = status


@HOOKS.register_module()
class StopSignalHook(Hook):
    """At the first SIGINT or SIGTERM finish the update, save a checkpoint and leave; at one after that die at once.

    Those within :data:`TOGETHER` seconds of the first one belong to it.

    The checkpoint is what :class:`AtomicCheckpointHook` writes, so that
    ``--resume`` finds it and the run continues as if it had never stopped. With
    accumulated gradients the update is completed first. During a validation
    the checkpoint is written without waiting for its end; the resumed run
    starts with it. A run that has not yet started its first iteration ends
    after it.

    Raises:
        Stopped: after saving the checkpoint.
    """

    priority = 'LOWEST'  # behind the checkpoint that may be due anyway, and what others add to it

    def __init__(self) -> None:
        self._received = 0
        self._saved_iter = -1
        self._main_process = os.getpid()
        self._handlers: dict[int, Any] = {}
        self._alarm: int | None = None
        self._group: Any = None

    def before_train(self, runner) -> None:
        """Install the signal handlers."""
        self._main_process = os.getpid()
        if get_world_size() > 1:  # gloo's processes ask each other; NCCL's would wait for their GPUs
            self._group = torch_dist.new_group(backend='gloo')
        if threading.current_thread() is not threading.main_thread():
            return  # Python gives signals to the main thread only
        for number in SIGNALS:
            if (before := signal.getsignal(number)) not in (signal.SIG_IGN, None):  # nohup ignores it on purpose
                self._handlers[number] = before
                signal.signal(number, self._receive)

    def after_train(self, runner) -> None:
        """Restore the signal handlers."""
        self.release()

    def release(self) -> None:
        """Restore the previous handlers; also called after a training that failed."""
        for number, before in self._handlers.items():
            signal.signal(number, before)
        self._handlers.clear()
        if self._alarm is not None:
            signal.set_wakeup_fd(-1)
            os.close(self._alarm)  # ends the thread
            self._alarm = None

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Record that a checkpoint is saved."""
        self._saved_iter = checkpoint['meta']['iter']

    def after_train_iter(self, runner, batch_idx: int, data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        """Save and stop, if requested and no gradients are partly accumulated."""
        if self._asked() and runner.optim_wrapper.should_update():
            self._stop(runner, runner.iter + 1)

    def after_val_iter(self, runner, batch_idx: int, data_batch: dict | None = None,
                       outputs: list | None = None) -> None:
        """Stop a validation that belongs to a training; its partial results are not needed."""
        if self._handlers and get_world_size() == 1 and self._received:  # numbers of batches may differ
            for hook in runner.hooks:
                if isinstance(hook, EMAHook):
                    hook.after_val_epoch(runner)  # swap the training weights and their average back
            self._stop(runner, runner.iter)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._main_process or self._alarm is not None:
            return  # a worker that was forked from here, whose batches are still wanted; or one of several signals
        self._received = number
        self._quit_at_the_next()
        text = (f'\n{SIGNALS[signal.Signals(number)]}: finishing this iteration and saving; a second signal quits at '
                'once.\n')
        with suppress(OSError):  # a pipe whose reader has got the signal as well
            # or does not read; Windows selects among sockets only
            if sys.platform == 'win32' or select.select([], [2], [], 0)[1]:
                os.write(2, text.encode())  # print() may be what was interrupted

    def _quit_at_the_next(self) -> None:
        """Let a thread end the process, for its main thread may be where no Python code is run: waiting for others."""
        reader, self._alarm = os.pipe()
        if hasattr(os, 'set_blocking'):  # on Windows only since Python 3.12, and not asked for there
            os.set_blocking(self._alarm, False)
        signal.set_wakeup_fd(self._alarm, warn_on_full_buffer=False)
        first = time.monotonic()

        def wait() -> None:
            with os.fdopen(reader, 'rb', buffering=0) as numbers:
                while number := numbers.read(1):
                    if number[0] in SIGNALS and time.monotonic() - first > TOGETHER:
                        os._exit(128 + number[0])

        threading.Thread(target=wait, daemon=True).start()

    def _asked(self) -> bool:
        """Return whether any process got a signal."""
        if get_world_size() == 1:
            return bool(self._received)
        number = torch.tensor(float(self._received))
        all_reduce(number, 'max', self._group)
        self._received = int(number)
        return bool(self._received)

    def _stop(self, runner, done: int) -> None:
        name = SIGNALS[signal.Signals(self._received)]
        saver = next((hook for hook in runner.hooks if isinstance(hook, AtomicCheckpointHook)), None)
        self._received, number = 0, self._received
        atexit.register(_leave_in_time, 128 + number)
        if saver is None:
            raise Stopped(f'{name}: stopped after iteration {done}. Nothing was saved, because '
                          'default_hooks.checkpoint is not an AtomicCheckpointHook.', 128 + number)
        if self._saved_iter != done:
            saver.save_now(runner, done)
        raise Stopped(f'{name}: stopped after iteration {done} and saved {saver.last_ckpt}. The same command with '
                      '--resume continues from there.', 128 + number)


def _leave_in_time(status: int) -> None:
    """Bound what is called at exit, such as the joins of processes and threads."""
    def leave() -> None:
        time.sleep(EXIT)
        for child in active_children():
            child.kill()
        time.sleep(1)
        os._exit(status)

    threading.Thread(target=leave, daemon=True).start()
