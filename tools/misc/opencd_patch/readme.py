"""The README of a method as Open-CD's look: introduction, repository, abstract, bibtex, results."""

from __future__ import annotations

from collections.abc import Mapping

LIST_HEADING = 'Supported change detection model'
LIST_ENTRY = "[SChanger (JSTARS'2025)](configs/schanger)"
MAIN = 'https://github.com/likyoo/open-cd/blob/main'
RESULTS = {'base': (2_369_995, 92.87), 'small': (607_305, 92.45)}
"""Parameters, and the F1 on LEVIR-CD in % that the paper prints."""

_HEAD = f'''# SChanger

[SChanger: Change Detection from a Semantic Change and Spatial Consistency Perspective](https://arxiv.org/abs/2503.20734)

## Introduction

[Official Weights](https://huggingface.co/Zy-Zhou/schanger)

[Code Snippet]({MAIN}/opencd/models/decode_heads/spatial_consistency_head.py)

## Abstract

Labelled image pairs are scarce, while single images with building masks are not. SChanger therefore trains a network
for single images first and fine-tunes it on pairs: the weights keep their meaning, and only a temporal fusion module
(TFM), which turns semantics into changes, is new. Both dates show the same place, so what is worth attending to at one
date is so at the other: a spatial consistency attention module (SCAM) computes one large-kernel attention map from both
and gates both with it. The outputs of all decoder levels are supervised and fused to the final map.

```bibtex
@article{{zhou2025schanger,
  title={{SChanger: Change Detection from a Semantic Change and Spatial Consistency Perspective}},
  author={{Zhou, Ziyu and Hu, Keyan and Fang, Yutian and Rui, Xiaoping}},
  journal={{IEEE Journal of Selected Topics in Applied Earth Observations and Remote Sensing}},
  volume={{18}},
  year={{2025}},
  doi={{10.1109/JSTARS.2025.3555849}}
}}
```

## Results and models

### LEVIR-CD

| Method | Params | Crop Size | Lr schd | Mem (GB) | Precision | Recall | F1-Score | IoU | config | download |
| :----: | :----: | :-------: | :-----: | :------: | :-------: | :----: | :------: | :-: | :----: | :------: |
'''
_FOOT = '''
- All metrics are based on the category "change".
- (paper): the value that the paper prints, from weights pre-trained on the building masks of Inria; "-": not measured.
  Nothing was trained to the end with these configs. Scores are those of 256 x 256 tiles at threshold 0.5.
- `--tta` of `tools/test.py` averages probabilities (`ChangeTTAModel`).
'''


def readme(configs: Mapping[str, str]) -> str:
    """Return the text for the configs of each size."""
    rows = [f'| SChanger-{size} | {RESULTS[size][0]:,} | 256x256 | 660000 | - | - | - | {RESULTS[size][1]} (paper) | - '
            f'| [config]({MAIN}/configs/schanger/{name}.py) | - |' for size, name in configs.items()]
    return _HEAD + '\n'.join(rows) + '\n' + _FOOT
