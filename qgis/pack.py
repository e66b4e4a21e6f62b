# SPDX-License-Identifier: GPL-2.0-or-later
"""Pack the plugin as a zip for QGIS' plugin manager: python qgis/pack.py [FOLDER].

The same files give the same bytes.
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PLUGIN = 'schanger_changes'
SUFFIXES = ('.py', '.txt', '.svg', '.qml')
DATE = (2020, 1, 1, 0, 0, 0)


def files(folder: Path) -> list[Path]:
    """List what belongs to the plugin: sources, styles, icon and licence; nothing compiled or hidden."""
    found = (path for path in folder.rglob('*') if path.suffix in SUFFIXES or path.name == 'LICENSE')
    return sorted(path for path in found if path.is_file() and not path.name.startswith('.'))


def pack(target: Path, folder: Path = HERE / PLUGIN) -> Path:
    """Write the zip ``target``; its only folder is that of the plugin."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f'.{target.name}.partial')
    with zipfile.ZipFile(partial, 'w', zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in files(folder):
            entry = zipfile.ZipInfo(f'{PLUGIN}/{path.relative_to(folder).as_posix()}', DATE)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, path.read_bytes())
    partial.replace(target)
    return target


if __name__ == '__main__':
    written = pack(Path(*sys.argv[1:2] or ['dist']) / f'{PLUGIN}.zip')
    print(f'{written}: {written.stat().st_size / 1000:.0f} kB. In QGIS: Plugins > Manage and Install Plugins > Install '
          'from ZIP.')
