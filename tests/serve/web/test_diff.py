"""What changed between two JSON values."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_pipelines.serve.web.diff import Line, change

SIGNS = {"same": " ", "frame": " ", "gone": "-", "new": "+"}


def shown(before: object, after: object) -> list[str]:
    made = change("field", json.dumps(before), json.dumps(after))
    return [f"{SIGNS[line.sign]} {'  ' * line.depth}{line.text}" for part in made.parts for line in part.lines]


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ('"warn"', '"enforce"', ("warn", "enforce")),
        ("1.50", "2", ("1.50", "2")),
        ("null", "true", ("null", "true")),
        (None, '"new"', (None, "new")),
        ('"old"', None, ("old", None)),
        ('""', '" "', ('""', '" "')),
        ('"true"', "true", ('"true"', "true")),
        ("12345678901234567890123", "1e400", ("12345678901234567890123", "1e400")),
        ("[]", "{}", ("[]", "{}")),
        ("no json", None, ("no json", None)),
    ],
)
def test_plain_values_stand_on_one_line_as_they_were_written(before, after, says):
    made = change("field", before, after)
    assert made.plain
    assert (made.before, made.after) == says


def test_a_tree_says_what_is_gone_and_what_is_new():
    assert shown({"a": 1, "b": {"c": [1, 2, 3]}, "x": 0}, {"a": 1, "b": {"c": [1, 3, 4]}, "y": 0}) == [
        "  {",
        '    "a": 1',
        '    "b": {',
        '      "c": [',
        "        1",
        "-       2",
        "        3",
        "+       4",
        "      ]",
        "    }",
        '-   "x": 0',
        '+   "y": 0',
        "  }",
    ]


def test_a_number_and_its_text_differ():
    assert shown({"a": 1}, {"a": "1"})[1:3] == ['-   "a": 1', '+   "a": "1"']


def test_the_order_of_names_is_no_change():
    made = change("field", '{"a":1,"b":2,"c":{"d":1,"e":2}}', '{"c":{"e":2,"d":1},"b":2,"a":1}')
    assert {line.sign for part in made.parts for line in part.lines} == {"same"}


def test_runs_without_a_change_are_folded_and_frames_never():
    before = {f"k{number}": number for number in range(10)} | {"z": {"deep": 1}}
    made = change("field", json.dumps(before), json.dumps(before | {"z": {"deep": 2}}))
    assert [part.folded for part in made.parts] == [False, True, False]
    assert [line.text for line in made.parts[2].lines] == ['"z": {', '"deep": 1', '"deep": 2', "}", "}"]


@pytest.mark.parametrize(
    "text",
    ["[" * 900 + "1" + "]" * 900, "[" * 50_000 + "]" * 50_000, '{"a":' * 100 + "1" + "}" * 100, '"' + "x" * 300_000 + '"'],
    ids=["deep", "too deep to read", "deep names", "long"],
)
def test_what_is_too_deep_or_too_long_is_shown_as_it_is(text):
    made = change("field", text, text.replace("1", "2"))
    assert made.plain
    assert made.before == text[: len(made.before)]


def test_large_lists_are_cut():
    made = change("field", json.dumps([0] * 9000), json.dumps([1] * 9000))
    assert made.cut
    assert sum(len(part.lines) for part in made.parts) == 2000


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES, VALUES)
def test_without_the_new_lines_it_is_the_old_value_and_the_other_way_round(old, new):
    made = change("field", json.dumps(old), json.dumps(new))
    if made.plain:
        return
    lines: list[Line] = [line for part in made.parts for line in part.lines]

    def without(sign: str) -> object:
        kept = [line for line in lines if line.sign != sign]
        text = ""
        for line, following in zip(kept, [*kept[1:], None], strict=True):
            opens, closes = line.text.endswith(("{", "[")), following is not None and following.text in ("}", "]")
            deeper = following is not None and following.depth > line.depth
            text += line.text + ("" if (opens and (deeper or closes)) or closes or following is None else ",")
        return json.loads(text)

    assert without("new") == old
    assert without("gone") == new
