"""Sweep the threshold of a checkpoint: python tools/analysis_tools/confusion.py CONFIG CHECKPOINT."""

import argparse
import sys

from schanger_mm import apis
from schanger_mm.analysis.thresholds import sweep_checkpoint
from schanger_mm.checkpoints.quarantine import TRUST


def main() -> None:
    """Read the command line and sweep."""
    parser = argparse.ArgumentParser(
        description='Precision, recall, F1, IoU and the confusion matrix at every threshold of the probability.')
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file, or an exported network (.onnx, .xml, .pt2)')
    parser.add_argument(TRUST, action='store_true', dest='trust', help='load a .pt2 export, which can run code')
    parser.add_argument('--split', choices=['val', 'test'], default='val', help='images to sweep over (default: val)')
    parser.add_argument('--out', metavar='DIR', help='folder for tables and picture (default: in the work directory)')
    parser.add_argument('--bins', type=int, default=1000, help='steps of the threshold from 0 to 1, even')
    parser.add_argument('--work-dir', help='where logs go (default: work_dirs/<config name>)')
    parser.add_argument('--overwrite', action='store_true', help='replace the files of an earlier sweep')
    parser.add_argument('--cfg-options', nargs='+', action=apis.OptionsAction, metavar='KEY=VALUE',
                        help='override settings, for example val_dataloader.dataset.data_root=DIR')
    args = parser.parse_args()
    cfg = apis.load_config(args.config, args.cfg_options)
    apis.prepare(cfg, args.config, args.work_dir)
    print(sweep_checkpoint(cfg, args.checkpoint, args.split, args.out, args.bins, args.overwrite,
                           args.trust))


if __name__ == '__main__':
    sys.exit(apis.run(main))
