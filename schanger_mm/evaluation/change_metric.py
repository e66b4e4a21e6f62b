"""Scores of the changed class over a whole data set."""

from __future__ import annotations

import csv
import logging
import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.dist import is_main_process
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from PIL import Image
from prettytable import PrettyTable

from schanger_mm.evaluation.confusion import Confusion, as_map
from schanger_mm.registry import METRICS


@METRICS.register_module()
class ChangeMetric(BaseMetric):
    """F1, precision, recall, IoU, OA and kappa of the positive class, in percent.

    All come from ONE confusion matrix over the pixels of all images, so they
    do not depend on tile size or batch size. Kappa is in percent too. A score
    whose denominator is 0 is ``nan``; F1 is undefined where neither truth nor
    prediction has a changed pixel, which is logged once (``save_best`` never
    takes a ``nan`` for better). The scalars are named ``changed/F1`` and so
    on: ``CheckpointHook(save_best='changed/F1', rule='greater')`` works.

    Args:
        ignore_index: truth value of pixels that do not count.
        output_dir: write each prediction there as a 0/255 PNG named after the
            image (date A's stem), and ``per_image.csv``. A later evaluation
            overwrites both.
        format_only: only write predictions; needs no truth, gives no scores.
        collect_device: where results of several processes meet, 'cpu' or 'gpu'.
        prefix: first part of the scalars' names, 'changed' by default; say
            'building' where buildings are segmented.
        collect_dir: folder for collecting on 'cpu'.

    Raises:
        ValueError: ``format_only`` without ``output_dir``; and from
            :meth:`process`, naming the image: no truth, sizes that differ,
            values other than 0, 1 and ``ignore_index``, two images of one name.
    """

    default_prefix = 'changed'

    def __init__(self,
                 ignore_index: int = 255,
                 output_dir: str | None = None,
                 format_only: bool = False,
                 collect_device: str = 'cpu',
                 prefix: str | None = None,
                 collect_dir: str | None = None):
        super().__init__(collect_device=collect_device, prefix=prefix, collect_dir=collect_dir)
        if format_only and output_dir is None:
            raise ValueError('ChangeMetric: format_only=True only writes predictions, but output_dir is '
                             "None; set output_dir='<folder>'.")
        self.ignore_index = ignore_index
        self.output_dir = None if output_dir is None else Path(output_dir)
        self.format_only = format_only
        self._written: dict[str, str] = {}
        self._warned = False

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Count one batch of samples, each with ``pred_sem_seg`` and ``gt_sem_seg`` of ``(1, H, W)``.

        Keeps a tuple ``(name, TP, FP, FN, TN, ignored)`` per image.
        """
        for sample in data_samples:
            path = date_a_path(sample)
            prediction = sample['pred_sem_seg']['data']
            counts = (0, 0, 0, 0, 0) if self.format_only else self._count(prediction, sample, path)
            self.results.append((Path(path).stem if path else '', *counts))
            if self.output_dir is not None:
                self._write_prediction(self.output_dir, as_map(prediction), path)

    def _count(self, prediction, sample: dict, path: str | None) -> tuple[int, ...]:
        image = path or f'sample {len(self.results)} (no img_path)'
        if 'gt_sem_seg' not in sample:
            raise ValueError(f'ChangeMetric: {image} has no truth (gt_sem_seg). Load annotations in the test '
                             'pipeline, or, for images without labels, set format_only=True.')
        try:
            c = Confusion.of(prediction, sample['gt_sem_seg']['data'], self.ignore_index)
        except ValueError as error:
            raise ValueError(f'ChangeMetric: {image}: {error}') from error
        return c.tp, c.fp, c.fn, c.tn, c.ignored

    def _write_prediction(self, folder: Path, prediction: np.ndarray, path: str | None) -> None:
        if path is None:
            raise ValueError('ChangeMetric: output_dir is set, but a sample has no img_path to name its file '
                             "after; add 'img_path' to the meta_keys of the packing transform.")
        name = Path(path).stem
        if name in self._written:
            raise ValueError(f'ChangeMetric: {path} and {self._written[name]} would both be written to '
                             f'{folder / (name + ".png")}; give the images names of their own.')
        self._written[name] = path
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray((prediction == 1).astype(np.uint8) * 255).save(folder / f'{name}.png')

    def compute_metrics(self, results: list[tuple]) -> dict[str, float]:
        """Sum the counts of all images (of all processes) and return the scores in percent."""
        if self.format_only:
            print_log(f'{len(results)} predictions are saved to {self.output_dir}', logger='current')
            return {}
        total = sum((Confusion(*counts) for _, *counts in results), Confusion())
        self._warn_if_undefined(total)
        if self.output_dir is not None:
            self._write_table(self.output_dir, results)
        scores = total.scores()
        print_log('\n' + self._table(scores, total, len(results)), logger='current')
        return scores

    def evaluate(self, size: int) -> dict:
        """Compute the scores over ``size`` images and forget them, as mmengine does."""
        try:
            return super().evaluate(size)
        finally:
            self._written.clear()

    def _warn_if_undefined(self, total: Confusion) -> None:
        if self._warned or not math.isnan(total.f1):
            return
        self._warned = True
        reason = 'neither the truth nor the prediction has a positive pixel'
        if total.ignored:
            reason += (f', and {total.ignored} pixels are ignored (ignore_index={self.ignore_index}): '
                       'if the labels are 0/255, the dataset has to map 255 to 1')
        print_log(f'{self.prefix}/F1 is undefined (nan): {reason}. This is said once.', logger='current',
                  level=logging.WARNING)

    def _table(self, scores: dict[str, float], total: Confusion, images: int) -> str:
        table = PrettyTable([self.prefix, *scores, 'images', 'ignored'])
        share = total.ignored / max(1, total.total + total.ignored)
        table.add_row(['%', *(f'{value:.2f}' for value in scores.values()), images, f'{share:.1%}'])
        return table.get_string()

    def _write_table(self, folder: Path, results: list[tuple]) -> None:
        if not is_main_process():
            return
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / 'per_image.csv'
        part = file.with_suffix('.csv.part')
        with part.open('w', newline='', encoding='utf-8') as stream:
            writer = csv.writer(stream)
            writer.writerow(['name', 'F1', 'TP', 'FP', 'FN', 'TN'])
            for name, *counts in results:
                c = Confusion(*counts)
                writer.writerow([name, f'{c.f1:.4f}', c.tp, c.fp, c.fn, c.tn])
        os.replace(part, file)


def date_a_path(sample: dict) -> str | None:
    """Return the path of a sample's image, date A's where it has two; None where it has none."""
    path = sample.get('img_path')
    if isinstance(path, (list, tuple)):
        path = path[0] if path else None
    return None if path is None else str(path)
