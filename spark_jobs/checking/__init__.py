"""The checks of `check`: they read a shop's files and settings before the first night; findings have remedies."""
