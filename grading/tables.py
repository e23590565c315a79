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
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    """A row: its cells by the heads in small letters, the line where it begins, and its text."""

    cells: dict[str, str]
    line: int
    text: str = field(default="", repr=False, compare=False)

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
        head: the text above the rows.
    """

    name: str
    heads: list[str]
    rows: list[Row] = field(default_factory=list)
    separator: str = ","
    guessed: bool = False
    head: str = field(default="", repr=False, compare=False)


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
    first, end, rest = text.partition("\n")
    separator, above = "", ""
    if said := re.fullmatch(r"sep=(.)", first.strip()):  # a line of Excel's
        separator, text, above = said[1], rest, first + end
    skipped = 1 if separator else 0
    head = text.partition("\n")[0]
    separator = separator or max(SEPARATORS, key=head.count)
    source = _Lines(text)
    lines = csv.reader(source, delimiter=separator)
    heads: list[str] = []
    rows: list[Row] = []
    begins = 1 + skipped
    try:
        for cells in lines:
            stripped = [unescaped(cell.strip()) for cell in cells]
            own = source.taken()
            if not heads:
                heads, above = stripped, above + own
            elif any(stripped):
                if len(stripped) > len(heads) and any(stripped[len(heads) :]):
                    raise TableError(
                        f"{name}:{begins}: {len(stripped)} cells below {len(heads)} heads: "
                        f"put text that holds “{separator}” into quotes"
                    )
                small = [h.lower() for h in heads]
                rows.append(Row(dict(reversed(list(zip(small, stripped)))), begins, own))
            begins = lines.line_num + 1 + skipped
    except csv.Error as error:
        raise TableError(f"{name}:{begins}: this is no CSV ({error}): save it as CSV") from None
    if not any(heads):
        raise TableError(f"{name}:1: the file is empty: it needs a line of heads")
    return Table(name, heads, rows, separator, guessed, above)


class _Lines:
    """The lines of a text, which tells those that were taken since it was last asked."""

    def __init__(self, text: str):
        self._lines, self._taken = io.StringIO(text, newline=""), list[str]()

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self._taken.append(line)
            yield line

    def taken(self) -> str:
        """Return the text of the lines that were taken since."""
        text = "".join(self._taken)
        self._taken.clear()
        return text


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
    _write(path, text(heads, rows, separator))


def write_again(path: Path, table: Table, changed: Mapping[int, Mapping[str, str]]) -> None:
    """Write a table that was read: rows as they were, letter by letter, but for those that change.

    Args:
        path: where to.
        table: as it was read.
        changed: by the line of a row, its new cells by their heads in small letters.

    Raises:
        OutputUnavailable: it cannot be written.
    """
    parts = [table.head]
    for row in table.rows:
        if parts[-1] and not parts[-1].endswith(("\n", "\r")):
            parts.append("\n")
        parts.append(_again(row, table, changed[row.line]) if row.line in changed else row.text)
    _write(path, "".join(parts))


def _again(row: Row, table: Table, new: Mapping[str, str]) -> str:
    """Return a row with new cells; those that were there stay, made no formula, "-" included."""
    (cells,) = csv.reader(io.StringIO(row.text, newline=""), delimiter=table.separator)
    cells += [""] * (len(table.heads) - len(cells))
    made = [cell if cell.strip() == "-" else escaped(unescaped(cell)) for cell in cells]
    small = [head.lower() for head in table.heads]
    for head, cell in new.items():
        made[small.index(head)] = escaped(cell)
    file = io.StringIO(newline="")
    end = "\r\n" if row.text.endswith("\r\n") else "\n"
    csv.writer(file, delimiter=table.separator, lineterminator=end).writerow(made)
    return file.getvalue()


def _write(path: Path, content: str) -> None:
    with atomic(path, OutputUnavailable) as part:
        part.write_bytes(content.encode("utf-8-sig", "replace"))


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
