"""Money in one of two columns is found where the one is empty, or 0, and the other is not."""

from spark_jobs.checking.other_amounts import find_other


def test_the_column_that_has_the_money_of_lines_without_is_found():
    sales = [["5.00", "", "EUR", "1"]] * 20
    assert find_other([*sales, *[["", "3.50", "EUR", "2"]] * 2]) == 1
    assert find_other([*sales, *[["0.00", "1.234,50", "EUR", "2"]] * 2]) == 1
    assert find_other([*sales, *[["", "", "EUR", "2"]] * 2]) == 0  # a number that all lines have is no money of these
    assert find_other([*sales, *[["", "soon", "EUR", "2"]] * 2]) == 0
    assert find_other(sales) == find_other([]) == 0
