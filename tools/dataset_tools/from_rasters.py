"""Cut training tiles from rasters: python tools/dataset_tools/from_rasters.py 2019.tif 2023.tif new.gpkg --out DIR."""

import sys

from schanger_mm.commands import from_rasters
from schanger_mm.commands.cli import run

if __name__ == '__main__':
    sys.exit(run(from_rasters))
