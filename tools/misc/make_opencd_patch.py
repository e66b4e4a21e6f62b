"""SChanger as files of an Open-CD checkout: python tools/misc/make_opencd_patch.py OUT."""

import argparse
import sys

from schanger_mm import apis
from schanger_mm.upstream.open_cd import ADDITIONS, write_patch


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(
        description='Write components, configs, tests, README and metafile as they would stand in an Open-CD checkout, '
        f'made from the sources here. {ADDITIONS} lists the lines to add to files that Open-CD has already.')
    parser.add_argument('out', metavar='OUT', help='a new folder, or an Open-CD checkout: only new files are written')
    parser.add_argument('--overwrite', action='store_true', help='replace what an earlier call wrote')
    args = parser.parse_args()
    for path in write_patch(args.out, args.overwrite):
        print(path)


if __name__ == '__main__':
    sys.exit(apis.run(main))
