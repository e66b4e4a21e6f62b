"""The plugin in the QGIS of the system, which has a Python of its own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SYSTEM_PYTHON = '/usr/bin/python3'
RUNNER = Path(__file__).parent / 'in_qgis.py'
SETTING = '[Processing]\nConfiguration\\SCHANGER_COMMAND={}\n'
SIDE = 96


@pytest.fixture(scope='session')
def qgis():
    """Skip, or fail where tests must be complete, without QGIS and its Python modules."""
    # Debian's script qgis_process passes an option of /etc/default/qgis that the program itself does not know
    program = shutil.which('qgis_process.bin') or shutil.which('qgis_process')
    if program is None or not Path(SYSTEM_PYTHON).is_file():
        (pytest.fail if os.environ.get('CI') == 'true' else pytest.skip)(
            'qgis_process is not installed: apt-get install qgis python3-qgis')
    return program


class Profile:
    """A fresh home with the plugin from the zip, and rasters to work on."""

    def __init__(self, folder, program, root):
        self.folder, self.program = folder, program
        own = folder / 'home/.local/share/QGIS/QGIS3/profiles/default'
        self.plugins = own / 'python/plugins'
        (own / 'QGIS').mkdir(parents=True)
        self.command = folder / 'schanger mit Umlaut ä'
        self.command.write_text(f'#!/bin/sh\nPYTHONPATH="{root}" exec "{sys.executable}" -m schanger_mm "$@"\n')
        self.command.chmod(0o755)
        name = ''.join(f'\\x{ord(mark):x}' for mark in str(self.command))  # as QSettings writes letters beyond ASCII
        (own / 'QGIS/QGIS3.ini').write_text(SETTING.format(name) + '[PythonPlugins]\nschanger_changes=true\n')
        self.env = {**os.environ, 'HOME': str(folder / 'home'), 'XDG_CACHE_HOME': str(folder / 'cache'),
                    'XDG_RUNTIME_DIR': str(folder), 'QT_QPA_PLATFORM': 'offscreen', 'OMP_NUM_THREADS': '1',
                    'LC_ALL': 'C.UTF-8', 'PATH': '/usr/bin:/bin'}  # QGIS takes the first python3 for its own
        for name in ('XDG_DATA_HOME', 'PYTHONPATH', 'VIRTUAL_ENV'):
            self.env.pop(name, None)

    def process(self, algorithm, **parameters):
        """Run `qgis_process run`."""
        words = [self.program, 'run', f'schanger:{algorithm}', '--', *(f'{key}={value}' for key, value in
                                                                       parameters.items())]
        return subprocess.run(words, cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=300)

    def script(self, task, **arguments):
        """Run a function of in_qgis.py in QGIS' Python and return what it returns."""
        done = subprocess.run([SYSTEM_PYTHON, str(RUNNER), str(self.plugins), str(self.command), task,
                               json.dumps(arguments, default=str)],
                              cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def cache(self):
        """List the folders of temporary results."""
        return sorted(path for path in (self.folder / 'cache/schanger_changes').iterdir() if path.is_dir())


@pytest.fixture(scope='module')
def profile(qgis, tmp_path_factory, root):
    import runpy
    import zipfile
    profile = Profile(tmp_path_factory.mktemp('profil é'), qgis, root)
    packed = runpy.run_path(str(root / 'qgis/pack.py'))['pack'](profile.folder / 'plugin.zip')
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(profile.plugins)
    return profile


@pytest.fixture(scope='module')
def pair(profile, make_onnx):
    """Two rasters with three changed squares, and an exported network that finds them, in a folder with a blank."""
    import rasterio
    folder = profile.folder / 'daten ж'
    folder.mkdir()
    before = np.full((3, SIDE, SIDE), 100, np.uint8)
    after = before.copy()
    for corner in (8, 40, 70):
        after[:, corner:corner + 12, corner:corner + 12] = 104
    after -= np.uint8(2)  # logits of -2 and 2
    for name, bands in (('2019.tif', before), ('2023.tif', after)):
        with rasterio.open(folder / name, 'w', driver='GTiff', width=SIDE, height=SIDE, count=3, dtype='uint8',
                           crs='EPSG:32614', transform=rasterio.Affine(0.5, 0, 620_000, 0, -0.5, 3_350_000)) as raster:
            raster.write(bands)
    make_onnx(folder / 'net.onnx')
    return folder
