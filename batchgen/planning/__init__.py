"""A run that is not begun: what it would do and cost, played beforehand, or written into a crontab."""
