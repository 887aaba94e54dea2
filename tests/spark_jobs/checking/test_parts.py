"""Parts of bundles are reported if they are free; parts with prices cannot be recognized."""

from spark_jobs.checking.parts import count_free_parts


def test_free_parts_of_bundles_are_counted():
    whole = [("", "10.00")] * 50 + [("0", "5.00")]
    assert count_free_parts([*whole, *[("7", "0.00")] * 49, ("7", "")]) == 50
    assert count_free_parts([*whole, *[("7", "0.00")] * 45, *[("7", "3.00")] * 5]) == 0
    assert count_free_parts([*whole * 2, ("7", "0")]) == 0
    assert count_free_parts(whole) == 0
