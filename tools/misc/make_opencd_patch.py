"""SChanger as a patch for an Open-CD checkout: python tools/misc/make_opencd_patch.py OPEN-CD OUT.patch"""

import sys

from opencd_patch import command

from schanger_mm.commands.cli import run

if __name__ == '__main__':
    sys.exit(run(command))
