"""The relay: numbers events, and hands commands and events to the broker."""
