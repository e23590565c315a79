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
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import jsonschema
from ruamel.yaml import YAML, RoundTripConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.reader import ReaderError

Place = Sequence[str | int]
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

    def check_mapping_key(
        self, node: Any, key_node: Any, mapping: Any, key: Any, value: Any
    ) -> bool:
        """Return whether a key is taken: it is text, and the first of its name."""
        if not isinstance(key, str):
            message = f"the key {key_node.value or '~'} must be text: put it into quotes"
        elif key in mapping:
            message = f"{key} stands in line {mapping.lc.key(key)[0] + 1} already: remove one"
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
    return isinstance(value, int | float) and type(value) is not bool and math.isfinite(value)


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
    """A YAML document: its data, and the line of each part.

    Raises:
        NotYaml: the text is not one document of YAML.
    """

    def __init__(self, text: str) -> None:
        reader = YAML()
        reader.Constructor = _Constructor
        try:
            self.data: Any = reader.load(text)
            self._keys = reader.constructor.mistakes
        except MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            tabs = "\t" in "".join(text.splitlines()[max(0, line - 2) : line])
            hint = "indent with spaces, not with tabs" if tabs else QUOTES
            raise NotYaml(line, f"this is not YAML ({error.problem}): {hint}") from None
        except ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            sign = f"the control character {text[error.position]!a}"
            raise NotYaml(line, f"this is not YAML ({sign}): remove it") from None
        except (RecursionError, ValueError, YAMLError) as error:
            raise NotYaml(1, f"this is not YAML ({error}): write it as text") from None

    def line(self, place: Place, of_key: bool = False) -> int:
        """Return the line of the value at a place, or of the key it is under; from 1."""
        part = self.data
        line = part.lc.line if hasattr(part, "lc") else 0
        for step in place:
            # the line and column of a key, then those of its value; none for a merged one (<<)
            marks = (part.lc.data or {}).get(step, [line, 0])
            part = part[step]
            line = marks[0 if of_key or part is None else -2]
        return int(line) + 1

    def mistakes(self, schema: dict[str, Any]) -> list[tuple[int, str]]:
        """Return the lines and messages of all that differs from a schema, or stands twice."""
        return sorted({*self._keys, *self._differing(schema)})

    def _differing(self, schema: dict[str, Any]) -> Iterator[tuple[int, str]]:
        for error in _Validator(schema).iter_errors(self.data):
            place = list(error.absolute_path)
            expected = error.schema.get("properties", {})
            if error.validator == "additionalProperties" and expected:
                for key in error.instance.keys() - expected.keys():
                    line = self.line([*place, key], of_key=True)
                    yield line, f"unknown key {key}: {meant(key, expected)}"
            elif error.validator == "required":
                for key in set(error.schema["required"]) - error.instance.keys():
                    what = _described(expected[key], schema)
                    yield self.line(place), f"{key} is missing: add it, {what}"
            else:
                got = f"got {_shown(error.instance)}"
                what = _described(error.schema, schema)
                yield self.line(place), f"{_called(place)} must be {what}, {got}"


def meant(word: str, known: Iterable[str]) -> str:
    """Return what was meant by a word, or could have been.

    >>> meant("colour", ["color", "size"]), meant("x", ["color", "size"])
    ('did you mean color?', 'expected one of color, size')
    """
    known = list(known)
    if close := difflib.get_close_matches(word, known, 1):
        return f"did you mean {close[0]}?"
    return f"expected one of {', '.join(known)}"


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
    return last if isinstance(last, str) else f"entry {last + 1} of {place[-2]}"


def _shown(value: Any) -> str:
    """Return a value as a message shows it."""
    if value is None or value in ("", [], {}):
        return "nothing"
    kinds = {bool: "true or false", list: "a list", dict: "keys with values"}
    kinds |= {int: f"the number {value}", float: f"the number {value}", str: f"the text {value}"}
    return next((said for kind, said in kinds.items() if isinstance(value, kind)), "something else")
