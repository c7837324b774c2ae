"""Reading a table: cells, lines, delimiters, encodings, and what is refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.app.table import read_table


@pytest.fixture
def write(tmp_path):
    def write(content, name="table.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_cells_and_lines(write):
    table = read_table(write("a,b\n1,x\n\n2, y \n"))
    assert table.names == ("a", "b")
    assert table.rows == [["1", "x"], ["2", "y"]]
    assert table.lines == [2, 4]
    assert table.column("b") == ["x", "y"]


def test_quotes_hide_delimiters_and_line_ends(write):
    table = read_table(write('a,b\r\n"one, ""two""\nthree",1\r\n4,5\r\n'))
    assert table.rows == [['one, "two"\nthree', "1"], ["4", "5"]]
    assert table.lines == [2, 4]


def test_byte_order_mark(write):
    assert read_table(write(b"\xef\xbb\xbfa,b\n1,2\n")).names == ("a", "b")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiter_is_found(write, delimiter):
    rows = [["name", "text"], ["a", "x; y"], ["b", "z|,z"], ["c", "1"]]
    text = "\n".join(delimiter.join(f'"{cell}"' for cell in row) for row in rows)
    table = read_table(write(text))
    assert table.delimiter == delimiter
    assert [list(table.names), *table.rows] == rows


def test_decimal_commas_do_not_cut(write):
    assert read_table(write("a;b\n1,5;2,5\n3,5;4,5\n")).rows == [["1,5", "2,5"], ["3,5", "4,5"]]


def test_delimiter_may_be_given(write):
    assert read_table(write("a:b,c\n1:2,3\n"), delimiter=":").rows == [["1", "2,3"]]


def test_take_keeps_lines(write):
    table = read_table(write("a,b\n1,2\n3,4\n5,6\n")).take([2, 0])
    assert table.rows == [["5", "6"], ["1", "2"]]
    assert table.lines == [4, 2]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("a,b\n", "has a header and no rows"),
        ("a,b\n1,2\n3\n", "line 3: 1 cell where the header has 2"),
        ('a,b\n"x\ny",2\n3,4,5\n', "line 4: 3 cells where the header has 2"),
        (f"a,b\n1,2\n3,{'x' * 200_000}\n", r"line 3: a cell is longer than 131,072 characters; shorten it"),
        ("x" * 200_000 + ",b\n1,2\n", r"line 1: a cell is longer than 131,072 characters; shorten it"),
        ('a,b\n1,"' + "x\n" * 100_000, r"line 2: a cell is longer .*, or close the quotes before it$"),
        ("a,b,a\n1,2,3\n", "columns 1 and 3 are both called 'a'"),
        ('a,b\n1,2\n"3,4\n5,6\n', "line 3: the quotes do not match"),
        ('a,b\n"1"2,3\n', "line 2: the quotes do not match"),
        (b"a,b\n1,\xe9\n", r"line 2: byte 0xe9 at offset 6 is not UTF-8"),
        (b"\xef\xbb\xbfa,b\n1,\xe9\n", r"line 2: byte 0xe9 at offset 9 is not UTF-8"),
        (b"a,b\n1,\x00\n", "zero byte at offset 6"),
        (b"PK\x03\x04rest", "spreadsheet or archive"),
    ],
)
def test_refused(write, content, words):
    path = write(content)
    with pytest.raises(ValueError, match=words) as caught:
        read_table(path)
    assert str(path) in str(caught.value)


def test_missing_file_and_folder(tmp_path, write):
    write("a,b\n1,2\n", "penguins.csv")
    with pytest.raises(ValueError, match=r"there is no file .*pengins.csv; did you mean .*penguins\.csv"):
        read_table(tmp_path / "pengins.csv")
    with pytest.raises(ValueError, match="there is no folder"):
        read_table(tmp_path / "nowhere" / "penguins.csv")
    with pytest.raises(ValueError, match="is a folder"):
        read_table(tmp_path)


def test_unknown_column_has_the_nearest_and_the_list(write):
    table = read_table(write("species,island\na,b\n"))
    with pytest.raises(ValueError, match=r"did you mean 'species'.*'species', 'island'"):
        table.require("specie")
    with pytest.raises(ValueError, match="there are island, species"):
        table.require("zzz")


@settings(max_examples=50, deadline=None)
@given(
    rows=st.lists(
        st.lists(
            st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5), min_size=3, max_size=3
        ),
        min_size=1,
        max_size=8,
    )
)
def test_written_and_read(tmp_path_factory, rows):
    """What csv writes is what is read, but for blanks around cells."""
    import csv

    path = tmp_path_factory.mktemp("tables") / "t.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([["a", "b", "c"], *rows])
    assert read_table(path, ",").rows == [[cell.strip() for cell in row] for row in rows]
