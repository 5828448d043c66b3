"""How a run is watched and steered while it works, and what ends it early."""
