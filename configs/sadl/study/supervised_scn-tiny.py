# Part of `make study`: pre-train the tiny SChanger on the drawn building masks.
#   python tools/train.py configs/sadl/study/supervised_scn-tiny.py
_base_ = '../../schanger/pretrain_demo.py'

# 400 iterations of 8 crops; one evaluation at the end, for the log
train_cfg = dict(val_interval=400)
