"""Handling the processes that measure: starting, asking, watching, ending them."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from typing import Any

from schanger_mm.benchmark.memory import GIB, resident
from schanger_mm.benchmark.worker import Failed, Job, work

_LOOK = 0.05  # s between two looks at the memory of a worker


class WorkerError(RuntimeError):
    """A worker gives no answer; the message says why."""


class Worker:
    """A process of its own, spawned, that answers one request at a time.

    Args:
        job: what it does.
        memory_limit: resident bytes at which it is ended; None: no limit.
        timeout: seconds after which an answer is given up.
        target: what runs in the process, called with the pipe and the job.
    """

    def __init__(self, job: Job, memory_limit: int | None = None, timeout: float = 3600.0,
                 target: Callable = work):
        context = multiprocessing.get_context('spawn')
        self._pipe, theirs = context.Pipe()
        self.memory_limit, self.timeout = memory_limit, timeout
        self.process = context.Process(target=target, args=(theirs, job), daemon=True)
        self.process.start()
        theirs.close()  # so that the pipe ends with the process

    def ask(self, name: str, *arguments: Any) -> Any:
        """Send a request and wait for its answer.

        Raises:
            WorkerError: the worker failed, died, took too much memory or too long; it has been ended.
        """
        try:
            self._pipe.send((name, arguments))
        except OSError as error:
            raise WorkerError(self._how_it_ended()) from error
        return self.answer()

    def answer(self) -> Any:
        """Wait for an answer; the first one comes without a request, when the network is built.

        Raises:
            WorkerError: see :meth:`ask`.
        """
        end = time.monotonic() + self.timeout
        try:
            while not self._pipe.poll(_LOOK):
                if self.memory_limit is not None and (resident(str(self.process.pid)) or 0) > self.memory_limit:
                    raise WorkerError(f'out of memory: more than the limit of {self.memory_limit / GIB:.3g} GiB')
                if time.monotonic() > end:
                    raise WorkerError(f'no answer in {self.timeout:g} s')
            answer = self._pipe.recv()
            if isinstance(answer, Failed):
                raise WorkerError(answer.reason)
        except (EOFError, ConnectionResetError) as error:
            raise WorkerError(self._how_it_ended()) from error
        except WorkerError:
            self.end()
            raise
        return answer

    def end(self) -> None:
        """End the process, whatever it does; it writes nothing that could be left half."""
        self.process.kill()
        self.process.join()
        self._pipe.close()

    def _how_it_ended(self) -> str:
        self.process.join(5)
        status = self.process.exitcode
        self.end()
        if status is not None and status < 0:
            return f'killed by signal {-status}{" (out of memory?)" if status == -9 else ""}'
        return f'ended with status {status}'
