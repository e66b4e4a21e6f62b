"""What comparisons share: folders with a record, and the log of a training."""

import pytest

from schanger_mm.experiments.trainings import Training, claim


def test_a_training_without_its_scalar_is_an_error(tmp_path):
    folder = tmp_path / 'run/1/vis_data'
    folder.mkdir(parents=True)
    (folder / 'scalars.json').write_text('{"loss": 1.5, "step": 1}\n')
    training = Training(tmp_path / 'some.py', tmp_path / 'run', {})
    assert training.curve('loss') == [(1, 1.5)]
    with pytest.raises(ValueError, match=r'run: .* without an evaluation, changed/F1 is not .*some\.py'):
        training.curve('changed/F1')


def test_a_folder_belongs_to_one_comparison(tmp_path):
    record = tmp_path / 'out/record.json'
    claim(record, dict(a=1, b=[2]), 'comparison', ('results.*', ))
    claim(record, dict(a=1, b=[2]), 'comparison')
    with pytest.raises(ValueError, match='out holds a comparison with other b, c, whose results would be taken'):
        claim(record, dict(a=1, b=[3], c=4), 'comparison')
    record.unlink()
    (tmp_path / 'out/results.md').touch()
    with pytest.raises(ValueError, match=r'out holds results\.md, but no record\.json'):
        claim(record, dict(a=1), 'comparison', ('results.*', ))
