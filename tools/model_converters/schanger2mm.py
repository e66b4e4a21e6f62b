"""Convert a published SChanger checkpoint: python tools/model_converters/schanger2mm.py SRC DST."""

import sys

from schanger_mm.commands import convert
from schanger_mm.commands.cli import run

if __name__ == '__main__':
    sys.exit(run(convert))
