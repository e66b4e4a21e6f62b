"""Train and show a small model on drawn scenes; needs no data: python tools/demo.py."""

import sys

from schanger_mm.commands import demo
from schanger_mm.commands.cli import run

if __name__ == '__main__':
    sys.exit(run(demo))
