"""List the images with enough foreground: python tools/dataset_tools/foreground.py MASKS --least 0.1 --out LIST."""

import sys

from schanger_mm.commands import foreground
from schanger_mm.commands.cli import run

if __name__ == '__main__':
    sys.exit(run(foreground))
