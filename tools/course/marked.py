"""YAML 1.2 checked against a JSON schema: every mistake with its line, what is expected, a remedy.

ruamel.yaml knows where each key and value stands, and jsonschema says which of them is wrong. The
schema's descriptions are the words of the messages, and of editors that read the schema.

>>> schema = {"properties": {"term": {"type": "string", "description": "text"}}}
>>> Marked("term: 2027").mistakes({**schema, "additionalProperties": False})
[(1, 'term must be text, got the number 2027')]
>>> Marked("trem: Spring").mistakes({**schema, "additionalProperties": False})
[(1, 'unknown key trem: did you mean term?')]
"""

import difflib
import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import jsonschema
from ruamel.yaml import YAML, RoundTripConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.reader import ReaderError

Place = Sequence[str | int]
Hint = Callable[[Place, Any], str]  # what a value at a place was meant to be, or ""
LONGEST = 80  # characters of a value in a message
# Marks that let a line be read in another order than it is written, and the mark of a file's start.
TURNING = {*map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A))), "\ufeff"}
QUOTES = "put text that holds a colon or a quote into quotes, and indent as the lines above"


class NotYaml(ValueError):
    """A text is not YAML; `line` is where it stops being so."""

    def __init__(self, line: int, message: str):
        super().__init__(message)
        self.line = line


