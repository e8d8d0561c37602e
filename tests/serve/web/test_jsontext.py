"""JSON in lines: only white space is new."""

import json

from hypothesis import given
from hypothesis import strategies as st

from audit_pipelines.serve.web.jsontext import LONGEST, lines


def text(source: str) -> str:
    return "\n".join("  " * depth + "".join(token.text for token in tokens) for depth, tokens in lines(source))


def test_members_and_items_stand_on_lines_of_their_own():
    assert text('{"a":1.50,"b":[],"c":[1e5,{"d":"x, \\"{y"}]}') == (
        '{\n  "a": 1.50,\n  "b": [],\n  "c": [\n    1e5,\n    {\n      "d": "x, \\"{y"\n    }\n  ]\n}'
    )


def test_tokens_have_kinds():
    kinds = {token.text: token.kind for _, tokens in lines('{"a":"b","c":1,"d":null}') for token in tokens}
    assert (kinds['"a"'], kinds['"b"'], kinds["1"], kinds["null"], kinds["{"]) == ("key", "string", "number", "word", "mark")


def test_what_is_too_long_or_too_deep_has_no_lines():
    assert lines('"' + "x" * LONGEST + '"') == []
    assert lines("[" * 1000 + "]" * 1000) == []


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(VALUES)
def test_lines_are_the_same_value(value):
    source = json.dumps(value)
    assert json.loads(text(source)) == value


@given(st.text())
def test_no_text_whatever_is_an_error(source):
    lines(source)
