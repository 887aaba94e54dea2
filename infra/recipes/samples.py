"""Writes the sample of every recipe: a small export of invented orders in the layout of a real shop system.

    python -m infra.recipes.samples

Each writer says what is right for its export, by which the tests judge the recipe's shop.toml. The same orders give the
same samples at every call.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from infra.recipes.layouts.analytics import bigquery, ga4
from infra.recipes.layouts.marketplaces import amazon, ebay
from infra.recipes.layouts.sample import Sample
from infra.recipes.layouts.shop_systems import magento, shopify, shopify_api, woocommerce
from infra.recipes.layouts.spreadsheets import excel, excel_german
from infra.recipes.layouts.tills import lightspeed, paypal, square, stripe
from infra.recipes.orders import Order, make_orders

FOLDER = Path(__file__).parent
WRITERS: dict[str, Callable[[list[Order]], Sample]] = {
    writer.__name__: writer
    for writer in (shopify, shopify_api, woocommerce, magento, stripe, square, amazon, ebay, ga4, bigquery,
                   lightspeed, paypal, excel_german, excel)
}  # fmt: skip


def make_sample(recipe: str) -> Sample:
    return WRITERS[recipe](make_orders())


def main() -> None:
    for recipe in WRITERS:
        folder = FOLDER / recipe / "sample"
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in make_sample(recipe).files.items():
            (folder / name).write_bytes(content)
        print(f"{recipe}: {', '.join(sorted(file.name for file in folder.iterdir()))}")


if __name__ == "__main__":
    main()
