"""A report as PDF: A4, one column, embedded fonts; the same document gives the same bytes."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import matplotlib
from reportlab.lib import colors
from reportlab.lib.enums import TA_JUSTIFY
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import CondPageBreak, Image, KeepTogether, ListFlowable, SimpleDocTemplate
from reportlab.platypus import Paragraph as Words
from reportlab.platypus import Table as Grid
from reportlab.platypus.flowables import Flowable

from trainer.document import Block, Bullets, Document, Heading, Paragraph, Picture, Table, numbered

_MARGIN = 22 * mm
_WIDTH = A4[0] - 2 * _MARGIN
_FONTS = {"Body": "STIXGeneral", "Body-Bold": "STIXGeneralBol", "Cell": "DejaVuSans", "Cell-Bold": "DejaVuSans-Bold"}
"""Free fonts that come with matplotlib."""
_LEAST_ROOM = 50 * mm
"""What must be left of a page for a heading or a long table to begin on it."""
_SPLIT_ABOVE_ROWS = 18
"""A longer table may break over pages, its head repeated; a shorter one stays in one piece."""


def _style(name: str, font: str, size: float, **more: Any) -> ParagraphStyle:
    return ParagraphStyle(name, fontName=font, fontSize=size, leading=size * 1.32, **more)


_BODY = _style("body", "Body", 10.5, alignment=TA_JUSTIFY, spaceAfter=6)
_TITLE = _style("title", "Body-Bold", 20, spaceAfter=4)
_SUBTITLE = _style("subtitle", "Body", 11, textColor=colors.HexColor("#444444"), spaceAfter=12)
_HEADINGS = {
    2: _style("h2", "Body-Bold", 14, spaceBefore=12, spaceAfter=5),
    3: _style("h3", "Body-Bold", 11.5, spaceBefore=8, spaceAfter=3),
}
_CAPTION = _style("caption", "Body", 9, spaceBefore=4, spaceAfter=4, textColor=colors.HexColor("#222222"))
_CELL = _style("cell", "Cell", 7)
_HEAD = _style("head", "Cell-Bold", 7)


def write(document: Document, target: Path) -> None:
    for name, file in _FONTS.items():
        pdfmetrics.registerFont(TTFont(name, Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{file}.ttf"))
    pdfmetrics.registerFontFamily("Body", normal="Body", bold="Body-Bold", italic="Body", boldItalic="Body-Bold")
    flow: list[Flowable] = [Words(escape(document.title), _TITLE), Words(escape(document.subtitle), _SUBTITLE)]
    headings: list[Flowable] = []
    for block, label in numbered(document):
        if isinstance(block, Heading):
            headings.append(Words(escape(block.text), _HEADINGS[block.level]))
        else:
            flow += _headed(headings, _flowables(block, label), block)
            headings = []
    page = SimpleDocTemplate(
        str(target),
        pagesize=A4,
        leftMargin=_MARGIN,
        rightMargin=_MARGIN,
        topMargin=_MARGIN,
        bottomMargin=_MARGIN,
        title=document.title,
        invariant=1,
    )
    page.build(flow, onFirstPage=_page_number, onLaterPages=_page_number)


def _headed(headings: list[Flowable], flowables: list[Flowable], block: Block) -> list[Flowable]:
    """A heading is never alone at the foot of a page, nor a caption."""
    parts = [*headings, *flowables]
    if isinstance(block, Picture) or (isinstance(block, Table) and len(block.rows) <= _SPLIT_ABOVE_ROWS):
        return [KeepTogether(parts)]
    return [CondPageBreak(_LEAST_ROOM), *parts] if headings or isinstance(block, Table) else parts


def _page_number(canvas: Any, _document: object) -> None:
    canvas.setFont("Body", 9)
    canvas.drawCentredString(A4[0] / 2, _MARGIN / 2, str(canvas.getPageNumber()))


def _flowables(block: Paragraph | Bullets | Table | Picture, label: str) -> list[Flowable]:
    match block:
        case Paragraph():
            return [Words(escape(block.text), _BODY)]
        case Bullets():
            items = [Words(escape(item), _BODY) for item in block.items]
            return [ListFlowable(items, bulletType="bullet", leftIndent=12, bulletFontSize=7, bulletOffsetY=-2)]
        case Table():
            return [_caption(block.caption, label), _grid(block)]
        case Picture():
            image = Image(str(block.path))
            image.drawHeight *= block.width * _WIDTH / image.drawWidth
            image.drawWidth = block.width * _WIDTH
            return [image, _caption(block.caption, label)]


def _caption(text: str, label: str) -> Flowable:
    return Words(f"<b>{label}.</b> {escape(text)}", _CAPTION)


def _grid(table: Table) -> Flowable:
    head = [Words(escape(cell), _HEAD) for cell in table.head]
    rows = [[Words(escape(_unbroken(cell)), _CELL) for cell in row] for row in table.rows]
    style = [
        ("LINEABOVE", (0, 0), (-1, 0), 1, colors.black),
        ("LINEBELOW", (0, 0), (-1, 0), 0.5, colors.black),
        ("LINEBELOW", (0, -1), (-1, -1), 1, colors.black),
        ("ROWBACKGROUNDS", (0, 1), (-1, -1), [colors.white, colors.HexColor("#f3f3f3")]),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LEFTPADDING", (0, 0), (-1, -1), 2),
        ("RIGHTPADDING", (0, 0), (-1, -1), 3),
        ("TOPPADDING", (0, 0), (-1, -1), 1.5),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
    ]
    return Grid([head, *rows], colWidths=_widths(table), style=style, repeatRows=1, hAlign="LEFT", spaceAfter=10)


def _unbroken(cell: str) -> str:
    """An interval stays on one line."""
    return re.sub(r"\[[^]]*\]", lambda found: found[0].replace(" ", "\N{NO-BREAK SPACE}"), cell)


def _widths(table: Table) -> list[float]:
    """Columns as wide as they need; the wide ones share, those that lack least first, what the others leave.

    Where the others leave too little, all are wide; a word is never broken.
    """
    columns = range(len(table.head))
    least = [_width(table, column, lambda cell: _unbroken(cell).split(" ")) for column in columns]
    needed = [max(least[column], _width(table, column, lambda cell: [cell])) for column in columns]
    narrow = sum(needed[column] for column in columns if column not in table.wide)
    wide = table.wide if narrow < 0.8 * _WIDTH else columns
    widths = [least[column] if column in wide else needed[column] for column in columns]
    left = max(0.0, _WIDTH - sum(widths))
    for at, column in enumerate(sorted(wide, key=lambda one: needed[one] - least[one])):
        more = min(needed[column] - least[column], left / (len(wide) - at))
        widths[column] += more
        left -= more
    return widths


def _width(table: Table, column: int, parts: Callable[[str], list[str]]) -> float:
    """Of the widest part of a cell; heads may always break at spaces."""
    texts = [(part, "Cell") for row in table.rows for part in parts(row[column])]
    texts += [(word, "Cell-Bold") for word in table.head[column].split()]
    return float(max(pdfmetrics.stringWidth(text, font, 7) for text, font in texts) + 5.5)
