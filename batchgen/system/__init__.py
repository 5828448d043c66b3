"""What this machine gives a program, and how it is asked: files for their owner, limits, a clock that never jumps."""
