import torch


def test_save_best_takes_the_changed_class_f1(toy_runner, tmp_path):
    saver = dict(type='CheckpointHook', by_epoch=False, interval=10, save_best='changed/F1', rule='greater')
    runner = toy_runner(iters=6, val_interval=2, default_hooks=dict(checkpoint=saver))
    runner.train()
    best = list((tmp_path / 'run').glob('best_changed_F1_iter_*.pth'))
    assert len(best) == 1
    score = torch.load(best[0], weights_only=False)['message_hub']['runtime_info']['best_score']
    assert 0 <= score <= 100
    assert score >= runner.val_loop.run()['changed/F1'] - 1e-9
