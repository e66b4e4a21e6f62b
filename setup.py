"""Packaging. The OpenMMLab stack is an extra: two stacks share module names and the user picks one."""

import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
# without the other stack and mmpretrain
ALL = ('torch', 'mm', 'selfsup', 'geo', 'dask', 'export', 'hub', 'dino', 'predict')
NEED_A_CHECKOUT = ('opencd_patch', 'make_opencd_patch.py')


def version():
    """Return the version, read as text so that the build needs no torch."""
    text = (ROOT / 'schanger_mm/version.py').read_text(encoding='utf-8')
    return re.search(r"^__version__ = '(.+)'$", text, re.M).group(1)


def requirements(name):
    """Return the requirements listed in ``requirements/<name>.txt``, without their reasons."""
    lines = (ROOT / f'requirements/{name}.txt').read_text(encoding='utf-8').splitlines()
    return [line for line in (line.partition('#')[0].strip() for line in lines) if line]


class BuildWithMim(build_py):
    """Put configs, tools and the model index under ``schanger_mm/.mim``, where mmengine and mim look for them."""

    def run(self):
        """Build the modules, then copy; an editable install reads the checkout and gets no copy."""
        super().run()
        if self.editable_mode:
            return
        for folder in ('configs', 'tools'):
            target = Path(self.build_lib, 'schanger_mm/.mim', folder)
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(ROOT / folder, target, ignore=shutil.ignore_patterns('__pycache__', *NEED_A_CHECKOUT))
        shutil.copy(ROOT / 'model-index.yml', Path(self.build_lib, 'schanger_mm/.mim'))


readme = ROOT / 'README.md'
setup(
    name='schanger-mm',
    version=version(),
    description='SChanger and SaDL: change detection from few labelled pairs, for the OpenMMLab stack',
    long_description=readme.read_text(encoding='utf-8') if readme.exists() else '',
    long_description_content_type='text/markdown',
    author='The schanger-mm developers',
    license_expression='Apache-2.0',
    keywords='change detection, remote sensing, bi-temporal, OpenMMLab, mmsegmentation, Open-CD',
    classifiers=[
        'Development Status :: 4 - Beta',
        'Intended Audience :: Science/Research',
        'Operating System :: POSIX :: Linux',
        'Programming Language :: Python :: 3 :: Only',
        'Programming Language :: Python :: 3.11',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
        'Topic :: Scientific/Engineering :: GIS',
    ],
    python_requires='>=3.11',
    packages=find_packages(include=['schanger_mm', 'schanger_mm.*']),
    package_data={'schanger_mm': ['py.typed', '**/*.json', '**/*.txt', '**/*.yml', '**/*.html', '**/*.css', '**/*.js']},
    entry_points={'console_scripts': ['schanger = schanger_mm.commands.main:main']},
    cmdclass={'build_py': BuildWithMim},
    install_requires=requirements('runtime'),
    extras_require={
        'mm': requirements('torch') + requirements('mm'),
        'openmmlab': requirements('torch') + requirements('openmmlab'),
        'selfsup': requirements('selfsup'),
        'geo': requirements('geo'),
        'dask': requirements('dask'),
        'export': requirements('export'),
        'predict': requirements('predict'),
        'mmpretrain': requirements('mmpretrain'),
        'hub': requirements('hub'),
        'dino': requirements('dino'),
        'test': requirements('test'),
        'all': [line for name in ALL for line in requirements(name)],
        'dev': requirements('test') + requirements('dev'),
    },
    zip_safe=False,
)
