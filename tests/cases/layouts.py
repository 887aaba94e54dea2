"""Random files in every layout of shops, with the right verdict of each record. The right verdicts follow from the
random draws alone, not from the tested code.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import zipfile
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.parquet as pq

from spark_jobs.contract.shop.source import ColumnMapping, Limits, Source
from tests.spark_jobs.raw.workbooks import write_workbook

COLUMNS = ("at", "customer", "price", "sku")
TEXTS = ("", "7", "0.5", "Zoë", "a b", "x" * 30, "é;,|\t", 'q"q', "[]{}", "null", "line\nend", "\\", "…")
#: A file's name for a column, in another spelling.
SPELLINGS = (str, str.upper, str.title, lambda name: f" {name} ")
LIMITS = Limits(record_characters=5000, nesting=8)


@dataclass
class Drawn:
    """A file, how shop.toml describes it, and the verdict of each of its records: its values in the order of COLUMNS,
    or the fault."""

    content: bytes
    file_format: str
    verdicts: list[list[str | None] | str]
    options: dict = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=lambda: {name: name for name in COLUMNS})

    @property
    def source(self) -> Source:
        inputs = dict(zip(("event_at", "customer_id", "unit_price", "product_id"), COLUMNS, strict=True))
        mapped = {name: ColumnMapping(self.columns[column]) for name, column in inputs.items()}
        return Source("purchases", "", "*", self.file_format, mapped, limits=LIMITS, **self.options)

    @property
    def in_raw_order(self) -> list[list[str | None] | str]:
        """The verdicts with the values in the order of the source's raw columns."""
        order = [COLUMNS.index(next(name for name in COLUMNS if self.columns[name] == raw))
                 for raw in self.source.raw_columns]  # fmt: skip
        return [one if isinstance(one, str) else [one[place] for place in order] for one in self.verdicts]


def draw_file(draw: random.Random) -> Drawn:
    """A file in one of the layouts."""
    kinds = draw_csv, draw_bare, draw_escaped, draw_lines, draw_json, draw_arrays, draw_parquet, draw_workbook
    return draw.choices(kinds, (10, 2, 2, 6, 8, 2, 4, 2))[0](draw)


def draw_rows(draw: random.Random, texts=TEXTS) -> list[list[str | None]]:
    """Values of records; every record has at least one value."""
    return [["2026", *((draw.choice(texts) or None) for _ in COLUMNS[1:])] for _ in range(draw.randrange(6))]


def _order(draw: random.Random, widest: int = 100) -> list[str]:
    """The file's columns: those of shop.toml and others, sometimes very many, in any order."""
    names = [*COLUMNS, *draw.sample(("note", "id", "vat"), draw.randrange(3))]
    names += [f"c{number}" for number in range(draw.randrange(widest))] if draw.random() < 0.05 else []
    draw.shuffle(names)
    return names


