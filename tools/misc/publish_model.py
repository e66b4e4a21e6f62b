"""Publish weights: python tools/misc/publish_model.py work_dirs/levir/best.pth published/schanger_base_levir."""

import sys

from schanger_mm.commands import publish
from schanger_mm.commands.cli import run

if __name__ == '__main__':
    sys.exit(run(publish))
