"""What a run may ask for: limits of money and of room, and what is paid for once more or need not be."""
