"""Write weights for publication, with a card that describes them."""

from __future__ import annotations

import argparse
from contextlib import nullcontext

HUB_ONLY = ('license', 'private', 'dry_run', 'overwrite')
"""Options that only mean something with ``--hub``."""


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(
        description='Write DIR/NAME-HASH.safetensors, which holds only the weights, and DIR/NAME-HASH.json, a card '
        'that describes them. HASH is the first 8 digits of the SHA-256 of the weights. If the training used EMAHook, '
        'the averaged weights are written, which are those that it scored. With --hub, publish them on the Hugging '
        'Face hub instead, with config and model card; see docs/hub.md.')
    parser.add_argument('checkpoint', help='checkpoint of `schanger train`; with --hub also a folder that '
                        '--dry-run wrote')
    parser.add_argument('out', metavar='DIR/NAME', nargs='?',
                        help='where to write; the hash is added, and a suffix such as .pth replaced. With --hub: new '
                        'folder for the files, not needed for an upload')
    parser.add_argument('--report', metavar='FILE',
                        help='report.json of `schanger test --out`, for the scores of this checkpoint')
    group = parser.add_argument_group('Hugging Face hub')
    group.add_argument('--hub', metavar='ORG/NAME', help='upload to this repository, which is created if there is '
                       'none; log in before with `hf auth login`, or set HF_TOKEN')
    group.add_argument('--license', metavar='ID', help='licence of the weights, such as apache-2.0 (default: not '
                       'stated)')
    group.add_argument('--private', action='store_true', help='create a private repository')
    group.add_argument('--dry-run', action='store_true', help='write the folder and upload nothing')
    group.add_argument('--overwrite', action='store_true', help='replace an earlier upload in a new commit')
    return parser


def main(args: argparse.Namespace) -> None:
    """Publish."""
    from schanger_mm.utils.errors import SettingError
    from schanger_mm.utils.locking import locked
    options = {name: getattr(args, name) for name in HUB_ONLY}
    if args.hub is None:
        from schanger_mm.checkpoints.publish import publish
        if given := [name for name, value in options.items() if value]:
            raise SettingError(f'--{given[0].replace("_", "-")} is for --hub ORG/NAME; add it, or omit this.')
        if args.out is None:
            raise SettingError('DIR/NAME: name where to write, or a repository of the Hugging Face hub with --hub '
                               'ORG/NAME.')
        with locked(args.out, beside=True):
            print(publish(args.checkpoint, args.out, args.report))
        return
    from schanger_mm.checkpoints.hub_publish import publish_model
    with locked(args.out, beside=True) if args.out else nullcontext():
        print(publish_model(args.checkpoint, args.hub, args.out, args.report, **options))
