"""The canonical columns are one list that DuckDB can make a table of."""

import duckdb

from audit_pipelines.event import ACTOR_TYPES, CATEGORIES, COLUMNS, NAMES, OUTCOMES, SORT_KEY


def test_the_columns_make_a_table():
    connection = duckdb.connect()
    connection.execute("CREATE TABLE events (" + ", ".join(f'"{column.name}" {column.type}' for column in COLUMNS) + ")")
    found = [(row[0], row[1]) for row in connection.execute("DESCRIBE events").fetchall()]
    assert found == [(column.name, column.type) for column in COLUMNS]


def test_names_are_unique_and_hold_the_sort_key():
    assert len(set(NAMES)) == len(NAMES)
    assert set(SORT_KEY) <= set(NAMES)


def test_every_column_says_what_it_means():
    assert all(column.meaning for column in COLUMNS)


def test_each_list_of_words_has_the_word_for_the_rest():
    assert ("other" in CATEGORIES, "unknown" in OUTCOMES, "unknown" in ACTOR_TYPES) == (True, True, True)
