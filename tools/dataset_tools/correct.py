"""Cut training tiles: python tools/dataset_tools/correct.py checked.gpkg 2019.tif 2023.tif --out DIR."""

import sys

from schanger_mm.commands import correct
from schanger_mm.commands.cli import run

if __name__ == '__main__':
    sys.exit(run(correct))
