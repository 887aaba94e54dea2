"""What every part of the product agrees on. Standard library only, importable from everywhere."""
