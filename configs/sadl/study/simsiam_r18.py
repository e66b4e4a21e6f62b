# Part of `make study`: the image-level control.
#   python tools/train.py configs/sadl/study/simsiam_r18.py
_base_ = './sadl_r18.py'

model = dict(type='SimSiam')
