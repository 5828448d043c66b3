"""Archived videos: whether each is still there and as it was, and where those are that were moved."""
