"""Compare starts and methods on folders of pairs, few of them labelled: python tools/compare.py."""

import sys

from schanger_mm.commands import compare
from schanger_mm.commands.cli import run

if __name__ == '__main__':
    sys.exit(run(compare))