def draw_csv(draw: random.Random) -> Drawn:
    delimiter, newline, names = draw.choice(",;\t|"), draw.choice(("\n", "\r\n")), _order(draw, 500)
    options: dict = {"delimiter": delimiter}
    end = delimiter if draw.random() < 0.15 else ""  # a delimiter that ends every line
    verdicts: list = []
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=newline, quoting=draw.choice((0, 1)))

    def write_line(fields: list[str]) -> None:
        writer.writerow([*fields, ""] if end else fields)

    rows = draw_rows(draw, [one for one in TEXTS if one != "…"] if draw.random() < 0.3 else TEXTS)
    before = draw.choice((0, 0, 0, 1, 2, 5))
    separator = draw.random() < 0.1 and not before
    if separator:
        text.write(f"sep={delimiter}{newline}")
        options["delimiter"] = draw.choice((",", delimiter))
    for _ in range(before):
        line = draw.choice(("Report of today", "1", '"', "", " "))
        text.write(line + newline)
        verdicts.append("line_skipped" if line.strip() else "line_empty")
    if is_given := draw.random() < 0.2:
        options["header"] = tuple(name if name in COLUMNS or draw.random() < 0.5 else "" for name in names)
    else:
        spell = draw.choice(SPELLINGS)
        write_line([spell(name) if name in COLUMNS else name for name in names])
    options |= {"skip_lines": before} if is_given or draw.random() < 0.5 else {"finds_header": True}
    body: list = []
    for row in rows:
        values = dict(zip(COLUMNS, row, strict=True))
        line = [values.get(name, "x") or "" for name in names]
        chance = draw.random()
        if chance < 0.08:
            text.write(draw.choice(("", "  ", delimiter * 3)) + newline)
            body.append("line_empty")
        elif chance < 0.14 and any(map(str.strip, line[:-3])):
            write_line(line[:-2] if not end else line[:-3])
            body.append("fields_missing")
        elif chance < 0.2:
            write_line([*line, "more", "and more"])
            body.append("fields_surplus")
        write_line(line)
        body.append(row)
    if end and not any(isinstance(one, list) or one not in ("line_empty",) for one in body):
        end = ""
    if end and any(one in ("fields_missing", "fields_surplus") for one in body):
        return draw_csv(draw)  # the reader then decides itself whether a delimiter ends every line
    after = draw.choice((0, 0, 0, 1, 2))
    for _ in range(after):
        text.write(draw.choice(("Total", f"Total{delimiter}5", "Thank you")) + newline)
        body.append("line_skipped")
        if draw.random() < 0.3:
            text.write(newline)
            body.append("line_empty")
    options |= {"skip_last": after} if after else {}
    verdicts += body
    encodings = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252")
    encoding = draw.choices(encodings, (6, 2, 1, 1, 1, 1))[0]
    if encoding not in ("utf-8-sig", "utf-16") or draw.random() < 0.3:
        options["encoding"] = encoding.removesuffix("-sig")
    drawn = Drawn(text.getvalue().encode(encoding), "csv", verdicts, options)
    return _pack(draw, drawn)


def draw_escaped(draw: random.Random) -> Drawn:
    """Text with a backslash before quotation marks and backslashes, and \\N for no value."""
    delimiter, names = draw.choice(",;\t|"), _order(draw)
    rows = draw_rows(draw, [one for one in TEXTS if one != "\\N"])

    def write(text: str | None) -> str:
        if text is None:
            return draw.choice(("", "\\N", '""'))
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    lines = [delimiter.join(names)]
    lines += [
        delimiter.join(write(dict(zip(COLUMNS, row, strict=True)).get(name, 'x"')) for name in names) for row in rows
    ]
    content = "".join(f"{line}\n" for line in lines).encode()
    return _pack(draw, Drawn(content, "csv", [*rows], {"delimiter": delimiter, "escape": "\\"}))


def draw_bare(draw: random.Random) -> Drawn:
    """Text without quoted fields: a quotation mark is part of its field."""
    delimiter, newline, names = draw.choice(",;\t|"), draw.choice(("\n", "\r\n")), _order(draw, 500)
    texts = [one for one in TEXTS if not {*one} & {*delimiter, "\n"}]
    rows = draw_rows(draw, [*texts, '"open', 'close"', '"both"', '""', '"a" b'])
    lines = [delimiter.join(names)]
    lines += [
        delimiter.join(dict(zip(COLUMNS, row, strict=True)).get(name, '"') or "" for name in names) for row in rows
    ]
    content = "".join(f"{line}{newline}" for line in lines).encode()
    return _pack(draw, Drawn(content, "csv", [*rows], {"delimiter": delimiter, "quotes": False}))


def _object(draw: random.Random, row: list[str | None], names: list[str]) -> dict:
    values = dict(zip(COLUMNS, row, strict=True))
    pairs = {name: values.get(name, {"a": [1, "]"]}) for name in names}
    return {name: value for name, value in pairs.items() if value is not None or draw.random() < 0.5}


#: Invalid elements, each on one line and without a bracket or quote that another one closes.
FAULTY = {
    "{'id': 1}": "json_malformed", '{"a": 1, "a": 2}': "json_malformed", '{"a": NaN}': "json_malformed",
    "5": "json_not_an_object", '"x"': "json_not_an_object", '{"a": ' + "[" * 9 + "]" * 9 + "}": "json_too_deep",
    '{"at": "' + "x" * 6000 + '"}': "record_too_long", '{"at": "\\ud800"}': "encoding_invalid",
}  # fmt: skip


