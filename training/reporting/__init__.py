"""What people read of a training or a backtest: report, model card, tables, charts."""
