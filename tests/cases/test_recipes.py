"""Every recipe reads its export correctly, and its shop is ready after `init`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from infra.local import init
from infra.recipes.samples import FOLDER, WRITERS, make_sample
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.shop.file import load_shop
from tests.cases.test_cases import check, measure

BINARY = (".parquet", ".xlsx")  # their bytes may change with the library that writes them


def test_every_recipe_has_a_sample_and_a_line_in_the_table():
    table = (FOLDER / "README.md").read_text()
    for recipe in init.list_recipes():
        files = {file.name: file.read_bytes() for file in (FOLDER / recipe / "sample").iterdir()}
        made = make_sample(recipe).files
        assert files.keys() == made.keys(), recipe
        assert all(files[name] == content for name, content in made.items() if not name.endswith(BINARY)), recipe
        assert f"| `{recipe}` |" in table
    assert set(init.list_recipes()) == set(WRITERS)


@pytest.mark.parametrize("recipe", sorted(WRITERS))
def test_a_recipe_reads_its_sample_correctly(spark, tmp_path, recipe):
    shutil.copytree(FOLDER / recipe / "sample", tmp_path / "raw")
    files = sorted((tmp_path / "raw").iterdir())
    path, right = tmp_path / "shop.toml", make_sample(recipe)
    init.write_shop(path, init.find_recipe(recipe), files, name="corner_shop", currency=None, time_zone="Europe/Berlin")
    output, judged = check(spark, path)
    assert output.endswith("\nready"), output
    found = measure(judged[0])
    assert (found["clean"], found["returns"], found["sales"], found["refunds"] or 0, found["customers"]) == (
        right.clean, right.returns, right.sales, right.refunds, len(right.customers)
    ), output  # fmt: skip
    if len(load_shop(path).sources) == 1:
        assert found["clean"] + found["quarantined"] == right.records


@pytest.mark.parametrize(
    ("names", "pattern", "has_day"),
    [
        (["orders.csv"], "orders.csv", False),
        (["orders_1.csv", "orders_2.csv", "orders_10.csv"], "orders_*.csv", False),
        (["orders-2026-10-31.csv", "orders-2026-11-01.csv"], "orders-*.csv", True),
        (["events_20261031.json", "events_20261101.json"], "events_*.json", True),
        (["orders-01-02-2026.csv", "orders-02-02-2026.csv"], "orders-*.csv", False),
        (["june.csv.gz", "july.csv.gz"], "*.csv.gz", False),
    ],
)
def test_init_finds_a_pattern_for_all_files(tmp_path, names, pattern, has_day):
    guesses = {guess.key: guess.value for guess in init.guess_files([tmp_path / name for name in names], tmp_path)}
    assert (guesses["files"], "delivery_day" in guesses) == (pattern, has_day)
    assert guesses["location"] == "."


def test_init_accepts_files_or_a_folder_and_reports_what_is_missing(tmp_path):
    for name in ("orders_2.csv", "orders_1.csv", ".hidden", "shop.toml"):
        (tmp_path / name).touch()
    names = ["orders_1.csv", "orders_2.csv"]
    assert [file.name for file in init.find_files([tmp_path])] == names
    assert [file.name for file in init.find_files([tmp_path / name for name in names])] == names
    for missing in (tmp_path / "nothing.csv", tmp_path / ".hidden"):
        with pytest.raises(ChurnError, match=r"there is no|no file in"):
            init.find_files([missing])


def test_init_fills_in_only_what_differs_between_shops():
    recipe = init.find_recipe("ga4")
    guesses = [
        init.Guess("name", "my_shop", ""),
        init.Guess("location", 'a "b" \\ c', ""),
        init.Guess("files", "*.json", ""),
    ]
    before, after = recipe.read_text().splitlines(), init.fill_in(recipe.read_text(), guesses).splitlines()
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert [new for _, new in changed] == [
        'name = "my_shop"',
        *['location = "a \\"b\\" \\\\ c"', 'files = "*.json"'] * 2,
    ]


def test_every_recipe_is_a_shop_file():
    for recipe in init.list_recipes():
        assert load_shop(Path(FOLDER, recipe, "shop.toml")).sources