def _draw_objects(draw: random.Random) -> tuple[list[str], list]:
    """JSON texts and the verdicts of their records; some are none."""
    names, texts, verdicts = _order(draw), [], []
    for row in draw_rows(draw):
        if draw.random() < 0.12:
            faulty = draw.choice(list(FAULTY))
            texts.append(faulty)
            verdicts.append(FAULTY[faulty])
        texts.append(json.dumps(_object(draw, row, names), ensure_ascii=draw.random() < 0.5))
        verdicts.append(row)
    return (texts, verdicts) if any(isinstance(one, list) for one in verdicts) else ([], [])


def _draw_orders(draw: random.Random) -> tuple[list[str], list, dict[str, str]]:
    """The same for orders with an array of lines: one record per line, and one for an order without lines."""
    texts, verdicts = [], []
    for row in draw_rows(draw):
        at, customer, price, sku = row
        lines = [(price, sku)] + [(draw.choice(TEXTS) or None, draw.choice(TEXTS) or None)
                                  for _ in range(draw.randrange(3))]  # fmt: skip
        order = {"at": at, "billing": {"mail": customer, "x": [{}]},
                 "lines": [{"price": one, "sku": {"id": other}} for one, other in lines]}  # fmt: skip
        if texts and draw.random() < 0.3:
            order["lines"] = draw.choice((None, []))
            lines = [(None, None)]
        texts.append(json.dumps(order))
        verdicts += [[at, customer, *line] for line in lines]
    return texts, verdicts, {"at": "at", "customer": "billing.mail", "price": "lines[].price", "sku": "lines[].sku.id"}


def _draw_texts(draw: random.Random) -> tuple[list[str], list, dict[str, str]]:
    if draw.random() < 0.4:
        texts, verdicts, columns = _draw_orders(draw)
        # A record may lack its price or customer; if all records lacked one, the file would be refused.
        if all(one[1] for one in verdicts[:1]) and all(one[2] for one in verdicts[:1]):
            return texts, verdicts, columns
    texts, verdicts = _draw_objects(draw)
    return texts, verdicts, {name: name for name in COLUMNS}


def _has_what_is_needed(verdicts: list) -> bool:
    """Whether a record has a price: a JSON file without prices is refused."""
    values = [one for one in verdicts if isinstance(one, list)]
    return not values or any(one[2] for one in values)


def draw_lines(draw: random.Random) -> Drawn:
    texts, verdicts, columns = _draw_texts(draw)
    if not _has_what_is_needed(verdicts):
        return draw_lines(draw)
    if texts and draw.random() < 0.2:
        texts.append("")
        texts.append("  ")
        verdicts += ["line_empty"] * 2
    newline = draw.choice(("\n", "\r\n"))
    content = newline.join(texts) + (newline if texts and (draw.random() < 0.7 or not texts[-1].strip()) else "")
    encoding = draw.choice(("utf-8", "utf-8", "utf-8-sig", "utf-16"))
    return _pack(draw, Drawn(content.encode(encoding), "jsonl", verdicts, {}, columns))


def draw_arrays(draw: random.Random) -> Drawn:
    """JSON rows: one array of them, one a line, or beside their names; some are too short or too long."""
    names, rows, verdicts = _order(draw), [], []
    for row in draw_rows(draw):
        values = dict(zip(COLUMNS, row, strict=True))
        rows.append([values.get(name, 5) for name in names])
        verdicts.append(row)
        if draw.random() < 0.1:
            rows.append(draw.choice((rows[-1][:-1], [*rows[-1], None])))
            verdicts.append("fields_missing" if len(rows[-1]) < len(names) else "fields_surplus")
    options: dict = {}
    if draw.random() < 0.3:
        options["header"] = tuple(name if name in COLUMNS or draw.random() < 0.5 else "" for name in names)
    else:
        rows = [names, *rows]
    way = draw.choice(("array", "lines", "split"))
    if way == "split":
        options["records"] = "data[]"
        beside = {} if options.get("header") else {"columns": rows.pop(0)}
        content = json.dumps({**beside, "data": rows}, indent=draw.choice((None, 1)))
    else:
        content = json.dumps(rows) if way == "array" else "".join(f"{json.dumps(row)}\n" for row in rows)
    return _pack(draw, Drawn(content.encode(), "jsonl", verdicts, options))


