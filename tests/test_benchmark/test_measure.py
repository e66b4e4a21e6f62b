"""Turns, ratios and failures, with workers that are made up."""

import numpy as np
import pytest

from schanger_mm.benchmark import measure
from schanger_mm.benchmark.cost import Cost
from schanger_mm.benchmark.crew import WorkerError
from schanger_mm.benchmark.measure import Comparison, Conditions, Row, compare
from schanger_mm.benchmark.subject import Subject
from schanger_mm.benchmark.variants import VARIANTS

SUBJECT, COST = Subject('net'), Cost(dates=2, flops=10**9, values=10**6)
NAMES = ('plain', 'channels-last', 'fast')
TOGETHER = 100  # bytes that are free


class FakeWorker:
    """Answers at once; every call takes 0.5 s by its own account."""

    log: list = []
    failures: dict = {}
    peak = 10

    def __init__(self, job, memory_limit, timeout):
        self.name, self.limit, self.ended = job.variant.name, memory_limit, False

    def answer(self):
        return 'tuned' if self.name == 'fast' else 'default'

    def ask(self, name, *arguments):
        self.log.append((self.name, name, *arguments))
        if self.failures.get(self.name) == len([entry for entry in self.log if entry[0] == self.name]):
            raise WorkerError('gone')
        if name == 'warm_up':
            return dict(peak=self.peak, result=np.full((1, 4, 4), 0.25 if self.name == 'fast' else 0.5, np.float32))
        return float(len(self.log)), 0.5

    def end(self):
        self.log.append((self.name, 'end'))


@pytest.fixture
def crew(monkeypatch):
    monkeypatch.setattr(measure, 'Worker', FakeWorker)
    monkeypatch.setattr(measure, 'available', lambda device: TOGETHER)
    monkeypatch.setattr(FakeWorker, 'log', [])
    monkeypatch.setattr(FakeWorker, 'failures', {})
    return FakeWorker


def run(rounds=3):
    variants = [VARIANTS['inference'][name] for name in NAMES]
    return compare(SUBJECT, 'inference', 64, 1, COST, variants, Conditions(rounds=rounds), lambda text: None)


def test_variants_take_turns_in_an_order_that_is_reversed_each_round(crew):
    result = run()
    turns = [entry[0] for entry in crew.log if entry[1] == 'turn']
    assert turns == [*NAMES, *NAMES, *NAMES[::-1], *NAMES]  # the first time around is not timed
    assert result.order == [[*NAMES], [*NAMES[::-1]], [*NAMES]] and result.kept
    assert [row.started for row in result.rows] == [[7.0, 12.0, 13.0], [8.0, 11.0, 14.0], [9.0, 10.0, 15.0]]
    assert [row.malloc for row in result.rows] == ['default', 'default', 'tuned']
    assert [row.difference for row in result.rows] == [0, 0, 0.25]
    assert crew.log[-3:] == [(name, 'end') for name in NAMES]


def test_memory_goes_back_after_each_turn_where_it_does_not_suffice_for_all(crew, monkeypatch):
    monkeypatch.setattr(crew, 'peak', TOGETHER // 3)
    result = run(rounds=1)
    assert not result.kept
    assert [entry for entry in crew.log if entry[1] == 'turn'] == [(name, 'turn', True, True) for name in NAMES]


def test_variants_that_fail_are_rows_and_the_others_go_on(crew):
    crew.failures = {'channels-last': 1, 'fast': 3}
    result = run()
    assert [row.failure for row in result.rows] == [None, 'gone', 'gone']
    assert result.order == [['plain', 'fast'], ['plain'], ['plain']]
    assert [len(row.seconds) for row in result.rows] == [3, 0, 0]
    assert result.rows[1].difference is None
    assert result.figures(result.rows[2], dict(fp32=1.0, copy=1.0))['median'] is None


def test_workers_are_ended_when_the_user_interrupts(crew, monkeypatch):
    monkeypatch.setattr(crew, 'ask', lambda self, *request: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run()
    assert crew.log == [(name, 'end') for name in NAMES]


def test_figures_are_ratios_of_medians_and_shares_of_ceilings():
    plain = Row(VARIANTS['inference']['plain'], seconds=[1.0, 2.0, 9.0], peak=400)
    fast = Row(VARIANTS['inference']['fast-bf16'], seconds=[0.5, 0.4, 0.9], peak=100)
    comparison = Comparison(SUBJECT, 'inference', 1000, 2, COST, [plain, fast])
    figures = comparison.figures(fast, dict(fp32=1e12, bf16=1e10, copy=1e8))
    assert figures == pytest.approx(dict(
        median=0.5, min=0.4, max=0.9, speed_up=4.0, peak_ratio=0.25, pairs_per_second=4.0, megapixels_per_second=4.0,
        flops_per_second=2e9, matmul_share=0.2, bytes_per_second=4e6, copy_share=0.04))
    assert comparison.figures(plain, dict(fp32=1e12, copy=1e8))['copy_share'] == pytest.approx(0.02)  # 4 bytes each
    alone = Comparison(SUBJECT, 'inference', 1000, 2, COST, [fast]).figures(fast, dict(bf16=1e10, copy=1e8))
    assert alone['speed_up'] is None and alone['peak_ratio'] is None and alone['median'] == 0.5
