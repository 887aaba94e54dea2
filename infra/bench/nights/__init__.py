"""What a night costs: the simulated shop's ETL and scoring, measured by step, beside other engines doing the same."""
