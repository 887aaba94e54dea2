"""Shops with several quirks of real exports are read correctly to the cent, and every line of every file is counted."""

import pytest

from tests.cases.fuzzed import draw_export
from tests.cases.test_cases import check, measure

SHOPS = 8


@pytest.mark.parametrize("seed", range(SHOPS))
def test_an_export_with_random_quirks_is_read_correctly(spark, tmp_path, seed):
    export = draw_export(seed)
    (tmp_path / "raw").mkdir()
    for name, content in export.files().items():
        (tmp_path / "raw" / name).write_bytes(content)
    (tmp_path / "shop.toml").write_text(export.shop_toml(f"fuzzed_{seed}"))
    output, judged = check(spark, tmp_path / "shop.toml")
    found, right = measure(judged[0]), export.right
    assert {key: found[key] for key in right} == right, (output, [quirk.__name__ for quirk in export.quirks])
    rejected = {reason for row in judged[0].select("reasons").distinct().collect() for reason in row["reasons"]}
    expected = {line.outcome for line in export.lines} - {"clean"}
    assert rejected == expected
