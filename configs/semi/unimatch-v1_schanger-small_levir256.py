# UniMatch V1 around SChanger-small on LEVIR-CD cut to 256 px; 8 labelled and 8 unlabelled pairs, and 8 to paste from.
#   python tools/train.py configs/semi/unimatch-v1_schanger-small_levir256.py
_base_ = [
    './supervised_schanger-small_levir256.py',
    '../_base_/semi/unimatch_v1.py',
]

train_dataloader = dict(batch_size=24, sampler=dict(ratio=2))
