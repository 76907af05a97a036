"""A reporter that says nothing to anybody, and keeps what it was told."""


class Quiet:
    """`said`: line by line."""

    interactive = False

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def progress(self, done: int, total: int, text: str) -> None: ...

    def confirm(self, text: str) -> bool:
        return True
