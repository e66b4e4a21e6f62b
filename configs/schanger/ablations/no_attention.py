# Without attention: the features are not gated.
#   python tools/train.py configs/schanger/ablations/no_attention.py
_base_ = '../levir_small.py'

model = dict(decode_head=dict(attention=None))
