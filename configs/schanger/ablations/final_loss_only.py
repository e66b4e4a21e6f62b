# Loss on the final map only, instead of all six.
#   python tools/train.py configs/schanger/ablations/final_loss_only.py
_base_ = '../levir_small.py'

model = dict(decode_head=dict(deep_supervision=False))
