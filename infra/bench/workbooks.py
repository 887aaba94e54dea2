"""How much memory and time does a large workbook take? Reads workbooks of invented orders as a night does.

    python -m infra.bench.workbooks [--rows 100000 500000]

Each is read in a process of its own; memory is that process's highest resident size, less that of a workbook with one
row. Cells are 3 texts, a day and 3 numbers a row.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from infra.local.environment import ROOT
from spark_jobs.runtime.command import run_command

MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PARTS = {
    "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="xml" ContentType="application/xml"/></Types>',
    "_rels/.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    f'<Relationship Id="w" Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook {MAIN} xmlns:r="{OFFICE}"><sheets><sheet name="Orders" sheetId="1" r:id="s"/>'
    "</sheets></workbook>",
    "xl/_rels/workbook.xml.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    f'<Relationship Id="s" Type="{OFFICE}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
}
HEADER = ("order", "customer", "at", "article", "pieces", "price", "line")
READ = """
import resource, sys
from spark_jobs.contract.shop.source import ColumnMapping, Source
from spark_jobs.raw.reader import Intake, read_records
names = {"customer_id": "customer", "event_at": "at", "quantity": "pieces", "unit_price": "price"}
source = Source("purchases", "", "*", "xlsx", {name: ColumnMapping(column) for name, column in names.items()})
count = sum(record.fault is None for record in read_records(Intake(source, sys.argv[1], ""), "orders.xlsx"))
used = resource.getrusage(resource.RUSAGE_SELF)
print(count, used.ru_maxrss / 1024, used.ru_utime + used.ru_stime)
"""


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 500_000])
    arguments = parser.parse_args(argv)
    table = Table("rows", "file, MiB", "memory, MiB", "CPU, s", title="One workbook, read as a night does")
    _, _, base_mib, base_s = measure(1)
    for rows in arguments.rows:
        count, file_mib, memory_mib, cpu_s = measure(rows)
        table.add_row(f"{count:,}", f"{file_mib:,.1f}", f"{memory_mib - base_mib:,.0f}", f"{cpu_s - base_s:,.1f}")
    Console().print(table)


def measure(rows: int) -> tuple[int, float, float, float]:
    """(records, size of the file in MiB, highest memory in MiB, CPU seconds) of reading a workbook of so many rows."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "orders.xlsx")
        write_workbook(path, rows)
        read = [sys.executable, "-c", READ, folder]
        count, memory_mib, cpu_s = subprocess.run(
            read, cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout.split()
        return int(count), path.stat().st_size / 2**20, float(memory_mib), float(cpu_s)


def write_workbook(path: Path, rows: int) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, text in PARTS.items():
            archive.writestr(name, text)
        with archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as sheet:
            for piece in write_sheet(rows):
                sheet.write(piece.encode())


def write_sheet(rows: int) -> Iterator[str]:
    yield f"<worksheet {MAIN}><sheetData>{write_row(HEADER)}"
    for n in range(rows):
        yield write_row((f"B{n // 2}", f"customer{n % 9999}@example.org", 46_000 + n % 700, f"A-{n % 500}", n % 3 + 1,
                         f"{n % 90}.5", n))  # fmt: skip
    yield "</sheetData></worksheet>"


def write_row(cells: Sequence[object]) -> str:
    written = (f'<c t="inlineStr"><is><t>{cell}</t></is></c>' if isinstance(cell, str) else f"<c><v>{cell}</v></c>"
               for cell in cells)  # fmt: skip
    return f"<row>{''.join(written)}</row>"


if __name__ == "__main__":
    sys.exit(run_command(main))
