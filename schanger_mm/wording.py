"""What other programs say of a failure, in the words of an error of ours."""

from __future__ import annotations


def first_line(error: BaseException, most: int | None = 300) -> str:
    """Return the first line of what an error says, ``most`` characters of it (None: all); empty if it says nothing."""
    return (str(error).strip().splitlines() or [''])[0][:most]
