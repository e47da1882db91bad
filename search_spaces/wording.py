"""Numbers in messages."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A number with its noun: ``1 triple``, ``1,200 trials``.

    Args:
        number: How many.
        noun: The noun for one.
        plural: The noun for any other number; the noun with an s by default.
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
