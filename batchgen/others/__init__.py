"""What a batch takes from this user's other batches: what they have learned, and what they have paid for."""
