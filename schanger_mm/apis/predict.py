"""What ``tools/predict.py`` does: one pair, or all pairs of two folders or of a table."""

from __future__ import annotations

import os
from pathlib import Path

from schanger_mm.apis.detector import ChangeDetector, SceneResult


def predict(model: str, before: str, after: str | None, out: str, weights: str | None = None,
            device: str | None = None, precision: str = 'fp32', trust: bool = False, outside: bool = False,
            **options) -> int:
    """Predict what a command line names, and print what was found and where it is.

    The results of one pair go to ``out``, those of folders and tables to one
    folder per pair in it. There a pair that fails does not stop the others;
    all failures are listed at the end. With ``resume`` pairs whose results are
    complete are left as they are.

    Args:
        model, weights, device, precision, trust: as for :class:`ChangeDetector`.
        before, after: two rasters, two folders, or a table (``.csv``) and None; see
            :func:`schanger_mm.scene.pairs.find_pairs`.
        out: folder of the results.
        outside: let a table name rasters that are not below its folder.
        **options: those of :meth:`ChangeDetector.predict`.

    Returns:
        Exit status: 0, or 1 if pairs of a folder or table failed.

    Raises:
        ValueError, OSError: the only pair cannot be predicted, or nothing can.
    """
    detector = ChangeDetector(model, weights, device, precision, trust)
    if after is not None and not os.path.isdir(before) and not before.lower().endswith('.csv'):
        result = detector.predict(before, after, out, **options)
        print(f'{describe(result)}\n' + '\n'.join(result.paths.values()))
        return 0
    failed = predict_pairs(detector, before, after, out, outside, **options)
    if failed:
        print(f'{len(failed)} pairs failed:\n' + '\n'.join(f'  {line}' for line in failed))
    return 1 if failed else 0


def predict_pairs(detector: ChangeDetector, before: str, after: str | None, out: str, outside: bool = False,
                  **options) -> list[str]:
    """Predict every pair of two folders or of a table; see :func:`predict`.

    Returns:
        One line for each pair that failed: its name and why.

    Raises:
        SceneError: no pairs, or a table that cannot be read.
    """
    from schanger_mm.scene.pairs import find_pairs  # needs an extra, as the detector does
    found = find_pairs(before, after, outside)
    for note in found.notes:
        print(f'warning: {note}')
    failed = []
    for number, pair in enumerate(found.pairs, start=1):
        where, folder = f'[{number}/{len(found.pairs)}] {pair.name}', Path(out) / pair.name
        try:
            result = detector.predict(pair.spec.before, pair.spec.after, folder, **options)
        except (ValueError, OSError) as error:
            failed.append(f'{pair.name}: {error}')
            print(f'{where}: failed', flush=True)
        else:
            print(f'{where}: {describe(result)}: {folder}', flush=True)
    return failed


def describe(result: SceneResult) -> str:
    """Say in one line what was found."""
    pixels, count = result.summary['pixels'], result.summary['polygons']['polygons']
    share = f'{pixels["changed"] / pixels["valid"]:.2%} of ' if pixels['valid'] else ''
    return f'{count} {"change" if count == 1 else "changes"}, {share}{pixels["valid"] / 1e6:.3g} megapixels with data'

