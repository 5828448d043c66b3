"""What people and their programs read of a batch."""