def draw_json(draw: random.Random) -> Drawn:
    """One array, several arrays, an envelope, or several envelopes as pages; objects in an array or by key."""
    texts, verdicts, columns = _draw_texts(draw)
    if not _has_what_is_needed(verdicts):
        return draw_json(draw)
    between = draw.choice((",", ", ", ",\n  ", " \n,"))
    array = "[" + draw.choice(("", "\n")) + between.join(texts) + draw.choice(("", "\n", ",")) * bool(texts) + "]"
    options: dict = {}
    if draw.random() < 0.15:
        pairs = between.join(f'"k{number}": {text}' for number, text in enumerate(texts))
        drawn = Drawn(f"{{{pairs}}}".encode(), "jsonl", verdicts, {"records": "{}"}, columns)
        return _pack(draw, drawn)
    if draw.random() < 0.5:
        keys = draw.choice((["orders"], ["data", "orders"]))
        array = (
            json.dumps({"page": 1, "more": [{"orders": "x"}, "]"]})[:-1] + ', "' + '": {"'.join(keys) + '": ' + array
        )
        array += "}" * len(keys) if draw.random() < 0.5 else ', "next": null' + "}" * len(keys)
        options["records"] = ".".join(keys) + "[]"
    elif not array.startswith("[\n") and "\n" not in array and draw.random() < 0.3:
        array = "[\n" + array[1:]
    pages = draw.choice((1, 1, 2)) if options else 1
    content = draw.choice(("\n", "")).join([array] * pages)
    return _pack(draw, Drawn(content.encode(), "jsonl", verdicts * pages, options, columns))


def draw_parquet(draw: random.Random) -> Drawn:
    sink = io.BytesIO()
    if draw.random() < 0.5:
        texts, verdicts, columns = _draw_orders(draw)
        line = pa.struct([("price", pa.string()), ("sku", pa.struct([("id", pa.string())]))])
        billing = pa.struct([("mail", pa.string()), ("x", pa.list_(pa.struct([("y", pa.string())])))])
        schema = pa.schema([("at", pa.string()), ("billing", billing), ("lines", pa.list_(line))])
        table = pa.Table.from_pylist([json.loads(text) for text in texts], schema)
    else:
        names, verdicts, columns = _order(draw), draw_rows(draw), {name: name for name in COLUMNS}
        values = [dict(zip(COLUMNS, row, strict=True)) for row in verdicts]
        table = pa.table({name: pa.array([row.get(name) for row in values], pa.string()) for name in names})
        if draw.random() < 0.3:
            table = table.set_column(names.index("sku"), "sku", table["sku"].dictionary_encode())
    pq.write_table(table, sink, row_group_size=draw.choice((1, 2, 100)))
    return Drawn(sink.getvalue(), "parquet", verdicts, {}, columns)


def draw_workbook(draw: random.Random) -> Drawn:
    names, rows, options = _order(draw), draw_rows(draw, ("", "7", "Zoë", "a b", "0.5")), {}
    before, after = draw.choice((0, 0, 1, 3)), draw.choice((0, 0, 1))
    sheet: list[list] = [["Report"]] * before + [list(names)]
    verdicts: list = ["line_skipped"] * before
    for row in rows:
        if draw.random() < 0.1:
            sheet.append([])
            verdicts.append("line_empty")
        values = dict(zip(COLUMNS, row, strict=True))
        sheet.append([values.get(name, "x") for name in names])
        verdicts.append(row)
    sheet += [["Total", None, 5]] * after
    verdicts += ["line_skipped"] * after
    options = {"skip_last": after} | ({"skip_lines": before} if draw.random() < 0.5 else {"finds_header": True})
    sheets = {"Orders": sheet}
    if draw.random() < 0.3:
        sheets, options["sheet"] = {"Info": [["x"]], "Orders": sheet}, "Orders"
    return Drawn(write_workbook(sheets), "xlsx", verdicts, options)


def _pack(draw: random.Random, drawn: Drawn) -> Drawn:
    """The file uncompressed, in gzip, or in an archive, possibly twice."""
    way = draw.choices(("plain", "gzip", "zip"), (6, 1, 2))[0]
    if way == "gzip":
        drawn.content = gzip.compress(drawn.content, 1)
    if way == "zip":
        count, packed = draw.choice((1, 1, 2, 3)), io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("__MACOSX/._a", "x")
            for number in range(count):
                archive.writestr(f"{number}.txt", drawn.content)
        drawn.content, drawn.verdicts = packed.getvalue(), drawn.verdicts * count
    return drawn
