"""Many jobs at once: which is asked about when, what is fetched, and how a run stops gently."""
