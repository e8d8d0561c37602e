"""Cells of CSV: text stays text."""

import csv
import io
from urllib.parse import parse_qs

import pytest

from audit_pipelines.serve.web.table import COLUMNS, cell, heading, remark, rows


@pytest.mark.parametrize(
    "text",
    ["=1", "+1", "-1", "@x", "\t=1", "\r=1", " =1", "\uff1d1", "\uff0b1", "\uff0d1", "\uff20x", "'=1", '"=1', "\ufeff=1", "|x"],
)
def test_what_a_spreadsheet_could_work_out_begins_with_an_apostrophe(text):
    assert cell(text).startswith("'")


@pytest.mark.parametrize("text", ["a=1", "Ada", "203.0.113.7", "", "a-b", "ünï"])
def test_other_text_is_itself(text):
    assert cell(text) == text


def test_lines_tabs_and_what_cannot_be_seen_stand_as_code_points():
    assert cell("a\nb\tc\u202ed\x00") == "a⟦U+000A⟧b⟦U+0009⟧c⟦U+202E⟧d⟦U+0000⟧"


def test_numbers_nothing_and_lists():
    assert [cell(3), cell(None), cell([{"id": "a"}])] == ["3", "", '[{"id":"a"}]']


def test_rows_have_the_columns_of_the_heading():
    line = b'{"uid":"s/1","actor":{"type":"user","name":"Ada"},"leaf_index":7,"targets":[]}'
    (row,) = csv.DictReader(io.StringIO((heading() + rows([line])).decode(), newline=""), strict=True)
    assert tuple(row) == COLUMNS
    assert (row["uid"], row["actor_type"], row["actor_name"], row["leaf_index"], row["targets"]) == (
        "s/1",
        "user",
        "Ada",
        "7",
        "[]",
    )


def test_the_remark_is_one_cell_whatever_it_says():
    text = remark({"filter": 'q=,;"=1\n', "log_size": 7, "restriction": None}).decode()
    assert text.startswith("# ")
    assert not set(text[:-2]) & set(',;"\t\r\n')
    assert parse_qs(text[:-2].partition(": ")[2]) == {"filter": ['q=,;"=1\n'], "log_size": ["7"]}
