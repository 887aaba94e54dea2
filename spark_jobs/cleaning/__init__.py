"""From raw records to clean events: plan, records, judging, drafting, accounts."""
