"""Cursors: opaque, bound to their query, and never trusted."""

import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_pipelines.serve.cursor import Cursor, decode, encode, query_name
from audit_pipelines.serve.filters import BadParameter, Filter

QUERY = query_name([Filter(action=("a",))])


def cursor(**members: object) -> Cursor:
    return Cursor(**{"size": 10, "order": "desc", "time": 1, "uid": "s/1", "query": QUERY, "total": 3, **members})


@given(st.text(max_size=50).filter(lambda text: "\0" not in text and not any(0xD800 <= ord(char) <= 0xDFFF for char in text)))
def test_it_comes_back_as_it_was(uid):
    assert decode(encode(cursor(uid=uid)), query=QUERY, order="desc") == cursor(uid=uid)


def test_it_is_one_word_of_a_url():
    assert set(encode(cursor(uid="ä/ö+~ ?"))) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@pytest.mark.parametrize(("query", "order"), [(query_name([Filter()]), "desc"), (QUERY, "asc")])
def test_one_of_another_query_is_refused(query, order):
    with pytest.raises(BadParameter, match="cursor: belongs to another query"):
        decode(encode(cursor()), query=query, order=order)


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "ä",
        "A" * 5000,
        encode(cursor())[:-4],
        encode(cursor(size=-1)),
        encode(cursor(time=2**62)),
        encode(cursor(uid="\0")),
        base64.urlsafe_b64encode(b'["9",1]').decode(),
        base64.urlsafe_b64encode(b"[" * 3000).decode(),
    ],
)
def test_what_is_none_is_refused(text):
    with pytest.raises(BadParameter, match="cursor: is none"):
        decode(text, query=QUERY, order="desc")


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: base64.urlsafe_b64encode(raw).decode().rstrip("=")))
def test_whatever_comes_is_a_cursor_or_refused(text):
    with contextlib.suppress(BadParameter):
        assert decode(text, query=QUERY, order="desc").query == QUERY


def test_the_name_of_a_query_tells_queries_apart():
    names = {query_name(filters) for filters in ([Filter()], [Filter(), Filter()], [Filter(q="a")], [Filter(user=("a",))])}
    assert len(names) == 4
