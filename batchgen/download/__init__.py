"""A video from a link that somebody else wrote: fetched within bounds, hashed and written, and looked at."""
