"""Unpickle one file with the user's permissions and write its tensors; see :mod:`~schanger_mm.checkpoints.quarantine`.

A program without imports of this package, for ``python -I``. The file can run
any code here; what the process returns is read as plain weights.
"""

import json
import sys


def tensors_of(content: object) -> tuple:
    """Return the state dict in the unpickled content, and the names of everything else."""
    import torch
    if isinstance(content, torch.nn.Module):
        content = content.state_dict()
    left = []
    for key in ('state_dict', 'model_state_dict', 'model', 'net', 'params'):
        if isinstance(content, dict) and key in content:
            left = [str(name) for name in content if name != key]
            content = content[key]
            break
    if isinstance(content, torch.nn.Module):
        content = content.state_dict()
    entries = dict(content) if isinstance(content, dict) else {}
    left += [str(name) for name, value in entries.items() if not isinstance(value, torch.Tensor)]
    return {str(name): value.detach().cpu().contiguous().clone() for name, value in entries.items()
            if isinstance(value, torch.Tensor)}, left


def main(source: str, target: str) -> None:
    """Read ``source`` and write its tensors to ``target``; lineage and names of omitted entries become metadata."""
    import torch
    from safetensors.torch import save_file
    content = torch.load(source, map_location='cpu', weights_only=False)
    state, left = tensors_of(content)
    meta = content.get('meta') if isinstance(content, dict) else None
    lineage = meta.get('lineage') if isinstance(meta, dict) else None
    save_file(state, target, {'schanger_mm': json.dumps({'left': left, 'lineage': lineage}, default=str)})


if __name__ == '__main__':
    main(*sys.argv[1:])
