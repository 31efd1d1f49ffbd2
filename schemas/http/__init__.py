"""Contracts of the HTTP API: parameters and bodies."""
