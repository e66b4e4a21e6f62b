"""Find the changes between two rasters."""

from __future__ import annotations

import argparse
import os
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from schanger_mm.commands.arguments import PRECISIONS, RasterParser, add_reading
from schanger_mm.commands.cli import user_message

if TYPE_CHECKING:
    from schanger_mm.apis.detector import ChangeDetector, SceneResult


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = RasterParser(
        description='Predict the changes between two rasters of any size: change and probability maps (GeoTIFF), '
        'polygons, a summary and a report page.',
        epilog='Examples: %(prog)s work_dirs/levir/best.pth 2019.tif 2023.tif --out changes; '
        '%(prog)s my_city.py 2019.tif 2023.tif --weights FILE --out changes; '
        '%(prog)s levir-base 2019/ 2023/ --out changes')
    parser.add_argument('model', metavar='MODEL', help='a checkpoint of `schanger train`, an export (.onnx, .xml), '
                        'a config (with --weights), a model of the Hugging Face hub (hf://ORG/NAME[@REVISION]), or a '
                        'published network such as levir-base')
    parser.add_argument('before', metavar='BEFORE', help='raster of the earlier date, a folder of rasters, or a table '
                        '(.csv: before,after and optionally name)')
    parser.add_argument('after', metavar='AFTER', nargs='?', help='raster or folder of the later date')
    parser.add_argument('--out', metavar='DIR', required=True, help='output folder; for folders and tables, one '
                        'subfolder per pair')
    parser.add_argument('--weights', metavar='FILE', help='checkpoint for a config: a file, hf://ORG/NAME, or a '
                        'published one (levir-base)')
    parser.add_argument('--semantic', metavar='MODEL', help='checkpoint or config of a segmentation network for single '
                        'images: says of each change what was there before and after (networks with classes need none)')
    parser.add_argument('--semantic-weights', metavar='FILE', help='checkpoint for a config of --semantic')
    parser.add_argument('--device', help='device, such as cuda:0 (default: the GPU if there is one)')
    _add_reading(parser.add_argument_group('reading'))
    _add_predicting(parser.add_argument_group('predicting'))
    _add_results(parser.add_argument_group('results'))
    return parser


def _add_reading(group: argparse._ArgumentGroup) -> None:
    add_reading(group)
    group.add_argument('--nodata', type=float, metavar='V', help='value of pixels without data')
    group.add_argument('--align', action='store_true', help='warp the later date onto the grid of the earlier one')
    group.add_argument('--resample-gsd', dest='gsd', type=float, metavar='M',
                       help='read both dates at M metres per pixel')
    group.add_argument('--outside', action='store_true', help='allow a table to list rasters outside its folder '
                       '(absolute paths, ..)')
    group.add_argument('--remote', action='store_true', help='read rasters by address: https://, s3://, STAC items')
    group.add_argument('--asset', metavar='NAME', help='raster to take from STAC items (default: the only GeoTIFF with '
                       'the role data or visual)')


def _add_predicting(group: argparse._ArgumentGroup) -> None:
    group.add_argument('--window', type=int, default=256, metavar='PX', help='side of the windows (default: 256)')
    group.add_argument('--overlap', type=int, default=128, metavar='PX',
                       help='overlap of neighbouring windows (default: 128)')
    group.add_argument('--block', type=int, default=2048, metavar='PX',
                       help='side of the blocks that are saved one by one (default: 2048)')
    group.add_argument('--batch-size', type=int, default=4, metavar='N', help='windows per batch (default: 4)')
    group.add_argument('--precision', choices=PRECISIONS, default='fp32',
                       help='precision; bf16 and, on GPUs, fp16 change probabilities slightly (default: fp32)')
    group.add_argument('--threshold', type=float, metavar='P',
                       help="pixels with a probability above P are changed (default: the model's, 0.5)")
    group.add_argument('--workers', type=int, metavar='N', help='predict on N processes of this machine (Dask)')
    group.add_argument('--scheduler', metavar='ADDRESS', help='predict on a running Dask cluster: tcp://HOST:8786')


