# How much pre-training helps: start from random weights.
#   python tools/train.py configs/schanger/ablations/no_pretraining.py
_base_ = '../levir_small.py'

load_from = None
