"""Support for every process: loops, signals, and waiting for the broker."""
