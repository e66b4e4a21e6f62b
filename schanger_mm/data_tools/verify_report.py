"""Say what a verification found: one table per split, then the problems."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from prettytable import PrettyTable

from schanger_mm.datasets.class_values import Value
from schanger_mm.datasets.reading import IGNORED
from schanger_mm.utils.text import first_of

from .class_list import OPTION
from .layout import LABEL, MAPS, Split
from .sample_check import LOSSY, USUAL_THRESHOLD, SampleFacts
from .verify import NOTES, PROBLEMS, Verification


def report(result: Verification) -> str:
    """Word a verification for a terminal."""
    parts = [_split_report(split, result) for split in result.splits]
    if result.classes is not None and not result.listed:
        values = ' '.join(f'{name}={_shown(value)}' for name, value in result.classes.as_dict().items())
        parts.append(f'Classes are the values in the class maps; to name and fix them: {OPTION} {values}')
    for kind, what in NOTES.items():
        if names := result.found.get(kind):
            parts.append(f'Note: {len(names)} {what}: {first_of(names)}')
    for kind, what in PROBLEMS.items():
        if lines := result.found.get(kind):
            parts.append(f'PROBLEM: {len(lines)} {what}:\n  ' + first_of(lines, '\n  '))
    wrong = [kind for kind in PROBLEMS if result.found.get(kind)]
    parts.append(f'{result.root}: {len(result.facts)} samples checked, '
                 + (f'{len(wrong)} kinds of problems.' if len(wrong) > 1 else
                    'one kind of problem.' if wrong else 'nothing wrong.'))
    return '\n\n'.join(parts)


def _split_report(split: Split, result: Verification) -> str:
    samples = result.of(split)
    table = PrettyTable([split.name, 'found'], align='l')
    table.add_row(['folders', ', '.join(folder.name for folder in split.folders.values())])
    table.add_row(['pairs' if len(split.images) > 1 else 'images', len(samples)])
    table.add_row(['files without partner', result.unpaired.get(split.name, 'unknown')])
    table.add_row(['sizes', _counts(f'{w}x{h}' for facts in samples for h, w in set(facts.sizes.values()))])
    table.add_row(['image modes', _counts(form for facts in samples for role, form in facts.forms.items()
                                          if role not in (LABEL, *MAPS))])
    table.add_row(['unusable files', sum(len(facts.errors) for facts in samples)])
    if LABEL in split.folders:
        table.add_row(['label values', _counts(_values(facts, result) for facts in samples if facts.label is not None)])
        if palettes := [facts.palette for facts in samples if facts.palette is not None]:
            table.add_row(['palettes are read', _counts(palettes)])
        table.add_row(['labels are', _lossless(samples, result)])
        table.add_row(['changed' if len(split.images) > 1 else 'positive', _changed(samples, result)])
    for role in split.maps:
        table.add_row([f'classes {role.removeprefix("label_")}', _classes(samples, role, result)])
    if split.maps:
        table.add_row(['classes differ', _differing(samples)])
    return table.get_string()


def _counts(values: Iterable[str]) -> str:
    counted = [f'{value} ({count})' for value, count in Counter(values).most_common()]
    return first_of(counted) or 'none'


def _shown(value: Value) -> str:
    return ','.join(map(str, value)) if isinstance(value, tuple) else str(value)


def _classes(samples: list[SampleFacts], role: str, result: Verification) -> str:
    """Word pixels and images of each class of a date."""
    counted = [facts.classes[role] for facts in samples if facts.classes]
    if not counted or result.classes is None:
        return 'unknown'
    pixels = sum(count for counts in counted for count in counts.values())
    return '\n'.join(f'{name}: {sum(counts.get(name, 0) for counts in counted) / pixels:.2%} of the pixels, in '
                     f'{sum(name in counts for counts in counted)} of {len(counted)} images'
                     for name in result.classes.as_dict())


def _differing(samples: list[SampleFacts]) -> str:
    counted = [facts for facts in samples if facts.classes]
    pixels = sum(sum(facts.classes[MAPS[0]].values()) for facts in counted)
    none = sum(facts.differing == 0 for facts in counted)
    return f'{sum(facts.differing for facts in counted) / pixels:.2%} of the pixels; none in {none} of ' \
           f'{len(counted)} samples' if counted else 'unknown'


def _values(facts: SampleFacts, result: Verification) -> str:
    return str(facts.label if facts.label != LOSSY or result.third is None else facts.values)


def _lossless(samples: list[SampleFacts], result: Verification) -> str:
    read = [facts.label for facts in samples if facts.label is not None]
    lossy = read.count(LOSSY)
    if not read:
        return 'unknown: none could be read'
    if not lossy:
        return 'lossless, ' + ('no label_threshold needed' if result.ignore is None else
                               f'read with label_ignore={result.ignore}')
    files = f'{lossy} of {len(read)} files'
    if result.third is not None:
        values = ', '.join(map(str, result.label_values))
        return f'three values ({values}) in {files}' + _advice(result.third, result.threshold)
    if result.threshold is None:
        return f'LOSSY in {files}, label_threshold={USUAL_THRESHOLD} needed'
    return f'LOSSY in {files}, read with label_threshold={result.threshold}'


def _advice(third: int, threshold: int | None) -> str:
    if threshold is not None:
        return f', read with label_threshold={threshold}: {third} counts as {int(third >= threshold)}'
    if third == IGNORED:
        return (f': if {third} is nodata, write another value such as {USUAL_THRESHOLD} for {third} and set '
                f'label_ignore={USUAL_THRESHOLD}, not label_threshold')
    return f': if {third} is nodata set label_ignore={third} (--ignore {third}), not label_threshold'


def _changed(samples: list[SampleFacts], result: Verification) -> str:
    read = [facts for facts in samples if facts.label is not None]
    if not read:
        return 'unknown'
    pixels = sum(facts.sizes[LABEL][0] * facts.sizes[LABEL][1] for facts in read)
    none = sum(facts.changed == 0 for facts in read)
    ignored = sum(facts.ignored for facts in read) / pixels
    third = result.third if result.ignore is None else result.ignore
    nodata = f', {ignored:.2%} have the value {third} and are not counted' if ignored else ''
    return (f'{sum(facts.changed for facts in read) / pixels:.2%} of the pixels{nodata}; '
            f'none in {none} of {len(read)} samples ({none / len(read):.1%})')
