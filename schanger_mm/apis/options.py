"""``--cfg-options KEY=VALUE``, with values that are text as it stands."""

from __future__ import annotations

import ast

from mmengine.config import DictAction


class OptionsAction(DictAction):
    """mmengine's :class:`DictAction`, for which a quoted value is text.

    mmengine drops quotes and spaces and splits at commas, so no path with one
    of these gets through: here ``data_root="'/my data/x, y'"`` does, in the
    shell's quotes around Python's.
    """

    def __call__(self, parser, namespace, values, option_string=None):
        """Read the words of the command line."""
        if wrong := [word for word in values if not word.partition('=')[0] or '=' not in word]:
            parser.error(f'{option_string} {wrong[0]}: expected KEY=VALUE, such as train_dataloader.batch_size=4')
        super().__call__(parser, namespace, values, option_string)

    @staticmethod
    def _parse_iterable(val: str) -> object:
        if val[:1] in ('"', "'"):
            try:
                text = ast.literal_eval(val)
            except (ValueError, SyntaxError):
                text = None
            if isinstance(text, str):  # not the tuple of 'a','b'
                return text
        return DictAction._parse_iterable(val)


def option_word(key: str, value: object) -> str:
    """Return the word that sets ``key`` to a value as it stands; of a path, to its text."""
    return f'{key}={value!r}' if value is None or isinstance(value, (bool, int, float)) else f'{key}={str(value)!r}'
