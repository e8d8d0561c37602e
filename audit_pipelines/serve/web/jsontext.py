"""JSON as text for people: the tokens of the source, in lines and with their kinds, so that no number or name changes.

Only white space between tokens is new. What does not belong here: what changed between two values (``diff``).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["key", "string", "number", "word", "mark"]
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
LONGEST: Final = 65_536
"""Characters of a text that are set in lines; more is shown as it is."""
_DEEPEST: Final = 40


@dataclass(frozen=True, slots=True)
class Token:
    """One token of JSON, and what it is."""

    text: str
    kind: Kind


def lines(text: str) -> list[tuple[int, list[Token]]]:
    """``text``, which is JSON, a member or item a line: depth, and the tokens with the spaces between them.

    Empty where it is too long, or nested too deep to be read.
    """
    if len(text) > LONGEST:
        return []
    found: list[tuple[int, list[Token]]] = []
    line: list[Token] = []
    depth = deepest = 0
    tokens = list(_kinds(text))
    for at, token in enumerate(tokens):
        following = tokens[at + 1].text if at + 1 < len(tokens) else ""
        if token.text in ("}", "]") and tokens[at - 1].text not in ("{", "["):
            if line:
                found.append((depth, line))
            depth, line = depth - 1, []
        line.append(Token(": ", "mark") if token.text == ":" else token)
        if token.text in ("{", "[") and following not in ("}", "]"):
            found.append((depth, line))
            depth, line = depth + 1, []
        elif token.text == ",":
            found.append((depth, line))
            line = []
        elif token.text in ("{", "["):
            continue
        deepest = max(deepest, depth)
    if line:
        found.append((depth, line))
    return found if deepest <= _DEEPEST and depth == 0 else []


def _kinds(text: str) -> Iterator[Token]:
    matches = _TOKEN.findall(text)
    for at, token in enumerate(matches):
        following = matches[at + 1] if at + 1 < len(matches) else ""
        yield Token(token, _kind(token, following))


def _kind(text: str, following: str) -> Kind:
    if text.startswith('"'):
        return "key" if following == ":" else "string"
    if text in "{}[],:":
        return "mark"
    return "word" if text in ("true", "false", "null") else "number"
