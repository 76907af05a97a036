"""A report as a list of blocks, and how they are written as Markdown and as a page of HTML (as PDF: `trainer.pdf`)."""

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    text: str
    level: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Paragraph:
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bullets:
    items: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The first column is text, the others are short; `wide` columns, by number, take what room is left."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    wide: Sequence[int] = (0,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A PNG file; `width` is its share of the page's."""

    caption: str
    path: Path
    width: float = 1.0


Block = Heading | Paragraph | Bullets | Table | Picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    title: str
    subtitle: str
    blocks: Sequence[Block]


def numbered(document: Document) -> list[tuple[Block, str]]:
    """The blocks with the label of their caption, "Table 1" or "Figure 1"; nothing for other blocks."""
    counts = {"Table": 0, "Figure": 0}
    found = []
    for block in document.blocks:
        kind = "Table" if isinstance(block, Table) else "Figure" if isinstance(block, Picture) else ""
        if kind:
            counts[kind] += 1
        found.append((block, f"{kind} {counts[kind]}" if kind else ""))
    return found


# --- Markdown --------------------------------------------------------------------------------------------------------


def markdown(document: Document) -> str:
    """Pictures are named relative to the folder in which their own folder lies."""
    parts = [
        f"# {document.title}",
        document.subtitle,
        *(_markdown(block, label) for block, label in numbered(document)),
    ]
    return "\n\n".join(parts) + "\n"


def _markdown(block: Block, label: str) -> str:
    match block:
        case Heading():
            return f"{'#' * block.level} {block.text}"
        case Paragraph():
            return block.text
        case Bullets():
            return "\n".join(f"- {item}" for item in block.items)
        case Table():
            return f"**{label}.** {block.caption}\n\n" + markdown_table(block)
        case Picture():
            return f"![{label}]({block.path.parent.name}/{block.path.name})\n\n**{label}.** {block.caption}"


def markdown_table(table: Table) -> str:
    rows = [table.head, ["---"] * len(table.head), *([cell.replace("|", "\\|") for cell in row] for row in table.rows)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


# --- HTML ------------------------------------------------------------------------------------------------------------

_STYLE = """
body { font: 17px/1.5 Georgia, "Times New Roman", serif; color: #1a1a1a; max-width: 52rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin-bottom: .2rem; } h2 { margin-top: 2.2rem; } .subtitle { color: #555; }
figure { margin: 1.6rem 0; } figcaption { font-size: .88rem; color: #333; margin: .4rem 0; }
.scroll { overflow-x: auto; }
img { display: block; margin: 0 auto; max-width: 100%; }
table { border-collapse: collapse; font: 14px/1.35 system-ui, sans-serif; border-top: 2px solid #333;
  border-bottom: 2px solid #333; }
th { text-align: left; border-bottom: 1px solid #333; vertical-align: bottom; }
th, td { padding: .2rem .6rem .2rem 0; } td:not(:first-child) { white-space: nowrap; }
tr:nth-child(even) td { background: #f5f5f5; }
"""


def html_page(document: Document) -> str:
    """One file: style and pictures are inside."""
    title = html.escape(document.title)
    body = "\n".join(_html(block, label) for block, label in numbered(document))
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
        f'<p class="subtitle">{html.escape(document.subtitle)}</p>\n{body}\n</body>\n</html>\n'
    )


def _html(block: Block, label: str) -> str:
    match block:
        case Heading():
            return f"<h{block.level}>{html.escape(block.text)}</h{block.level}>"
        case Paragraph():
            return f"<p>{html.escape(block.text)}</p>"
        case Bullets():
            return "<ul>\n" + "\n".join(f"<li>{html.escape(item)}</li>" for item in block.items) + "\n</ul>"
        case Table():
            return f'<figure>{_caption(block.caption, label)}<div class="scroll">{_html_table(block)}</div></figure>'
        case Picture():
            data = base64.b64encode(block.path.read_bytes()).decode()
            image = f'<img src="data:image/png;base64,{data}" alt="{label}" style="width: {block.width:.0%}">'
            return f"<figure>{image}{_caption(block.caption, label)}</figure>"


def _caption(text: str, label: str) -> str:
    return f"<figcaption><b>{label}.</b> {html.escape(text)}</figcaption>"


def _html_table(table: Table) -> str:
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in table.head)
    rows = "\n".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows)
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>"
