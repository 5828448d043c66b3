"""A batch's folder: held by one process, logged, and what it remembers."""
