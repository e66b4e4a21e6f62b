"""Ctrl-C and SIGTERM end a training with a checkpoint."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import Any

import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.hooks import EMAHook, Hook

from schanger_mm.engine.checkpoint_hook import AtomicCheckpointHook
from schanger_mm.registry import HOOKS

SIGNALS = {signal.SIGINT: 'Ctrl-C', signal.SIGTERM: 'SIGTERM'}


class Stopped(KeyboardInterrupt):
    """A training has ended because it was asked to.

    Args:
        message: what was saved and how to go on.
        status: exit status that shells expect, 128 + the signal's number.
    """

    def __init__(self, message: str, status: int = 128 + signal.SIGINT) -> None:
        super().__init__(message)
        self.status = status


@HOOKS.register_module()
class StopSignalHook(Hook):
    """At the first SIGINT or SIGTERM finish the update, save a checkpoint and leave; at the second die at once.

    The checkpoint is what :class:`AtomicCheckpointHook` writes, so that
    ``--resume`` finds it and the run goes on as if it had never stopped. Of
    accumulated gradients the update is completed first. During a validation
    the checkpoint is written without waiting for its end; the resumed run
    starts with it. A run that has not yet begun its first iteration ends
    behind it.

    Raises:
        Stopped: behind the checkpoint.
    """

    priority = 'LOWEST'  # behind the checkpoint that may be due anyway, and what others add to it

    def __init__(self) -> None:
        self._received = 0
        self._saved_iter = -1
        self._main_process = os.getpid()
        self._handlers: dict[int, Any] = {}

    def before_train(self, runner) -> None:
        """Take the signals."""
        self._main_process = os.getpid()
        if threading.current_thread() is not threading.main_thread():
            return  # Python gives signals to the main thread only
        for number in SIGNALS:
            if (before := signal.getsignal(number)) not in (signal.SIG_IGN, None):  # nohup asks to be left alone
                self._handlers[number] = before
                signal.signal(number, self._receive)

    def after_train(self, runner) -> None:
        """Give the signals back."""
        self.release()

    def release(self) -> None:
        """Set the handlers that were there before; also for a training that an error has ended."""
        for number, before in self._handlers.items():
            signal.signal(number, before)
        self._handlers.clear()

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Notice what is saved."""
        self._saved_iter = checkpoint['meta']['iter']

    def after_train_iter(self, runner, batch_idx: int, data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        """Save and leave, if asked to and no update is half accumulated."""
        if self._asked() and runner.optim_wrapper.should_update():
            self._stop(runner, runner.iter + 1)

    def after_val_iter(self, runner, batch_idx: int, data_batch: dict | None = None,
                       outputs: list | None = None) -> None:
        """Leave a validation that belongs to a training; what it has computed so far is not needed."""
        if self._handlers and get_world_size() == 1 and self._received:  # processes have batches of unlike number
            for hook in runner.hooks:
                if isinstance(hook, EMAHook):
                    hook.after_val_epoch(runner)  # the weights that train change places with their average again
            self._stop(runner, runner.iter)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        for each in self._handlers:
            signal.signal(each, signal.SIG_DFL)
        if os.getpid() != self._main_process:
            return  # a worker that was forked from here; its batches are still wanted
        self._received = number
        text = f'\n{SIGNALS[signal.Signals(number)]}: finishing this iteration and saving; once more quits at once.\n'
        os.write(2, text.encode())  # print() may be what was interrupted

    def _asked(self) -> bool:
        """Whether any process got a signal."""
        if get_world_size() == 1:
            return bool(self._received)
        number = torch.tensor(float(self._received))
        all_reduce(number, 'max')
        self._received = int(number)
        return bool(self._received)

    def _stop(self, runner, done: int) -> None:
        name = SIGNALS[signal.Signals(self._received)]
        saver = next((hook for hook in runner.hooks if isinstance(hook, AtomicCheckpointHook)), None)
        self._received, number = 0, self._received
        if saver is None:
            raise Stopped(f'{name}: stopped after iteration {done}. Nothing was saved, because '
                          'default_hooks.checkpoint is no AtomicCheckpointHook.', 128 + number)
        if self._saved_iter != done:
            saver.save_now(runner, done)
        raise Stopped(f'{name}: stopped after iteration {done} and saved {saver.last_ckpt}. The same command with '
                      '--resume goes on from there.', 128 + number)
