"""What changed between two JSON values, as lines with signs: the whole tree, with what did not change folded away.

What does not belong here: colours and HTML (the templates), and which values are compared (``event``).
"""

import difflib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

Sign = Literal["same", "frame", "gone", "new"]
"""``frame``: the opening or closing of something inside which there is a change."""
_MOST: Final = 2000
"""Lines of one change."""
_LONG: Final = 60
"""Characters of a value that stands on one line."""
_LARGEST: Final = 200_000
"""Characters of both texts; longer ones are not compared but shown as far as this."""
_PAIRS: Final = 250_000
"""Pairs of items of two lists that are compared at most."""
_DEEPEST: Final = 30
_FOLD: Final = 3
"""Lines without a change that are folded away, at least."""


class _Figure(str):
    """A number as the source wrote it."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a diff."""

    sign: Sign
    depth: int
    text: str


@dataclass(frozen=True, slots=True)
class Part:
    """Lines in a row that are shown, or folded away because nothing in them changed."""

    folded: bool
    lines: list[Line]


@dataclass(frozen=True, slots=True)
class Change:
    """One field of an event's changes."""

    field: str
    before: str | None
    """On one line, where both are plain values; else None."""
    after: str | None
    parts: list[Part]
    """The tree, where one of them is none."""
    plain: bool
    cut: bool
    """Whether lines are left out."""


def change(field: str, before: str | None, after: str | None) -> Change:
    """The change of ``field`` between two JSON texts; None = there was, or is, nothing."""
    if len(before or "") + len(after or "") > _LARGEST:
        cut = [None if text is None else text[: _LARGEST // 4] for text in (before, after)]
        return Change(field, cut[0], cut[1], [], plain=True, cut=True)
    old, new = _read(before), _read(after)
    if not _tree(old) and not _tree(new):
        texts = [None if text is None else _text(value) for text, value in ((before, old), (after, new))]
        return Change(field, texts[0], texts[1], [], plain=True, cut=False)
    if before is not None and after is not None:
        lines = list(_changed("", old, new, 0))
    else:
        lines = list(_whole("new" if before is None else "gone", "", new if before is None else old, 0))
    return Change(field, None, None, _folded(lines[:_MOST]), plain=False, cut=len(lines) > _MOST)


def _read(text: str | None) -> Any:
    """The value of a JSON text; a text that is none, or is nested too deep, is itself."""
    if text is None:
        return None
    try:
        value = json.loads(text, parse_int=_Figure, parse_float=_Figure, parse_constant=_Figure)
    except (ValueError, RecursionError):
        return text
    return text if _deep(value) else value


def _deep(value: Any) -> bool:
    """Whether ``value`` is nested deeper than people and the stack can bear."""
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            item for one in level if isinstance(one, dict | list) for item in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return False
    return True


def _tree(value: Any) -> bool:
    return isinstance(value, dict | list) and bool(value)


def _text(value: Any) -> str:
    """A value on one line: texts bare where that is clear, anything else as JSON."""
    if isinstance(value, _Figure):
        return str(value)
    if isinstance(value, str):
        return value if value and value == value.strip() and value not in ("null", "true", "false") else json.dumps(value)
    return json.dumps(value, ensure_ascii=False)


def _changed(name: str, old: Any, new: Any, depth: int) -> Iterator[Line]:
    """Lines that tell ``old`` from ``new``; ``name`` stands before the value."""
    if _flat(old, ordered=False) == _flat(new, ordered=False):
        yield from _whole("same", name, new, depth)
    elif isinstance(old, dict) and isinstance(new, dict):
        yield Line("frame", depth, f"{name}{{")
        for key in [*old, *(key for key in new if key not in old)]:
            label = f"{json.dumps(key, ensure_ascii=False)}: "
            if key not in new:
                yield from _whole("gone", label, old[key], depth + 1)
            elif key not in old:
                yield from _whole("new", label, new[key], depth + 1)
            else:
                yield from _changed(label, old[key], new[key], depth + 1)
        yield Line("frame", depth, "}")
    elif isinstance(old, list) and isinstance(new, list) and len(old) * len(new) <= _PAIRS:
        yield Line("frame", depth, f"{name}[")
        yield from _items(old, new, depth + 1)
        yield Line("frame", depth, "]")
    else:
        yield from _whole("gone", name, old, depth)
        yield from _whole("new", name, new, depth)


def _items(old: list[Any], new: list[Any], depth: int) -> Iterator[Line]:
    """The items of two lists: those that stayed keep their order; one for one replaced they are compared inside."""
    first_flat, second_flat = ([_flat(item, ordered=False) for item in items] for items in (old, new))
    matcher = difflib.SequenceMatcher(None, first_flat, second_flat, autojunk=False)
    for tag, low, high, first, last in matcher.get_opcodes():
        if tag == "replace" and high - low == last - first:
            for before, after in zip(old[low:high], new[first:last], strict=True):
                yield from _changed("", before, after, depth)
            continue
        for item in old[low:high]:
            yield from _whole("same" if tag == "equal" else "gone", "", item, depth)
        for item in new[first:last] if tag != "equal" else ():
            yield from _whole("new", "", item, depth)


def _whole(sign: Sign, name: str, value: Any, depth: int) -> Iterator[Line]:
    """A value in full, all with one sign."""
    flat = _flat(value)
    if not _tree(value) or len(flat) <= _LONG:
        yield Line(sign, depth, name + flat)
        return
    opened, closed = ("{", "}") if isinstance(value, dict) else ("[", "]")
    yield Line(sign, depth, name + opened)
    items = value.items() if isinstance(value, dict) else ((None, item) for item in value)
    for key, item in items:
        yield from _whole(sign, "" if key is None else f"{json.dumps(key, ensure_ascii=False)}: ", item, depth + 1)
    yield Line(sign, depth, closed)


def _flat(value: Any, *, ordered: bool = True) -> str:
    """As JSON on one line, numbers as they were; ``ordered=False`` sorts the members, to compare."""
    if isinstance(value, _Figure):
        return str(value)
    if isinstance(value, dict):
        inside = [f"{json.dumps(key, ensure_ascii=False)}: {_flat(item, ordered=ordered)}" for key, item in value.items()]
        return "{" + ", ".join(inside if ordered else sorted(inside)) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flat(item, ordered=ordered) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def _folded(lines: list[Line]) -> list[Part]:
    """The lines in parts: runs without a change are folded away where they are long enough."""
    parts: list[Part] = []
    for line in lines:
        same = line.sign == "same"
        if parts and parts[-1].folded == same:
            parts[-1].lines.append(line)
        else:
            parts.append(Part(same, [line]))
    return [Part(part.folded and len(part.lines) >= _FOLD, part.lines) for part in parts]
