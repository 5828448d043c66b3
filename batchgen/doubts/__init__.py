"""Rows in doubt, and what settles them: a callback, the service's word on a task, or a person."""
