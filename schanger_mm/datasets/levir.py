"""LEVIR-CD."""

from schanger_mm.registry import DATASETS

from .bitemporal import BiTemporalDataset


@DATASETS.register_module()
class LEVIRCDDataset(BiTemporalDataset):
    """LEVIR-CD: building change in Google Earth images of 0.5 m, 445/64/128 pairs of 1024x1024 px.

    Takes the arguments of :class:`BiTemporalDataset`; the folders of a split
    are ``train/A``, ``train/B`` and ``train/label``. Source: Chen and Shi,
    Remote Sensing 12(10), 2020.
    """

    LAYOUT = 'DIR/{train,val,test}/{A,B,label}/*.png'
    DOWNLOAD_HINT = ('LEVIR-CD (445/64/128 pairs of 1024 px, free for research) from '
                     'https://justchenhao.github.io/LEVIR; unpack it so that DIR has the layout above')
