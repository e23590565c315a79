"""YAML checked against a JSON schema: every mistake with its line, what is expected, a remedy.

PyYAML knows where each key and value stands, and jsonschema says which of them is wrong. The
schema's descriptions are the words of the messages, and of editors that read the schema.

>>> schema = {"properties": {"term": {"type": "string", "description": "text"}}}
>>> Marked("term: 2027").mistakes({**schema, "additionalProperties": False})
[(1, 'term must be text, got the number 2027')]
>>> Marked("trem: Spring").mistakes({**schema, "additionalProperties": False})
[(1, 'unknown key trem: did you mean term?')]
"""

import difflib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import jsonschema
import yaml

Place = Sequence[str | int]
NAMES = {list: "a list", dict: "keys with values", bool: "yes or no", type(None): "nothing"}


class NotYaml(ValueError):
    """A text is not YAML; `line` is where it stops being so."""

    def __init__(self, line: int, message: str):
        super().__init__(message)
        self.line = line


class _Loader(yaml.SafeLoader):
    """Leaves dates as they are written: a wrong one is reported in our words."""

    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [(tag, pattern) for tag, pattern in found if not tag.endswith(":timestamp")]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


class Marked:
    """A YAML document: its data, and the line of each part.

    Raises:
        NotYaml: the text is not one document of YAML.
    """

    def __init__(self, text: str) -> None:
        loader = _Loader(text)
        try:
            self.node: Any = loader.get_single_node()
            self.data: Any = loader.construct_document(self.node) if self.node else None
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            tabs = "\t" in "".join(text.splitlines()[max(0, line - 2) : line])
            hint = "indent with spaces, not with tabs" if tabs else QUOTES
            raise NotYaml(line, f"this is not YAML ({error.problem}): {hint}") from None
        except (RecursionError, ValueError, yaml.YAMLError) as error:
            raise NotYaml(1, f"this is not YAML ({error}): write it as text") from None
        finally:
            loader.dispose()

    def line(self, place: Place, of_key: bool = False) -> int:
        """Return the line of the value at a place, or of the key it is under; from 1."""
        node, mark = self.node, self.node.start_mark
        for step in place:
            if isinstance(node, yaml.MappingNode):
                key, node = next(pair for pair in node.value if pair[0].value == str(step))
                mark = key.start_mark if of_key else node.start_mark
            else:
                node = node.value[int(step)]
                mark = node.start_mark
        return int(mark.line) + 1

    def mistakes(self, schema: dict[str, Any]) -> list[tuple[int, str]]:
        """Return the lines and messages of all that differs from a schema, or stands twice."""
        found = {*_twice(self.node, set()), *self._differing(schema)}
        return sorted(found)

    def _differing(self, schema: dict[str, Any]) -> Iterator[tuple[int, str]]:
        for error in jsonschema.Draft202012Validator(schema).iter_errors(self.data):
            place = list(error.absolute_path)
            expected = error.schema.get("properties", {})
            if error.validator == "additionalProperties" and expected:
                for key in error.instance.keys() - expected.keys():
                    line = self.line([*place, str(key)], of_key=True)
                    yield line, f"unknown key {key}: {meant(str(key), expected)}"
            elif error.validator == "required":
                for key in set(error.schema["required"]) - error.instance.keys():
                    what = _described(expected[key], schema)
                    yield self.line(place), f"{key} is missing: add it, {what}"
            else:
                got = f"got {_shown(error.instance)}"
                what = _described(error.schema, schema)
                yield self.line(place), f"{_called(place)} must be {what}, {got}"


QUOTES = "put text that holds a colon or a quote into quotes, and indent as the lines above"


def meant(word: str, known: Iterable[str]) -> str:
    """Return what was meant by a word, or could have been.

    >>> meant("colour", ["color", "size"]), meant("x", ["color", "size"])
    ('did you mean color?', 'expected one of color, size')
    """
    known = list(known)
    if close := difflib.get_close_matches(word, known, 1):
        return f"did you mean {close[0]}?"
    return f"expected one of {', '.join(known)}"


def _twice(node: yaml.Node, known: set[int]) -> Iterator[tuple[int, str]]:
    """Yield the keys that stand twice in one mapping: YAML takes the last and says nothing."""
    if id(node) in known:  # named by an alias
        return
    known.add(id(node))
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.value in seen:
                yield line, f"{key.value} stands in line {seen[key.value]} already: remove one"
            seen.setdefault(key.value, line)
            yield from _twice(value, known)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _twice(value, known)


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
    if type(value) in NAMES:
        return NAMES[type(value)] if value else "nothing"
    return f"{'the text' if isinstance(value, str) else 'the number'} {value}"
