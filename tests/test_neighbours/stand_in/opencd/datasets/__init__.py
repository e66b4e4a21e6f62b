"""Data sets and transforms: images as a list of two, one draw for both."""

import os.path as osp

import cv2
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.structures import PixelData
from mmseg.datasets import BaseSegDataset
from mmseg.structures import SegDataSample

from opencd.registry import DATASETS, TRANSFORMS

META_KEYS = ('img_path', 'seg_map_path', 'ori_shape', 'img_shape', 'pad_shape', 'scale_factor', 'flip',
             'flip_direction')


@DATASETS.register_module()
class LEVIR_CD_Dataset(BaseSegDataset):
    """Folders A, B and label of one file name."""

    METAINFO = dict(classes=('unchanged', 'changed'), palette=[[0, 0, 0], [255, 255, 255]])

    def __init__(self, img_suffix='.png', seg_map_suffix='.png', format_seg_map='to_binary', **kwargs):
        self.format_seg_map = format_seg_map
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, **kwargs)

    def load_data_list(self):
        from mmengine.fileio import list_dir_or_file
        from_, to, label = (self.data_prefix[key] for key in ('img_path_from', 'img_path_to', 'seg_map_path'))
        return [dict(img_path=[osp.join(from_, name), osp.join(to, name)], seg_map_path=osp.join(label, name),
                     label_map=self.label_map, format_seg_map=self.format_seg_map,
                     reduce_zero_label=self.reduce_zero_label, seg_fields=[])
                for name in sorted(list_dir_or_file(from_, list_dir=False, suffix=self.img_suffix))]


@TRANSFORMS.register_module()
class MultiImgLoadImageFromFile(BaseTransform):
    def transform(self, results):
        results['img'] = [cv2.imread(path) for path in results['img_path']]
        results['img_shape'] = results['ori_shape'] = results['img'][0].shape[:2]
        return results


@TRANSFORMS.register_module()
class MultiImgLoadAnnotations(BaseTransform):
    def transform(self, results):
        label = cv2.imread(results['seg_map_path'], cv2.IMREAD_UNCHANGED)
        if results['format_seg_map'] == 'to_binary':
            label = (label >= 128).astype(np.uint8)
        results['gt_seg_map'] = label
        results['seg_fields'].append('gt_seg_map')
        return results


@TRANSFORMS.register_module()
class MultiImgRandomCrop(BaseTransform):
    def __init__(self, crop_size, cat_max_ratio=1.0):
        self.crop_size = crop_size

    def transform(self, results):
        (height, width), image = self.crop_size, results['img'][0]
        top, left = (np.random.randint(0, max(0, have - want) + 1)
                     for have, want in zip(image.shape, (height, width)))
        window = np.s_[top:top + height, left:left + width]
        results['img'] = [image[window] for image in results['img']]
        for key in results['seg_fields']:
            results[key] = results[key][window]
        results['img_shape'] = results['img'][0].shape[:2]
        return results


@TRANSFORMS.register_module()
class MultiImgRandomFlip(BaseTransform):
    def __init__(self, prob, direction='horizontal'):
        self.prob, self.direction = prob, direction

    def transform(self, results):
        results['flip'] = bool(np.random.rand() < self.prob)
        results['flip_direction'] = self.direction if results['flip'] else None
        if results['flip']:
            axis = 1 if self.direction == 'horizontal' else 0
            results['img'] = [np.flip(image, axis).copy() for image in results['img']]
            for key in results['seg_fields']:
                results[key] = np.flip(results[key], axis).copy()
        return results


@TRANSFORMS.register_module()
class MultiImgPackSegInputs(BaseTransform):
    def __init__(self, meta_keys=META_KEYS):
        self.meta_keys = meta_keys

    def transform(self, results):
        images = [torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))) for image in results['img']]
        sample = SegDataSample(metainfo={key: results[key] for key in self.meta_keys if key in results})
        if 'gt_seg_map' in results:
            sample.gt_sem_seg = PixelData(data=torch.from_numpy(results['gt_seg_map'][None].astype(np.int64)))
        return dict(inputs=torch.cat(images), data_samples=sample)
