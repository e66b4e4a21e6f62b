"""Fetch and convert published weights."""

from __future__ import annotations

import argparse
from pathlib import Path

SETS = ('levir', 'levir_plus', 's2looking', 'cdd', 'sysu', 'whu', 'pretrain')
SIZES = ('base', 'small')
PAGE = 'https://huggingface.co/Zy-Zhou/schanger'
EXPORTS = {'onnx': '.onnx', 'openvino': '.xml'}
"""Suffix of the file, by format."""
URL_VARIABLE = 'SCHANGER_WEIGHTS_URL'


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(
        description="Download one of the authors' checkpoints, check that it is the requested one and convert it for "
        'our configs.')
    action = parser.add_argument('set', metavar='SET', help=f'data set: {", ".join(SETS)} (the single-temporal '
                                 'network); or set and size in one word, such as levir-small')
    action.completer = lambda **_: SETS  # type: ignore[attr-defined]  # argcomplete reads it
    parser.add_argument('size', choices=SIZES, nargs='?')
    parser.add_argument('--out', metavar='FILE',
                        help='file to write (default: checkpoints/schanger_SIZE_SET_mm.pth)')
    parser.add_argument('--base-url', metavar='URL',
                        help=f'folder with the files (default: ${URL_VARIABLE}, or {PAGE}/resolve/main)')
    parser.add_argument('--cache', metavar='DIR', help="folder for downloads (default: torch's)")
    parser.add_argument('--sha256', metavar='HEX',
                        help='accept the file with this SHA-256 only (default: that of the '
                        'first download, recorded beside it)')
    parser.add_argument('--export', choices=EXPORTS, help='also write the network for installations without PyTorch, '
                        'beside FILE: .onnx, or .xml and .bin')
    parser.add_argument('--overwrite', action='store_true', help='replace FILE if it exists')
    return parser


def main(args: argparse.Namespace) -> None:
    """Fetch and convert."""
    from schanger_mm.checkpoints.fetch import fetch_published
    from schanger_mm.utils.errors import SettingError
    from schanger_mm.utils.files import refuse_existing
    data_set, size = (args.set, args.size) if args.size else args.set.rpartition('-')[::2]
    if not data_set:
        raise SettingError(f'{args.set}: expected SET SIZE or SET-SIZE, such as levir-small; the sets are '
                           f'{", ".join(SETS)}, the sizes {", ".join(SIZES)}.')
    weights = Path(args.out or f'checkpoints/schanger_{size}_{data_set}_mm.pth')
    exported = args.export and weights.with_suffix(EXPORTS[args.export])
    if exported:
        if data_set == 'pretrain':
            raise SettingError(f'--export: {data_set} is a network for single images; expected a change detector: '
                               f'{", ".join(SETS[:-1])}.')
        refuse_existing(exported, overwrite=args.overwrite)
    print(fetch_published(data_set, size, args.out, args.base_url, args.cache, args.overwrite, args.sha256))
    if exported:
        _export(f'{data_set}-{size}', weights, exported, args)


def _export(name: str, weights: Path, out: Path, args: argparse.Namespace) -> None:
    from schanger_mm.config.loading import load_config
    from schanger_mm.deploy.export import export
    from schanger_mm.deploy.model_files import published_config
    from schanger_mm.utils.locking import locked
    config = str(published_config(name))
    cfg = load_config(config)
    cfg.pop('test_dataloader', None)  # the data set is not needed for it
    with locked(out, beside=True):
        print(export(cfg, config, str(weights), out, args.export, overwrite=args.overwrite))
