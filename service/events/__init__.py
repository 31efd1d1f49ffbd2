"""Events and commands on their way to the broker."""
