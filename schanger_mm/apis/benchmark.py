"""A network against its plain form: time, memory, and how near both are to what the machine can do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from schanger_mm.benchmark.ceilings import measure_ceilings
from schanger_mm.benchmark.cost import count_cost
from schanger_mm.benchmark.machine import describe_machine, describe_versions, load_average
from schanger_mm.benchmark.measure import Comparison, Conditions, compare
from schanger_mm.benchmark.subject import Subject
from schanger_mm.benchmark.table import format_comparison, format_header
from schanger_mm.benchmark.variants import TASKS, choose
from schanger_mm.devices import find_device


@dataclass
class Benchmark:
    """What was measured.

    Args:
        command: that asked for it.
        conditions: rounds, threads, device, seed.
        machine, versions: where.
        ceilings: by precision floating-point operations per second, and
            ``copy``, bytes per second; each at the start and at the end.
        comparisons: one per network, task, size and batch.
        load_after: load average at the end.
    """

    command: str
    conditions: Conditions
    machine: dict[str, Any]
    versions: dict[str, str]
    ceilings: dict[str, list[float]]
    comparisons: list[Comparison] = field(default_factory=list)
    load_after: float | None = None

    @property
    def best(self) -> dict[str, float]:
        """The larger measurement of each ceiling."""
        return {name: max(values) for name, values in self.ceilings.items()}

    def as_dict(self) -> dict[str, Any]:
        """Everything, as JSON holds it."""
        conditions = self.conditions
        return dict(
            command=self.command, rounds=conditions.rounds, threads=conditions.threads, device=conditions.device,
            seed=conditions.seed, memory_limit_bytes=conditions.memory_limit, machine=self.machine,
            load_average_after=self.load_after, versions=self.versions, ceilings=self.ceilings,
            results=[comparison.as_dict(self.best) for comparison in self.comparisons])

    def __str__(self) -> str:
        header = format_header(self.command, self.machine, self.versions, self.conditions.threads,
                               self.conditions.rounds, self.ceilings)
        return '\n\n'.join([header, *(format_comparison(one, self.best) for one in self.comparisons)]) + '\n'


def benchmark(subjects: Sequence[Subject], tasks: Sequence[str] = ('inference', ), sizes: Sequence[int] = (256, ),
              batches: Sequence[int] = (1, ), variants: Sequence[str] | None = None,
              conditions: Conditions | None = None, command: str = '',
              say: Callable[[str], None] = lambda text: None,
              keep: Callable[[Benchmark], None] = lambda so_far: None) -> Benchmark:
    """Measure networks in their variants; see :func:`~schanger_mm.benchmark.measure.compare` for how.

    All that can be wrong with the request is found before anything is
    measured. The ceilings of the machine are measured before and after, since
    others may use it too.

    Args:
        subjects: networks.
        tasks: ``'inference'`` and ``'train'``.
        sizes: sides of the inputs, px.
        batches: pairs per call.
        variants: names of :data:`~schanger_mm.benchmark.variants.VARIANTS`; None: all that the device has.
        conditions: rounds, threads, device.
        command: kept with the results.
        say: told what is going on.
        keep: given the results so far after each comparison, so that an interruption does not lose them.

    Raises:
        ValueError: a number, size, name or device that is none; a network that does not run, weights that do not
            fit it.
    """
    conditions = conditions or Conditions()
    _check_numbers(tasks, sizes, batches, conditions)
    device = find_device(conditions.device, 'measure')
    chosen = choose(tasks, variants, device.type)
    plan = []
    for subject in subjects:
        _check_sizes(subject, sizes)
        plan += [(subject, task, size, batch, count_cost(subject, task, batch, size))
                 for task in tasks for size in sizes for batch in batches]
    precisions = list(dict.fromkeys(['fp32', *(variant.precision for some in chosen.values() for variant in some)]))
    say('measuring the ceilings of the machine')
    first = measure_ceilings(device, conditions.threads, precisions)
    result = Benchmark(command, conditions, describe_machine(device), describe_versions(),
                       {name: [value] for name, value in first.items()})
    for number, (subject, task, size, batch, cost) in enumerate(plan, 1):
        what = f'{number} of {len(plan)}: {subject.name}, {task}, {batch} x {size} px'
        result.comparisons.append(compare(subject, task, size, batch, cost, chosen[task], conditions,
                                          lambda text: say(f'{what}: {text}')))  # noqa: B023
        if number < len(plan):
            keep(result)
    for name, value in measure_ceilings(device, conditions.threads, precisions).items():
        result.ceilings[name].append(value)
    result.load_after = load_average()
    keep(result)
    return result


def _check_numbers(tasks: Sequence[str], sizes: Sequence[int], batches: Sequence[int],
                   conditions: Conditions) -> None:
    numbers = [('--sizes', size) for size in sizes] + [('--batches', batch) for batch in batches]
    for name, value in [*numbers, ('--rounds', conditions.rounds), ('--threads', conditions.threads)]:
        if value < 1:
            raise ValueError(f'{name} {value}: expected 1 or more.')
    if conditions.memory_limit is not None and conditions.memory_limit <= 0:
        raise ValueError('--memory-limit: expected more than 0 GiB.')
    unknown = [task for task in tasks if task not in TASKS]
    if unknown:
        raise ValueError(f'--task {" ".join(unknown)}: expected {" or ".join(TASKS)}.')


def _check_sizes(subject: Subject, sizes: Sequence[int]) -> None:
    divisor = getattr(subject.build(), 'size_divisor', 1)
    wrong = [str(size) for size in sizes if size % divisor]
    if wrong:
        raise ValueError(f'--sizes {" ".join(wrong)}: {subject.name} works on multiples of {divisor} px, to which '
                         'prediction pads others; measure those.')
