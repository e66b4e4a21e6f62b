"""Estimate changed areas from checked points: python tools/analysis_tools/area.py CHANGES [CHECKED | --draw N]."""

import sys

from schanger_mm.commands import area
from schanger_mm.commands.cli import run

if __name__ == '__main__':
    sys.exit(run(area))
