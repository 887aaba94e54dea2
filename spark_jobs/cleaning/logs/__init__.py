"""What logs type and judge of their own: a file of the same name for those of `contract/logs/` that need one."""