class _Constructor(RoundTripConstructor):
    """Notes keys that stand twice or are no text, and leaves dates as they are written."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.mistakes: list[tuple[int, str]] = []
        self.line = 0  # of the node that is being read, from 0

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        """Return what a node stands for."""
        self.line = node.start_mark.line
        return super().construct_object(node, deep)

    def check_mapping_key(
        self, node: Any, key_node: Any, mapping: Any, key: Any, value: Any
    ) -> bool:
        """Return whether a key is taken: it is text, and the first of its name."""
        if not isinstance(key, str):
            said = shown(key_node.value or "~") if isinstance(key_node.value, str) else "here"
            message = f"the key {said} must be text: put it into quotes"
        elif key in mapping:
            message = (
                f"{shown(key)} stands in line {mapping.lc.key(key)[0] + 1} already: remove one"
            )
        else:
            return True
        self.mistakes.append((key_node.start_mark.line + 1, message))
        return False


for _tag, _read in {
    "timestamp": lambda self, node: self.construct_scalar(node),
    "bool": lambda self, node: bool(self.construct_yaml_bool(node)),  # a number if it has an anchor
}.items():
    _Constructor.add_constructor(f"tag:yaml.org,2002:{_tag}", _read)


def _finite(_: Any, value: Any) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))


# jsonschema takes 1.0 for an integer, and .nan for a number between any two.
_Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine_many(
        {
            "number": _finite,
            "integer": lambda _, value: _finite(_, value) and isinstance(value, int),
        }
    ),
)


class Marked:
    """A YAML document: its data as plain Python, text without the space around it, and its lines.

    Raises:
        NotYaml: the text is not one document of YAML.
    """

    def __init__(self, text: str) -> None:
        reader = YAML()
        reader.Constructor = _Constructor
        try:
            self._tree = reader.load(text)
            self._mistakes = reader.constructor.mistakes
            self.data: Any = self._plain(self._tree, [])
        except MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            tabs = "\t" in "".join(text.splitlines()[max(0, line - 2) : line])
            hint = "indent with spaces, not with tabs" if tabs else QUOTES
            raise NotYaml(line, f"this is not YAML ({error.problem}): {hint}") from None
        except ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            sign = f"the control character {text[error.position]!a}"
            raise NotYaml(line, f"this is not YAML ({sign}): remove it") from None
        except NotYaml:
            raise
        except Exception as error:  # a tag or a directive that ruamel.yaml does not expect
            line = 1 if isinstance(error, RecursionError) else reader.constructor.line + 1
            why = shown(error) if isinstance(error, ValueError | YAMLError) else "an odd tag"
            raise NotYaml(line, f"this is not YAML ({why}): write it as text") from None

    def _plain(self, part: Any, place: list[str | int], above: tuple[int, ...] = ()) -> Any:
        """Return a part as plain Python, and note the signs in it that no text may have."""
        if id(part) in above:
            what = "an alias (*) within what it names: write out what is meant"
            raise NotYaml(self.line(place), what)
        if isinstance(part, dict):
            for key in part:
                self._readable(key, [*place, key], "the key ")
            inside = (*above, id(part))
            return {str(k): self._plain(v, [*place, k], inside) for k, v in part.items()}
        if isinstance(part, list):
            inside = (*above, id(part))
            return [self._plain(value, [*place, i], inside) for i, value in enumerate(part)]
        if isinstance(part, str):
            self._readable(part, place)
            return str(part).strip()
        for kind in (bool, int, float):
            if isinstance(part, kind):
                return kind(part)
        return part

    def _readable(self, text: str, place: Place, what: str = "") -> None:
        for sign in sorted(set(text) - {"\n", "\t"}):
            if unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") or sign in TURNING:
                message = f"{what}{shown(text)} has the control character {sign!a}: remove it"
                self._mistakes.append((self.line(place, of_key=bool(what)), message))

    def line(self, place: Place, of_key: bool = False) -> int:
        """Return the line of the value at a place, or of the key it is under; from 1."""
        part = self._tree
        line = part.lc.line if hasattr(part, "lc") else 0
        for step in place:
            # the line and column of a key, then those of its value; none for a merged one (<<)
            marks = (part.lc.data or {}).get(step, [line, 0])
            part = part[step]
            line = marks[0 if of_key or part is None else -2]
        return int(line) + 1

    def mistakes(
        self, schema: dict[str, Any], hint: Hint = lambda place, value: ""
    ) -> list[tuple[int, str]]:
        """Return the lines and messages of all that differs from a schema, or stands twice."""
        return sorted({*self._mistakes, *self._differing(schema, hint)})

    def _differing(self, schema: dict[str, Any], hint: Hint) -> Iterator[tuple[int, str]]:
        for error in _Validator(schema).iter_errors(self.data):
            place = list(error.absolute_path)
            expected = error.schema.get("properties", {})
            if error.validator == "additionalProperties" and expected:
                for key in error.instance.keys() - expected.keys():
                    line = self.line([*place, key], of_key=True)
                    yield line, f"unknown key {shown(key)}: {_key(key, expected, schema)}"
            elif error.validator == "required":
                for key in set(error.schema["required"]) - error.instance.keys():
                    what = _described(expected[key], schema)
                    yield self.line(place), f"{key} is missing: add it, {what}"
            else:
                got = f"got {_shown(error.instance)}"
                what = _described(error.schema, schema)
                better = hint(place, error.instance) or _written(error.instance, error.schema)
                remedy = f": {better}" * bool(better)
                yield self.line(place), f"{_called(place)} must be {what}, {got}{remedy}"


def meant(word: str, known: Iterable[str]) -> str:
    """Return what was meant by a word, or could have been.

    >>> meant("colour", ["color", "size"]), meant("x", ["color", "size"])
    ('did you mean color?', 'expected one of color, size')
    >>> meant("COLOR", ["color", "size"])
    'did you mean color?'
    """
    known = list(known)
    close = closest(word, known)
    return f"did you mean {close}?" if close else f"expected one of {', '.join(known)}"


def closest(word: str, known: Iterable[str]) -> str:
    """Return the name that a word comes close to, whatever its case, or ""."""
    names = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), names, 1)
    return names[close[0]] if close else ""


def _key(word: str, expected: dict[str, Any], schema: dict[str, Any]) -> str:
    """Return what was meant by a key: one of those expected there, else one within a key above.

    A key's ``also`` in the schema has other words for it.
    """

    def called(keys: dict[str, Any]) -> str:
        names = [name for name, part in keys.items() if word.lower() in part.get("also", ())]
        return names[0] if names else word.lower() if word.lower() in keys else ""

    if name := called(expected) or closest(word, expected):
        return f"did you mean {name}?"
    for above, part in schema.get("properties", {}).items():
        if name := called(part.get("properties", {})):
            return f"did you mean {above}: {name}?"
    return meant(word, expected)


def _written(value: Any, schema: dict[str, Any]) -> str:
    """Return how to write a value of which only the form is wrong, or "".

    >>> _written("10 %", {"type": "number"}), _written("2027-02-08 23:59", {"pattern": "-"})
    ('write 10', 'a day counts to its end and has no time: write 2027-02-08')
    """
    text = value if isinstance(value, str) else ""
    if schema.get("type") in ("number", "integer"):
        found = re.fullmatch(r"(\d+(?:\.\d+)?) ?%", text)
        return f"write {found[1]}" if found else ""
    found = re.match(r"(\d{4}-\d\d-\d\d)[T ]\s*\d", text)
    return f"a day counts to its end and has no time: write {found[1]}" if found else ""


def shown(value: object) -> str:
    r"""Return a value as a message shows it: in one line, not too long, no control characters.

    >>> print(shown("red\x1b[31m"), len(shown("long" * 99)))
    red\x1b[31m 81
    """
    words = " ".join(str(value).split())
    line = "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in words[:LONGEST])
    return line + "…" * (len(words) > LONGEST)


def _described(part: dict[str, Any], schema: dict[str, Any]) -> str:
    """Return what a part of a schema says of itself, or what it refers to."""
    if "description" not in part and "$ref" in part:
        part = schema["$defs"][part["$ref"].rpartition("/")[2]]
    return str(part["description"])


def _called(place: Place) -> str:
    """Return words for a place."""
    if not place:
        return "the file"
    *_, last = place
    return shown(last) if isinstance(last, str) else f"entry {last + 1} of {place[-2]}"


def _number(value: float | str) -> str:
    """Return a number in digits, which Python refuses to do for more than some thousand."""
    large = isinstance(value, int) and abs(value) >= 10**LONGEST
    return f"of more than {LONGEST} digits" if large else shown(value)


def _shown(value: Any) -> str:
    """Return a value as a message shows it."""
    if value is None or value in ("", [], {}):
        return "nothing"
    kinds = {bool: "true or false", list: "a list", dict: "keys with values"}
    if isinstance(value, str | int | float):
        number = f"the number {_number(value)}"
        kinds |= {int: number, float: number, str: f"the text {shown(value)}"}
    return next((said for kind, said in kinds.items() if isinstance(value, kind)), "something else")
