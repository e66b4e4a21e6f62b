# UniMatch V2 around SChanger-small on WHU-CD cut to 256 px, SemiCD's random split, 5 % of the pairs with labels:
#   python tools/train.py configs/semi/unimatch-v2_schanger-small_whu256.py
#   ... --cfg-options train_dataloader.dataset.percent=10      (or 20, 40)
#   python tools/test.py configs/semi/unimatch-v2_schanger-small_whu256.py \
#       work_dirs/unimatch-v2_schanger-small_whu256/best_changed_F1_iter_*.pth
# Needs what the control needs. The best checkpoint is chosen on val; the test list is for the end.
_base_ = [
    './supervised_schanger-small_whu256.py',
    '../_base_/semi/unimatch_v2.py',
]

train_dataloader = dict(sampler=dict(ratio=1))
