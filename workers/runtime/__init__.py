"""What every process needs: loops, signals, and waiting for the broker."""
