"""The hosted service: one try a call, in the words of the API's document."""
