"""Text of strangers, made fit to be printed: it cannot steer a terminal, nor pretend to be another line."""

_ALSO_SHOWN = frozenset("\u00a0\u3000\u200c\u200d")
"""Spaces of Western and Eastern typesetting, and the joiners without which Persian and Hindi are misspelt."""


def harmless(text: str) -> str:
    """Controls, line ends, marks that turn the direction, surrogates and the like as escapes."""
    if text.isprintable():
        return text
    return "".join(mark if _shown(mark) else mark.encode("unicode_escape").decode("ascii") for mark in text)


def _shown(mark: str) -> bool:
    return mark.isprintable() or mark in _ALSO_SHOWN
