"""Schemas of the HTTP API: parameters and bodies."""
