"""tools/analysis_tools/print_config.py, typed as a user types it."""

DEMO = 'configs/schanger/demo.py'
TOOL = 'tools/analysis_tools/print_config.py'


def test_print_config_prints_a_config_that_says_the_same(run, tmp_path):
    out = tmp_path / 'whole.py'
    words = [DEMO, '--cfg-options', 'train_cfg.max_iters=7']
    assert run(TOOL, *words, '--out', out) == ''
    text = run(TOOL, out)
    assert text == out.read_text() and 'max_iters=7' in text and '_base_ =' not in text
    assert 'whole.py exists already; nothing was written' in run(TOOL, *words, '--out', out, fails=2)
    assert "did you mean 'train_cfg'" in run(TOOL, DEMO, '--cfg-options', 'trian_cfg.max_iters=7', fails=2)
