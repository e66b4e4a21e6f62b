"""Find identical pixels in several samples: copies within a split, and leaks between splits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from .layout import LABEL, MAPS
from .sample_check import SampleFacts

LEAK, REPEATED = 'leak', 'repeated'
_DATES = {'before': 'date A', 'after': 'date B'}


def find_duplicates(samples: Iterable[SampleFacts]) -> list[tuple[str, str]]:
    """Compare the digests of all samples; images of one colour (no data) are equal and leak nothing.

    Returns:
        Kind and line: samples with the same pixels at both dates, in either
        order ('leak' between splits, 'repeated' within one), and one date that
        occurs in several splits (``leak``). One date that several pairs of a
        split share is a time series and not reported.
    """
    pairs: dict[tuple[str, ...], list[SampleFacts]] = defaultdict(list)
    images: dict[str, dict[str, tuple[SampleFacts, str]]] = defaultdict(dict)
    for facts in samples:
        complete = not set(facts.errors) - {LABEL, *MAPS}
        if complete and not facts.uniform:
            pairs[tuple(sorted(facts.digests.values()))].append(facts)
        for role, digest in facts.digests.items():
            if role not in facts.blank:
                images[digest].setdefault(facts.name, (facts, role))
    equal = [group for group in pairs.values() if len(group) > 1]
    reported = {facts.name: number for number, group in enumerate(equal) for facts in group}
    found = [(REPEATED if len({facts.split for facts in group}) == 1 else LEAK, _same_pair(group)) for group in equal]
    for holders in images.values():
        numbers = {reported.get(name) for name in holders}
        if len({facts.split for facts, _ in holders.values()}) > 1 and (len(numbers) > 1 or None in numbers):
            found.append((LEAK, _same_date(list(holders.values()))))
    return found


def _same_pair(group: list[SampleFacts]) -> str:
    order = list(group[0].digests.values())
    return ' = '.join(facts.name + ('' if list(facts.digests.values()) == order else ' (dates swapped)')
                      for facts in group)


def _same_date(holders: list[tuple[SampleFacts, str]]) -> str:
    (first, date), *others = holders
    shared = (facts.name + ('' if role == date else f' (its {_DATES[role]})') for facts, role in others)
    return f'{first.name} shares {_DATES[date]} with {", ".join(shared)}'
