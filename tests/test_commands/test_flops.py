"""tools/analysis_tools/get_flops.py, typed as a user types it."""

DEMO = 'configs/schanger/demo.py'


def test_get_flops_prints_the_table(run):
    text = run('tools/analysis_tools/get_flops.py', DEMO, '--shape', 60, 64, '--cfg-options',
               'model.decode_head.arch=small', 'model.backbone.arch=small')
    assert 'one pair of 64 x 64 px' in text and '607305' in text


def test_a_config_can_be_given_by_name(run, tmp_path):
    texts = {run('flops', name, '--shape', 64, cwd=tmp_path)
             for name in ('levir_small', 'schanger/levir_small', 'schanger_mm::schanger/levir_small.py')}
    assert len(texts) == 1 and '607305' in texts.pop()
    error = run('flops', 'levir_smal', cwd=tmp_path, fails=2)
    assert error.startswith('error: no config levir_smal: ') and error.endswith('; did you mean levir_small?\n')
