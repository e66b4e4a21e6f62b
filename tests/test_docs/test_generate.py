"""The pages that docs/generate.py writes."""

import re
import runpy

import pytest
from fixtures.shell_lines import ROOT

GENERATE = runpy.run_path(str(ROOT / 'docs/generate.py'))


def row(name):
    return GENERATE['config_row'](ROOT / 'configs' / name)


def test_a_config_is_listed_with_its_purpose_data_size_and_base():
    assert row('schanger/levir_small.py') == [
        '[levir_small](../configs/schanger/levir_small.py)', "SChanger-small on LEVIR-CD, the paper's settings",
        'LEVIR-CD', '0.61\N{NO-BREAK SPACE}M', '`levir`']
    assert row('schanger/demo.py')[2:4] == ['the drawn scenes', '0.14\N{NO-BREAK SPACE}M']


@pytest.mark.long
def test_every_config_is_listed_once():
    listed = re.findall(r'^\| \[.*?\]\(\.\./configs/(.*?)\)', GENERATE['config_tables'](), re.M)
    there = [path.relative_to(ROOT / 'configs').as_posix() for path in (ROOT / 'configs').rglob('*.py')
             if '_base_' not in path.parts]
    assert sorted(listed) == sorted(there)


@pytest.mark.parametrize('source', [source for _, _, sources in GENERATE['API_PAGES'].values() for source in sources])
def test_the_api_lists_public_names_of_this_package(source):
    names = GENERATE['public_names'](source)
    assert names
    assert all(name.startswith('schanger_mm.') and not any(part.startswith('_') for part in name.split('.'))
               for name in names)


def test_every_registry_with_parts_of_ours_has_a_page():
    from mmengine.registry import Registry

    from schanger_mm import registry
    listed = {source for _, _, sources in GENERATE['API_PAGES'].values() for source in sources}
    for name, found in vars(registry).items():
        if isinstance(found, Registry):
            found.import_from_location()
            ours = {part for part in found.module_dict.values() if part.__module__.startswith('schanger_mm.')}
            assert name in listed or not ours, f'{name} has {ours}'
