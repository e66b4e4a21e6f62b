# UniMatch V2 around DINOv2-base with a DPT-like head on WHU-CD cut to 256 px (SemiCD's split), 5 % of the pairs with
# labels.
#   python tools/train.py configs/semi/unimatch-v2_dinov2-base-dpt_whu256.py
#   ... --cfg-options train_dataloader.dataset.percent=10      (or 20, 40)
# Needs what the control needs.
_base_ = [
    './supervised_dinov2-base-dpt_whu256.py',
    '../_base_/semi/unimatch_v2.py',
]

train_dataloader = dict(sampler=dict(ratio=1))
