# UniMatch V2 around the Siamese ResNet-18-FPN (two output channels, difference of the dates) on LEVIR-CD cut to 256 px.
#   python tools/train.py configs/semi/unimatch-v2_fpn-cd_r18_levir256.py
# Needs data/LEVIR-CD-256. From random weights; the schedule is ours.
_base_ = [
    '../_base_/models/fpn-cd_resnet18.py',
    '../_base_/datasets/levir256_semi_dataset.py',
    '../_base_/semi/unimatch_v2.py',
    '../_base_/schedules/fpn-cd.py',
    '../_base_/default_runtime.py',
]

data_preprocessor = dict(mean=[127.5] * 6, std=[127.5] * 6)
