"""The numbers and files that the model index and the config README name."""

import re
from pathlib import Path

import pytest
import torch
import yaml

from schanger_mm.apis import load_config
from schanger_mm.registry import MODELS

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / 'configs/schanger'
SADL = ROOT / 'configs/sadl'
#: F1 in %, base and small: the paper's, and the authors' own re-measurement (SChanger paper; REFERENCE of the authors)
PUBLISHED = {
    'levir': ((92.87, 92.8831), (92.45, 92.4391)),
    'levir_plus': ((86.43, 86.4259), (86.20, 86.1960)),
    's2looking': ((68.95, 68.9598), (68.20, 68.1994)),
    'cdd': ((97.62, 97.6225), (95.75, 95.7662)),
    'sysu': ((84.17, 84.1692), (84.58, 84.5759)),
    'whu': ((93.20, 93.2020), (93.15, 93.5141)),
}


def entries(collection):
    """Read the models of one collection from all the files that the index imports."""
    files = [yaml.safe_load((ROOT / path).read_text())
             for path in yaml.safe_load((ROOT / 'model-index.yml').read_text())['Import']]
    assert [c['Name'] for file in files for c in file['Collections']] == ['SChanger', 'SaDL']
    return [entry for file in files for entry in file['Models'] if entry['In Collection'] == collection]


def test_index_lists_every_benchmark_in_both_sizes():
    configs = {entry['Config'] for entry in entries('SChanger')}
    assert configs == {f'configs/schanger/{name}{twin}.py' for name in PUBLISHED for twin in ('', '_small')}
    assert len({entry['Name'] for entry in entries('SChanger')}) == 12


def test_index_lists_every_config_of_sadl():
    assert sorted(entry['Config'] for entry in entries('SaDL')) == sorted(
        path.relative_to(ROOT).as_posix() for path in SADL.glob('*.py'))


@pytest.mark.parametrize('entry', entries('SaDL'), ids=lambda entry: entry['Name'])
def test_index_of_sadl_counts_parameters_and_claims_no_score(entry):
    assert entry['Config'] == f'configs/sadl/{entry["Name"]}.py'
    cfg = load_config(ROOT / entry['Config'])
    with torch.device('meta'):
        model = MODELS.build({**cfg.model, 'data_preprocessor': None})
    assert entry['Metadata']['Parameters'] == sum(p.numel() for p in model.parameters())
    assert 'Results' not in entry  # until one is trained here to its end


@pytest.mark.parametrize('entry', entries('SChanger'), ids=lambda entry: entry['Name'])
def test_index_names_files_and_the_papers_numbers(entry):
    assert (ROOT / entry['Config']).is_file()
    _, size, name = entry['Name'].split('_', 2)
    (result, ) = entry['Results']
    assert result['Metrics'] == {'F1 (paper)': PUBLISHED[name][size == 'small'][0]}
    assert entry['Metadata']['Parameters'] == {'base': 2_369_995, 'small': 607_305}[size]


def test_readme_table_is_the_papers_and_claims_nothing_else():
    rows = re.findall(r'^\| \S+ \| (base|small) \| \[(\w+)\.py\]\((\w+)\.py\) \| (\S+) \| (\S+) \| (\S+) \|$',
                      (FOLDER / 'README.md').read_text(), re.M)
    assert len(rows) == 12
    for size, shown, linked, paper, again, here in rows:
        assert shown == linked and (FOLDER / f'{linked}.py').is_file()
        numbers = PUBLISHED[linked.removesuffix('_small')][size == 'small']
        assert (float(paper), float(again)) == (numbers[0], pytest.approx(numbers[1], abs=0.005))
        assert here == '-'  # until one is trained here to its end
