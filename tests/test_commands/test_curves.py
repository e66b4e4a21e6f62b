"""tools/analysis_tools/analyze_logs.py, typed as a user types it."""

TOOL = 'tools/analysis_tools/analyze_logs.py'


def test_analyze_logs_draws_and_lists(run, tmp_path):
    log = tmp_path / 'work/2026/vis_data/scalars.json'
    log.parent.mkdir(parents=True)
    log.write_text('{"loss": 2.0, "step": 1}\n{"changed/F1": 51.5, "step": 2}\n')
    text = run(TOOL, tmp_path / 'work', '--out', tmp_path / 'c.png', '--csv', tmp_path / 'c.csv')
    assert '51.5' in text and (tmp_path / 'c.png').read_bytes()[:4] == b'\x89PNG'
    assert (tmp_path / 'c.csv').read_text().splitlines()[2] == 'work,changed/F1,2,51.5'
    error = run(TOOL, tmp_path / 'work', '--keys', 'mIoU', '--out', tmp_path / 'd.png', fails=2)
    assert error == 'error: --keys mIoU: not in the logs of work, which hold: changed/F1, loss.\n'
