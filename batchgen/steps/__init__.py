"""The steps of a job, each in a room of its own: intend, submit, poll, fetch."""
