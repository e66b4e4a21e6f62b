"""What comparisons of trainings share: one folder per comparison, trainings that continue where they were stopped."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from schanger_mm.analysis.curves import read_runs
from schanger_mm.checkpoints.pointer import last_checkpoint
from schanger_mm.checkpoints.transfer import ENCODER, transfer_file
from schanger_mm.config.loading import load_config, option_word
from schanger_mm.utils.children import run_logged
from schanger_mm.utils.errors import JsonError, SettingError
from schanger_mm.utils.files import as_json, read_table, write_atomic

DONE = 'done'
"""File in the work directory of a training that has ended; one that was stopped has checkpoints, too."""
_ONE_AT_A_TIME = Lock()  # mmengine's default scope and torch's list of safe types are global in the process


@dataclass
class Training:
    """One training of a comparison.

    Args:
        config: its config file.
        work_dir: folder of its checkpoints, logs and results.
        options: settings that differ from the config's, as in ``--cfg-options``; paths become absolute.
        max_iters: length in iterations; None for the config's.
    """

    config: Path
    work_dir: Path
    options: Mapping[str, object]
    max_iters: int | None = None

    def run(self, repo: Path, threads: int, nice: int | None = None) -> None:
        """Train to the end, from the newest checkpoint if there is one.

        Args:
            repo: the checkout, which holds ``tools``.
            threads: threads of the CPU.
            nice: priority to add; the training then also ends with this process. None for a plain child.

        Raises:
            CommandError: it failed; the end of its log is printed.
        """
        shorter = ['--max-iters', str(self.max_iters)] if self.max_iters is not None else []
        words = [sys.executable, '-m', 'schanger_mm', 'train', str(self.config), '--work-dir',
                 str(self.work_dir.resolve()), '--resume', *shorter, '--cfg-options',
                 *(option_word(key, value.resolve() if isinstance(value, Path) else value)
                   for key, value in self.options.items())]
        run_logged(words, repo, self.work_dir / 'train.log', threads, nice)

    def curve(self, name: str) -> list[tuple[int, float]]:
        """Return a scalar of the log, ``(iteration, value)``; the logs of a training that was continued are joined.

        Raises:
            SettingError: nothing of this name is in the log.
        """
        (run, ) = read_runs([self.work_dir])
        if not (curve := run.curves.get(name)):
            raise SettingError(f'{self.work_dir}: the training ended without an evaluation, {name} is not in its log; '
                               f'does {self.config} evaluate at its last iteration?')
        return curve


def claim(record: Path, settings: Mapping[str, object], what: str, results: Iterable[str] = ()) -> None:
    """Record the settings of a comparison in its folder, or reject a folder with other content.

    Args:
        record: JSON file in that folder.
        settings: what must not change while its results are kept.
        what: name of the comparison, for messages.
        results: patterns of names that belong to results.

    Raises:
        SettingError: the folder holds a comparison with other settings, results of something else, or cannot be
            written.
    """
    out = record.parent
    if record.is_file():
        try:
            found = read_table(record)
        except JsonError as error:
            raise SettingError(f'{record}: not the record of a {what} ({error}); choose another --out, or move the '
                               'folder away.') from error
        if different := [key for key in {**settings, **found} if found.get(key) != settings.get(key)]:
            raise SettingError(f'{out} holds a {what} with other {", ".join(different)}, whose results would '
                               'be taken for finished; choose another --out, or move it away.')
        return
    if foreign := sorted({path.name for pattern in results for path in out.glob(pattern)}):
        raise SettingError(f'{out} holds {", ".join(foreign)}, but no {record.name}: results of something '
                           'else, which would be written over; choose another --out, or move them away.')
    try:
        write_atomic(record, as_json(dict(settings)))
    except OSError as error:
        raise SettingError(f'{record} cannot be written ({error}); expected --out to name a folder.') from error


def initial_weights(work_dir: Path, config: Path, parts: Sequence[str] = ENCODER) -> Path:
    """Make the initial weights for a config from the last checkpoint of a pre-training, once.

    Args:
        work_dir: folder of the pre-training.
        config: config that will load them.
        parts: parts of the network to take.

    Returns:
        The file.
    """
    target = work_dir / f'for_{config.stem}.pth'
    with _ONE_AT_A_TIME:
        if not target.is_file():
            transfer_file(last_checkpoint(work_dir), str(config), load_config(config), str(target), parts)
    return target