def _add_results(group: argparse._ArgumentGroup) -> None:
    group.add_argument('--min-area', type=float, default=0, metavar='M2', help='drop smaller polygons')
    group.add_argument('--simplify', type=float, default=0, metavar='M', help='simplify outlines to this tolerance')
    group.add_argument('--fill-holes', type=float, default=0, metavar='M2', help='fill smaller holes in polygons')
    group.add_argument('--kinds-of', metavar='CLASS', help='name changes of this class new, demolished, replaced or '
                       'altered (default: building, if the network has that class)')
    group.add_argument('--format', choices=['gpkg', 'geojson'], default='gpkg', help='format of the polygons')
    group.add_argument('--no-page', dest='page', action='store_false', help='do not write report.html')
    group.add_argument('--show-bands', metavar='R,G,B', help='bands that report.html shows, counted from 1 in the '
                       'order of the network (default: as marked, or 3,2,1 of four and more)')
    group.add_argument('--resume', action='store_true', help='continue an interrupted run')
    group.add_argument('--progress', choices=['bar', 'json'], default='bar', help='json: lines of JSON on stderr, for '
                       'programs (default: a bar on terminals)')
    group.add_argument('--overwrite', action='store_true', help='replace the results of an earlier run')


def main(args: argparse.Namespace) -> int:
    """Predict; return 1 if some of several pairs failed."""
    if args.progress == 'json':
        _listen_to_interrupts()
    return predict(**vars(args))


def _listen_to_interrupts() -> None:
    """Let SIGINT interrupt, also where a shell has told its background jobs to ignore it: programs cancel by it."""
    import signal
    import threading
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def predict(model: str, before: str, after: str | None, out: str, weights: str | None = None,
            device: str | None = None, precision: str = 'fp32', outside: bool = False, semantic: str | None = None,
            semantic_weights: str | None = None, **options) -> int:
    """Predict the pairs given on a command line, and print what was found and where it is saved.

    The results of one pair go to ``out``, those of folders and tables to one
    subfolder per pair. In the latter case a pair that fails does not stop the
    others, and all failures are listed at the end. With ``resume``, pairs whose
    results are complete are skipped.

    Args:
        model, weights, device, precision, semantic, semantic_weights: as for :class:`ChangeDetector`.
        before, after: two rasters, two folders, or a table (``.csv``) and None; see
            :func:`schanger_mm.scene.pairs.find_pairs`.
        out: folder of the results.
        outside: allow a table to list rasters outside its folder.
        **options: those of :meth:`ChangeDetector.predict`.

    Returns:
        Exit status: 0, or 1 if pairs of a folder or table failed.

    Raises:
        SceneError, OSError: the only pair, or every pair, cannot be predicted.
    """
    from schanger_mm.apis.detector import ChangeDetector
    from schanger_mm.scene.legend import Legend
    detector = ChangeDetector(model, weights, device, precision, semantic, semantic_weights)
    Legend.of(detector.model, options.get('kinds_of'))  # once, not for each pair
    if '://' in detector.model.weights:
        print(f'{detector.model.weights}, sha256 {detector.model.sha256}')  # the commit that is used
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
        One line for each failed pair: its name and the reason.

    Raises:
        SceneError: no pairs, or a table that cannot be read.
    """
    from schanger_mm.scene.pairs import find_pairs
    found = find_pairs(before, after, outside, options.get('remote', False))
    for note in found.notes:
        print(f'warning: {note}')
    failed = []
    for number, pair in enumerate(found.pairs, start=1):
        where, folder = f'[{number}/{len(found.pairs)}] {pair.name}', Path(out) / pair.name
        try:
            result = detector.predict(pair.spec.before, pair.spec.after, folder, **options)
        except Exception as error:
            message = user_message(error)
            if message is None:  # a fault of the program is this pair's, too
                traceback.print_exc()
            failed.append(f'{pair.name}: {message or repr(error)}')
            print(f'{where}: failed', flush=True)
        else:
            print(f'{where}: {describe(result)}: {folder}', flush=True)
    return failed


def describe(result: SceneResult) -> str:
    """Summarise in one line what was found."""
    pixels, count = result.summary['pixels'], result.summary['polygons']['polygons']
    share = f'{pixels["changed"] / pixels["valid"]:.2%} of ' if pixels['valid'] else ''
    return f'{count} {"change" if count == 1 else "changes"}, {share}{pixels["valid"] / 1e6:.3g} megapixels with data'
