"""Writes minimal workbooks in Excel's format."""

from __future__ import annotations

import io
import zipfile
from datetime import date, datetime
from xml.sax.saxutils import escape

EPOCH = datetime(1899, 12, 30)
TIME_STYLE, DAY_STYLE = 1, 2
PARTS = {
    "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="xml" ContentType="application/xml"/></Types>',
    "_rels/.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship '
    'Id="r" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" '
    'Target="xl/workbook.xml"/></Relationships>',
    "xl/styles.xml": '<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><cellXfs count="3">'
    '<xf numFmtId="0"/><xf numFmtId="22"/><xf numFmtId="14"/></cellXfs></styleSheet>',
}
MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
DOCUMENT = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def write_workbook(sheets: dict[str, list[list]], merged: str = "") -> bytes:
    """The bytes of a workbook. sheets: their rows, of texts, numbers, bools, times, days, None, and errors like #N/A.
    merged: a range of the last sheet, like A2:A3."""
    names = "".join(f'<sheet name="{name}" sheetId="{n}" r:id="s{n}"/>' for n, name in enumerate(sheets, 1))
    targets = "".join(
        f'<Relationship Id="s{n}" Type="{DOCUMENT}/worksheet" Target="worksheets/sheet{n}.xml"/>'
        for n, _ in enumerate(sheets, 1)
    )
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in PARTS.items():
            archive.writestr(name, text)
        archive.writestr(
            "xl/workbook.xml", f'<workbook {MAIN} xmlns:r="{DOCUMENT}"><sheets>{names}</sheets></workbook>'
        )
        archive.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{targets}'
            f'<Relationship Id="y" Type="{DOCUMENT}/styles" Target="styles.xml"/></Relationships>',
        )
        for n, rows in enumerate(sheets.values(), 1):
            lines = "".join(_write_row(number, row) for number, row in enumerate(rows, 1))
            merge = f'<mergeCells><mergeCell ref="{merged}"/></mergeCells>' if merged else ""
            sheet = f"<worksheet {MAIN}><sheetData>{lines}</sheetData>{merge}</worksheet>"
            archive.writestr(f"xl/worksheets/sheet{n}.xml", sheet)
    return content.getvalue()


def _write_row(number: int, cells: list) -> str:
    written = (_write_cell(f"{name_column(n)}{number}", cell) for n, cell in enumerate(cells) if cell is not None)
    return f'<row r="{number}">{"".join(written)}</row>'


def name_column(place: int) -> str:
    """A to Z, AA, AB …"""
    return (name_column(place // 26 - 1) if place >= 26 else "") + chr(65 + place % 26)


def _write_cell(place: str, value: object) -> str:
    if isinstance(value, bool):
        return f'<c r="{place}" t="b"><v>{int(value)}</v></c>'
    if isinstance(value, date):
        at = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)
        style = TIME_STYLE if isinstance(value, datetime) else DAY_STYLE
        return f'<c r="{place}" s="{style}"><v>{(at - EPOCH).total_seconds() / 86_400!r}</v></c>'
    if isinstance(value, int | float):
        return f'<c r="{place}"><v>{value!r}</v></c>'
    if str(value).startswith("#"):
        return f'<c r="{place}" t="e"><v>{value}</v></c>'
    return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{escape(str(value))}</t></is></c>'
