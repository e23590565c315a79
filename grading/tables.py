r"""Tables of text as teachers have them: any usual encoding and separator, and no formulas.

>>> table = parse("Name;Punkte\n=1+1;2,5\n".encode("cp1252"), "marks.csv")
>>> table.separator, table.rows[0].line, number(table.rows[0]["punkte"])
(';', 2, 2.5)
>>> print(text(["name"], [["=1+1"]]), end="")
name
'=1+1
"""

import csv
import io
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gsutils.files import OutputUnavailable, atomic

LARGEST = 50 * 2**20  # bytes
SEPARATORS = ",;\t|"
_FORMULA = re.compile(r"(^|[;\t\r\n])([^\S\n]*)(?=['=+\-@＝＋－＠])")
_ESCAPED = re.compile(r"(^|[;\t\r\n])([^\S\n]*)'(?=['=+\-@＝＋－＠])")


class TableError(ValueError):
    """A table has mistakes; the message has a line for each, with its place and a remedy."""


@dataclass(frozen=True)
class Row:
    """A row: its cells by the table's heads in small letters, and the line where it begins."""

    cells: dict[str, str]
    line: int

    def __getitem__(self, head: str) -> str:
        """Return a cell without blanks around it, "" where there is none."""
        return self.cells.get(head.lower(), "")


@dataclass(frozen=True)
class Table:
    """A table as it was read.

    Attributes:
        name: what messages call it.
        heads: as they are written.
        rows: those that hold something.
        separator: what stands between cells.
        guessed: whether the encoding was a guess.
    """

    name: str
    heads: list[str]
    rows: list[Row] = field(default_factory=list)
    separator: str = ","
    guessed: bool = False


def read(path: Path) -> Table:
    """Read a table.

    Raises:
        TableError: it is none, or cannot be read.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise TableError(f"{path}: more than {LARGEST // 2**20} MiB is no list of a class")
        content = path.read_bytes()
    except FileNotFoundError:
        raise TableError(f"{path}: there is no such file") from None
    except OSError as error:
        raise TableError(f"{path}: it cannot be read ({error.strerror})") from None
    return parse(content, str(path))


def parse(content: bytes, name: str) -> Table:
    """Return the table in a file's bytes.

    Raises:
        TableError: it is none.
    """
    if content.startswith(b"PK\x03\x04"):
        raise TableError(f"{name}: this is a workbook: save it as CSV (UTF-8), and name that file")
    text, guessed = _decoded(content, name)
    first, _, rest = text.partition("\n")
    separator = ""
    if said := re.fullmatch(r"sep=(.)", first.strip()):  # a line of Excel's
        separator, text = said[1], rest
    skipped = 1 if separator else 0
    head = text.partition("\n")[0]
    separator = separator or max(SEPARATORS, key=head.count)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    heads: list[str] = []
    rows: list[Row] = []
    begins = 1 + skipped
    try:
        for cells in lines:
            stripped = [unescaped(cell.strip()) for cell in cells]
            if not heads:
                heads = stripped
            elif any(stripped):
                if len(stripped) > len(heads) and any(stripped[len(heads) :]):
                    raise TableError(
                        f"{name}:{begins}: {len(stripped)} cells below {len(heads)} heads: "
                        f"put text that holds “{separator}” into quotes"
                    )
                small = [h.lower() for h in heads]
                rows.append(Row(dict(reversed(list(zip(small, stripped)))), begins))
            begins = lines.line_num + 1 + skipped
    except csv.Error as error:
        raise TableError(f"{name}:{begins}: this is no CSV ({error}): save it as CSV") from None
    if not any(heads):
        raise TableError(f"{name}:1: the file is empty: it needs a line of heads")
    return Table(name, heads, rows, separator, guessed)


def _decoded(content: bytes, name: str) -> tuple[str, bool]:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding, guessed = "utf-16", False
    else:
        encoding, guessed = "utf-8-sig", False
        try:
            content.decode(encoding)
        except UnicodeDecodeError:
            encoding, guessed = "cp1252", True  # what Excel writes in the West
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        raise TableError(f"{name}: this is no text: save it as CSV (UTF-8)") from None
    if "\0" in text:
        raise TableError(f"{name}: this is no text: save it as CSV (UTF-8)")
    return text, guessed


def number(text: str) -> float:
    """Return a number with a point or a comma.

    Raises:
        ValueError: it is none, or none that is finite.
    """
    found = float(text.replace(",", ".").replace(" ", ""))
    if not math.isfinite(found):
        raise ValueError(text)
    return found


def shown(value: float) -> str:
    """Return a number of points: up to two decimals.

    >>> shown(2 / 3), shown(2.0)
    ('0.67', '2')
    """
    return f"{round(value, 2):g}"


def text(heads: Sequence[str], rows: Iterable[Sequence[str]], separator: str = ",") -> str:
    """Return a table as CSV in which no cell is a formula."""
    file = io.StringIO(newline="")
    table = csv.writer(file, delimiter=separator, lineterminator="\n")
    table.writerows([[escaped(cell) for cell in row] for row in [heads, *rows]])
    return file.getvalue()


def write(
    path: Path, heads: Sequence[str], rows: Iterable[Sequence[str]], separator: str = ","
) -> None:
    """Write a table in UTF-8 with the mark that Excel looks for.

    Raises:
        OutputUnavailable: it cannot be written, for example while a program has it open.
    """
    with atomic(path, OutputUnavailable) as part:
        part.write_bytes(text(heads, rows, separator).encode("utf-8-sig", "replace"))


def escaped(cell: str) -> str:
    """Return text that a spreadsheet takes for text and not for a formula.

    A formula may also stand behind a line's end, or behind a semicolon where these separate cells.
    """
    return cell if _is_number(cell) else _FORMULA.sub(r"\1\2'", cell)


def unescaped(cell: str) -> str:
    """Return the text that `escaped` was given."""
    return _ESCAPED.sub(r"\1\2", cell)


def _is_number(cell: str) -> bool:
    try:
        number(cell)
    except ValueError:
        return False
    return True
