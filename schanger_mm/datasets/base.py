"""Base of the data sets of this package: listing, pairing by stem, and checks before training starts."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence

import mmengine.fileio as fileio
import torch
from mmengine.logging import print_log
from mmseg.datasets import BaseSegDataset

from schanger_mm.utils.errors import DatasetError, MissingFileError, SampleError, SettingError, UserError
from schanger_mm.utils.names import Suffixes, join_suffixes, list_stems, natural_key, read_names
from schanger_mm.utils.random_numbers import own_random_numbers
from schanger_mm.utils.text import first_of

from .reading import COLOUR, GREY, read_header, read_label, wrong_form
from .samplers import Draw
from .transforms.loading import LoadImage, loader_of
from .transforms.private_draws import seed_private_generators

LABEL = 'seg_map_path'


class CheckedDataset(BaseSegDataset):
    """A folder per image role plus a folder of binary masks; files belong together by stem.

    A subclass defines its image roles and describes what it expects. Every
    raw sample has a ``name``, its stem with sub-folders (``city/tile_1``). All
    checks run in ``full_init``, so a mistake shows before the first iteration
    and not hours into a run; mistakes of one kind are reported together.

    Args:
        data_root (str, optional): folder that the others are relative to.
        data_prefix (dict): folder of each role; ``seg_map_path`` None or
            absent means no labels, which only ``test_mode`` allows.
        img_suffix (str | Sequence[str] | dict, optional): endings of image
            files; None takes any of .png .jpg .jpeg .tif .tiff .bmp. A dict
            gives each role its own, which tells dates in one folder apart.
        seg_map_suffix (str | Sequence[str], optional): the same for masks.
        ann_file (str): list of names, one per line, with or without suffix;
            only these are used, in that order. Default: all files, in
            natural order.
        list_split (str, optional): ``ann_file`` is a table with lines
            ``name,split``; take the lines of this split.
        label_threshold (int, optional): take mask values from here up as 1
            (lossy masks); None takes only 0/1 or 0/255.
        label_ignore (int, optional): mask value of pixels that count in
            neither loss nor metric, such as the 128 that
            ``schanger from-rasters`` writes for nodata.
        check_sizes (bool): read every file's header and compare sizes. Turn
            it off for formats that Pillow cannot open.
        labelled (bool): False: the pairs or images have no labels, and a label
            folder that may exist is neither listed nor opened; the unlabelled
            part of :class:`~schanger_mm.datasets.semi.SemiDataset`.
        **kwargs: ``pipeline``, ``test_mode``, ``metainfo``, ``indices``,
            ``lazy_init``, ``backend_args`` and the rest of mmseg's
            ``BaseSegDataset``.

    Raises:
        FileNotFoundError: a folder or the list file is missing.
        DatasetError: files that do not pair up, an empty split, two files
            with one stem, names in the list without files, unreadable
            headers, different sizes, other values in one of (about) 32 masks
            spread over the set, or
            images that the pipeline's own loader would refuse.
    """

    IMAGES: tuple[str, ...] = ()
    """Keys of ``data_prefix`` that hold images."""
    MAPS: tuple[str, ...] = ()
    """Keys of ``data_prefix`` that hold class maps."""
    LAYOUT = ''
    """The folders below ``data_root``, for messages."""
    DOWNLOAD_HINT = ''
    """How to get the data, for messages."""

    def __init__(self, data_prefix: dict, img_suffix: Suffixes | dict = None, seg_map_suffix: Suffixes = None,
                 label_threshold: int | None = None, check_sizes: bool = True, list_split: str | None = None,
                 label_ignore: int | None = None, labelled: bool = True, **kwargs) -> None:
        name = type(self).__name__
        if not labelled:
            data_prefix = {key: value for key, value in data_prefix.items() if key not in (LABEL, *self.MAPS)}
        unknown = sorted(set(data_prefix) - {*self.IMAGES, LABEL, *self.MAPS})
        absent = [key for key in self.IMAGES if data_prefix.get(key) is None]
        if unknown or absent:
            raise SettingError(f'{name}.data_prefix: expected the keys '
                               f'{", ".join((*self.IMAGES, *self.MAPS))} and {LABEL}, found {data_prefix}')
        self._check_suffixes(data_prefix, img_suffix)
        if label_threshold is not None and not 1 <= label_threshold <= 255:
            raise SettingError(f'{name}.label_threshold: expected None or 1 to 255, found {label_threshold!r}')
        if label_ignore is not None and not 1 <= label_ignore <= 254:
            raise SettingError(f'{name}.label_ignore: expected None or 1 to 254 (0 and 255 are unchanged and changed), '
                               f'found {label_ignore!r}')
        if label_ignore is not None and label_threshold is not None:
            raise SettingError(f'{name}: label_threshold={label_threshold} is for lossy masks, in which label_ignore='
                               f'{label_ignore} has no exact place; set one of the two.')
        if list_split is not None and not kwargs.get('ann_file'):
            raise SettingError(f'{name}.list_split={list_split!r}: needs `ann_file`, a table with lines name,split.')
        if kwargs.get('reduce_zero_label'):
            raise SettingError(f'{name}.reduce_zero_label: masks here are 0 and 1; omit it.')
        labels = (LABEL, *self.MAPS)
        if all(data_prefix.get(key) is None for key in labels) and labelled and not kwargs.get('test_mode'):
            raise SettingError(f'{name}.data_prefix.{LABEL}: expected the folder of the labels; only a '
                               'data set with test_mode=True, or the unlabelled part of a SemiDataset '
                               '(labelled=False), can do without.')
        self.label_threshold = label_threshold
        self.label_ignore = label_ignore
        self.check_sizes = check_sizes
        self.list_split = list_split
        self._draws_checked = False
        prefix = {key: value for key, value in data_prefix.items() if value is not None}
        super().__init__(data_prefix=prefix, img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, **kwargs)

    def __getitem__(self, index: int) -> dict:
        """Return a sample; for a :class:`Draw` its random numbers depend on the draw alone, and no others move.

        The first draw of a process is made twice. If the samples differ, the
        log says that a transform has a generator of its own.

        Raises:
            DatasetError: the sample is not what it should be.
            SampleError: anything else went wrong with it.
        """
        if not isinstance(index, Draw):
            return super().__getitem__(index)
        sample = self._draw(index)
        if not self._draws_checked:
            self._draws_checked = True
            if not _same_inputs(sample, self._draw(index)):
                print_log(f'{type(self).__name__}.pipeline: a sample that was drawn twice from the same random numbers '
                          'differs, so a transform draws from its own generator. No seed reproduces this training, '
                          'and a resume of it will not be exact. Let the transform draw from numpy.random, or give it '
                          'a method set_random_seed(seed).', logger='current', level=logging.WARNING)
        return sample

    def _draw(self, index: Draw) -> dict:
        with own_random_numbers(index.seed, 0, index.position):
            seed_private_generators(self.pipeline.transforms)
            return super().__getitem__(int(index))

    def prepare_data(self, idx: int) -> dict:
        """Read and transform a sample; whatever goes wrong names its files."""
        try:
            return super().prepare_data(idx)
        except Exception as error:
            files = self._files_of(idx)
            if isinstance(error, DatasetError) and any(file in str(error) for file in files):
                raise
            where = f'sample {" + ".join(files)}'
            if isinstance(error, MemoryError):
                raise MemoryError(f'{where}: {error}') from error
            if isinstance(error, UserError):
                raise DatasetError(f'{where}: {error}') from error
            raise SampleError(f'{where}: {type(error).__name__}: {error}') from error

    def _files_of(self, idx: int) -> list[str]:
        info = self.get_data_info(idx)
        images = info['img_path']
        labels = (info.get(key) for key in (LABEL, *self.MAPS))
        return [*(images if isinstance(images, list) else [images]), *filter(None, labels)]

    def load_data_list(self) -> list[dict]:
        """List the samples and check them; see the class for what is raised."""
        self._check_folders()
        files = {role: list_stems(folder, self._suffixes(role), self.backend_args)
                 for role, folder in self.data_prefix.items()}
        stems = self._listed_stems(files) if self.ann_file else self._common_stems(files)
        samples = [{role: paths[stem] for role, paths in files.items()} for stem in stems]
        if self.check_sizes:
            self._check_headers(samples)
        if LABEL in self.data_prefix:
            self._check_labels([sample[LABEL] for sample in samples])
        if set(self.MAPS) & set(self.data_prefix):
            self._check_maps(samples)
        return [dict(self.make_sample(paths), name=stem) for stem, paths in zip(stems, samples, strict=True)]

    def make_sample(self, paths: dict[str, str]) -> dict:
        """Make the raw sample of one group of files, ``paths`` by role."""
        sample = dict(paths, label_map=self.label_map, reduce_zero_label=False, seg_fields=[])
        if self.label_threshold is not None:
            sample['label_threshold'] = self.label_threshold
        if self.label_ignore is not None:
            sample['label_ignore'] = self.label_ignore
        return sample

    def _suffixes(self, role: str) -> Suffixes:
        if role not in self.IMAGES:
            return self.seg_map_suffix
        reading = self._loader.reading if self._loader else None
        own = _suffix_of(self.img_suffix, role)
        return reading.files[0] if own is None and reading and reading.files else own

    def _all_suffixes(self) -> Suffixes:
        """Return the endings that a name in a list may have."""
        return join_suffixes(*map(self._suffixes, self.IMAGES))

    def _check_suffixes(self, data_prefix: dict, img_suffix: Suffixes | dict) -> None:
        name = type(self).__name__
        if isinstance(img_suffix, dict) and not set(img_suffix) <= set(self.IMAGES):
            raise SettingError(f'{name}.img_suffix: expected the keys {", ".join(self.IMAGES)}, found '
                               f'{", ".join(map(str, img_suffix))}')
        files = [(data_prefix[role], str(_suffix_of(img_suffix, role))) for role in self.IMAGES]
        if len(set(files)) < len(files):
            raise SettingError(f'{name}: both dates are the files of one folder, {files[0][0]!r}; give each date its '
                               f'own ending, img_suffix=dict({", ".join(f"{role}=..." for role in self.IMAGES)}).')

    def _check_folders(self) -> None:
        wanted = [self.data_root] if self.data_root else []
        if not wanted or fileio.isdir(self.data_root, backend_args=self.backend_args):
            wanted = list(self.data_prefix.values())
        missing = [os.path.abspath(folder) for folder in wanted
                   if not fileio.isdir(folder, backend_args=self.backend_args)]
        if missing:
            raise MissingFileError(self._how_to_get(f'no folder {" and no folder ".join(missing)}'))
        if self.ann_file and not fileio.isfile(self.ann_file, backend_args=self.backend_args):
            raise MissingFileError(self._how_to_get(f'no list file {os.path.abspath(self.ann_file)}'))

    def _how_to_get(self, problem: str) -> str:
        return '\n'.join(filter(None, (
            f'{type(self).__name__}: {problem}',
            f'  expected layout: {self.LAYOUT}',
            f'  folders to read: {", ".join(map(os.path.abspath, self.data_prefix.values()))}',
            self.DOWNLOAD_HINT and f'  get the data:    {self.DOWNLOAD_HINT}',
            '  if it is elsewhere: --cfg-options train_dataloader.dataset.data_root=DIR '
            '(val_dataloader and test_dataloader likewise)',
            '  if you have no data: `schanger demo` draws its own')))

    def _listed_stems(self, files: dict[str, dict[str, str]]) -> list[str]:
        known = set().union(*files.values())
        stems = read_names(self.ann_file, known, self._all_suffixes(), self.backend_args, self.list_split)
        self._report_missing(files, stems, f'names of {os.path.abspath(self.ann_file)} have no file')
        return stems

    def _common_stems(self, files: dict[str, dict[str, str]]) -> list[str]:
        stems = sorted(set().union(*files.values()), key=natural_key)
        self._report_missing(files, stems, 'files are without a partner of the same stem')
        return stems

    def _report_missing(self, files: dict[str, dict[str, str]], stems: list[str], what: str) -> None:
        lines, lacking = [], set()
        for role, paths in files.items():
            missing = [stem for stem in stems if stem not in paths]
            lacking.update(missing)
            if missing:
                folder = os.path.abspath(self.data_prefix[role])
                lines.append(f'  {len(missing)} missing in {folder} ({role}): {first_of(missing)}')
        if lines:
            raise DatasetError('\n'.join((
                f'{type(self).__name__}: {len(lacking)} {what} (of {len(stems)}; suffixes may differ):',
                *lines,
                '  Add the missing files, or list the complete ones in a text file and set `ann_file`.')))

    @property
    def _loader(self) -> LoadImage | None:
        return loader_of(self)

    def _check_headers(self, samples: list[dict[str, str]]) -> None:
        taken = None if self._loader is None else (COLOUR, GREY) if self._loader.allow_grey else (COLOUR,)
        unreadable, sizes_differ, wrong = [], [], []
        bands: dict[int, str] = {}
        kinds: dict[str, str] = {}
        for paths in samples:
            sizes = {}
            for role, path in paths.items():
                reading = self._loader.reading if self._loader and role in self.IMAGES else None
                try:
                    if reading is not None:
                        sizes[path], count, kind = reading.header(path, self.backend_args)
                        bands.setdefault(count, path)
                        kinds.setdefault(kind, path)
                        continue
                    sizes[path], form = read_header(path, self.backend_args)
                except DatasetError as error:
                    unreadable.append(str(error))
                    continue
                if role in self.IMAGES and taken and form not in taken:
                    wrong.append(f'{path}: {wrong_form(form)}')
            if len(set(sizes.values())) > 1:
                sizes_differ.append(', '.join(f'{path} is {w}x{h}' for path, (h, w) in sizes.items()))
        self._report(unreadable, 'files cannot be read')
        self._report(sizes_differ, 'samples have images or labels of different size (width x height)')
        self._report(wrong, 'images are not of the kind that the pipeline loads')
        if len(bands) > 1:
            found = ', '.join(f'{path} has {count}' for count, path in bands.items())
            raise DatasetError(f'{type(self).__name__}: expected images with one number of bands, found: {found}. Name '
                               'those that all have with `bands` of the loading transform.')
        if len(kinds) > 1:
            found = ', '.join(f'{path} holds {kind}' for kind, path in kinds.items())
            raise DatasetError(f'{type(self).__name__}: expected images of one type, found: {found}. Their values mean '
                               'different things; convert them to one.')

    def _check_labels(self, paths: list[str]) -> None:
        """Read some masks, and go on until one has a positive pixel; the others are checked when they are read."""
        some = paths[::max(1, len(paths) // 32)]
        positive = [self._has_positive(path) for path in some]
        checked = set(some)
        others = (path for path in paths if path not in checked)
        if not any(positive) and not any(map(self._has_positive, others)):
            print_log(f'{type(self).__name__}: none of the {len(paths)} masks in '
                      f'{os.path.abspath(self.data_prefix[LABEL])} has a positive pixel. Nothing can be learnt from '
                      'them, and F1 on them is 0 or undefined, whatever the network. Is it the right folder?',
                      logger='current', level=logging.WARNING)

    def _check_maps(self, samples: Sequence[dict[str, str]]) -> None:
        """Check the class maps of some samples; for data sets that have them."""

    def _has_positive(self, path: str) -> bool:
        return bool((read_label(path, self.label_threshold, self.backend_args, self.label_ignore) == 1).any())

    def _report(self, problems: list[str], what: str) -> None:
        if problems:
            listed = first_of(problems, '\n  ')
            raise DatasetError(f'{type(self).__name__}: {len(problems)} {what}:\n  {listed}')


def _suffix_of(img_suffix: Suffixes | dict, role: str) -> Suffixes:
    return img_suffix.get(role) if isinstance(img_suffix, dict) else img_suffix


def _same_inputs(first: dict, second: dict) -> bool:
    """Compare packed samples; what is not packed passes."""
    one, two = first.get('inputs'), second.get('inputs')
    return not isinstance(one, torch.Tensor) or torch.equal(one, two)
