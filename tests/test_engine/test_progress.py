"""The progress bar of a training."""

import errno
import io
import logging
import re
import sys
from pathlib import Path

import pytest

from schanger_mm.engine import progress
from schanger_mm.engine.progress import progress_bar

LONG = 'a line that is longer than the terminal ' * 4


class Terminal(io.StringIO):
    """A terminal that keeps what is drawn; after ``lives`` writes it is gone."""

    lives = None

    def isatty(self):
        return True

    def write(self, text):
        if self.lives == 0:
            raise OSError(errno.EIO, 'Input/output error')
        self.lives = self.lives and self.lives - 1
        return super().write(text)


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv('COLUMNS', '100')
    monkeypatch.setenv('TERM', 'xterm')
    monkeypatch.setattr(progress, 'INTERVAL', 0)
    return Terminal()


@pytest.fixture
def start(terminal, toy_runner, monkeypatch):
    """Return a function that builds a Runner whose output goes to the terminal, or elsewhere."""
    def build(out=terminal, err=terminal, **options):
        monkeypatch.setattr(sys, 'stdout', out)  # here, for pytest sets its own after fixtures
        monkeypatch.setattr(sys, 'stderr', err)
        return toy_runner(**options)
    return build


@pytest.fixture
def talker():
    """A hook that logs a line after the third iteration."""
    class Talker(progress.Hook):
        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            if batch_idx == 2:
                runner.logger.warning(LONG)
    return Talker()


def train(runner):
    with progress_bar(runner):
        runner.train()
    return runner


def plain(text):
    return re.sub(r'\x1b\[[0-9;?]*[a-zA-Z]', '', text)


def test_iterations_time_left_and_validation_are_drawn(terminal, start):
    train(start(iters=4, val_interval=2))
    lines = [line.strip() for line in plain(terminal.getvalue()).splitlines()]
    seen = [match.group(1) for line in lines if (match := re.search(r'training .* (\d/4)', line))]
    assert list(dict.fromkeys(seen)) == ['0/4', '1/4', '2/4', '3/4', '4/4']
    assert any(re.fullmatch(r'training .* 3/4 0:00:0\d left 0:00:0\d', line) for line in lines)
    assert any(re.match('validation .* 2/2', line) for line in lines)
    assert re.fullmatch(r'training .* 4/4 .* left 0:00:00', lines[-1])


def test_log_lines_stay_whole_above_the_bar_and_alone_in_the_file(terminal, start, talker):
    runner = train(start(hooks=[talker]))
    assert sum(line.endswith(LONG.rstrip()) for line in map(str.rstrip, plain(terminal.getvalue()).splitlines())) == 1
    (log, ) = Path(runner.log_dir).glob('*.log')
    assert LONG in log.read_text() and '\x1b' not in log.read_text() and 'left' not in log.read_text()
    (handler, ) = [handler for handler in runner.logger.handlers if type(handler) is logging.StreamHandler]
    assert handler.stream is terminal and sys.stdout is terminal and sys.stderr is terminal


def test_it_is_drawn_a_few_times_a_second_only(terminal, start, monkeypatch):
    monkeypatch.setattr(progress, 'INTERVAL', 1000)
    train(start(iters=8, val_interval=8))
    assert not re.search('[2-7]/8', plain(terminal.getvalue())) and '8/8' in plain(terminal.getvalue())


def test_a_resumed_training_begins_where_it_stands(terminal, start):
    runner = start(iters=4, val_interval=4)
    runner.train_loop._iter = 2
    train(runner)
    assert '2/4' in plain(terminal.getvalue()) and not re.search('[01]/4', plain(terminal.getvalue()))


@pytest.mark.parametrize('name', ['out', 'err'])
def test_without_a_terminal_lines_are_plain(terminal, start, talker, name):
    elsewhere = io.StringIO()
    train(start(hooks=[talker], **{name: elsewhere}))
    said = (elsewhere if name == 'out' else terminal).getvalue()
    assert 'training' not in said and '\x1b[2K' not in said and said.rstrip().endswith(LONG.rstrip())


def test_other_processes_and_dumb_terminals_have_none(terminal, start, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(progress, 'is_main_process', lambda: False)
        train(start())
    monkeypatch.setenv('TERM', 'dumb')
    train(start(name='other'))
    assert 'training' not in terminal.getvalue()


def test_a_terminal_that_goes_away_does_not_end_the_training(terminal, start):
    terminal.lives = 5
    runner = train(start(iters=4))
    assert runner.iter == 4 and terminal.lives == 0


def test_after_a_failure_everything_is_as_before(terminal, start):
    runner = start()
    with pytest.raises(KeyboardInterrupt), progress_bar(runner):
        raise KeyboardInterrupt
    (handler, ) = [handler for handler in runner.logger.handlers if type(handler) is logging.StreamHandler]
    assert handler.stream is terminal and sys.stdout is terminal
