"""Settings of the documentation site, built by ``make docs``.

The source folder is the repository: README.md, the READMEs of the configs and the files in docs/ are pages as they
stand, and their links work on GitHub and on the site alike.
"""

import functools
import os
import shutil
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path[:0] = [str(ROOT), str(DOCS)]

import generate  # noqa: E402  (docs/generate.py)
from nbclient import NotebookClient  # noqa: E402

from schanger_mm.version import __version__  # noqa: E402

# What the tutorials run: the `schanger` of this environment, without a window, and this package from the checkout.
os.environ['PATH'] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get('PATH', '')])
os.environ['PYTHONPATH'] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get('PYTHONPATH')]))
os.environ['PYTHONWARNINGS'] = 'ignore'  # of the libraries, which would fill the pages
os.environ['MPLBACKEND'] = 'module://matplotlib_inline.backend_inline'

# The output of commands arrives in pieces, which myst-nb alone would join by new lines.
NotebookClient.__init__ = functools.partialmethod(NotebookClient.__init__, coalesce_streams=True)

project = 'schanger-mm'
author = 'The schanger-mm developers'
copyright = '2026, the schanger-mm developers'
version = release = __version__
language = 'en'

extensions = [
    'myst_nb',
    'sphinx.ext.autodoc',
    'sphinx.ext.autosummary',
    'sphinx.ext.napoleon',
    'sphinx.ext.viewcode',
    'sphinx_copybutton',
]
root_doc = 'README'
include_patterns = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', 'configs/*/README.md', 'docs/**']
exclude_patterns = [
    '.*', '**/.*', 'docs/_build', 'docs/navigation.md', 'docs/generated/configs.md', 'build', 'dist', 'data',
    'work_dirs', '*_out', 'results', 'schanger_mm', 'tests', 'tools',
]

myst_enable_extensions = ['colon_fence']
myst_heading_anchors = 3

nb_execution_mode = 'force'
nb_execution_in_temp = True
nb_execution_timeout = 1500  # seconds of a cell
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_merge_streams = True

autodoc_member_order = 'bysource'
autodoc_typehints = 'signature'
autodoc_default_options = {'show-inheritance': True}
autosummary_generate = False
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = 'sphinx_book_theme'
html_title = 'schanger-mm'
html_static_path = ['_static']
html_css_files = ['site.css']
html_show_sphinx = False
html_theme_options = {
    'navbar_persistent': [], 'show_navbar_depth': 1, 'show_toc_level': 2, 'use_download_button': False}
linkcheck_timeout = 20
linkcheck_retries = 2
linkcheck_anchors_ignore_for_url = ['https://github.com/.*']


def add_navigation(app, docname: str, source: list[str]) -> None:
    """Append the table of contents to the README, which is the first page."""
    if docname == root_doc:
        source[0] += '\n' + (DOCS / 'navigation.md').read_text(encoding='utf-8')


def copy_first_page(app, exception: Exception | None) -> None:
    """Give the first page the name that a web server looks for."""
    if exception is None and app.builder.format == 'html':
        shutil.copy(Path(app.outdir, f'{root_doc}.html'), Path(app.outdir, 'index.html'))


def setup(app) -> None:
    """Connect what this file adds to Sphinx."""
    app.connect('builder-inited', lambda app: generate.write_all(DOCS / 'generated'))
    app.connect('source-read', add_navigation)
    app.connect('build-finished', copy_first_page)
