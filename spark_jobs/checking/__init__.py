"""What a shop's files and settings hold, judged before the first night: findings, each with a remedy."""
