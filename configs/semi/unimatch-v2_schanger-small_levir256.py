# UniMatch V2 around SChanger-small on LEVIR-CD cut to 256 px, 5 % of the pairs with labels:
#   python tools/train.py configs/semi/unimatch-v2_schanger-small_levir256.py
#   ... --cfg-options train_dataloader.dataset.percent=10      (or 20, 40)
#   python tools/test.py configs/semi/unimatch-v2_schanger-small_levir256.py \
#       work_dirs/unimatch-v2_schanger-small_levir256/best_changed_F1_iter_*.pth
# Needs what the control needs. The best checkpoint is chosen on val; the test list is for the end.
_base_ = [
    './supervised_schanger-small_levir256.py',
    '../_base_/semi/unimatch_v2.py',
]

train_dataloader = dict(sampler=dict(ratio=1))
