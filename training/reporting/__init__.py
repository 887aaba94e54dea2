"""Reports for people about trainings and backtests: report, model card, tables, charts."""
