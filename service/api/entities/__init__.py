"""Rows as the resources that clients see."""
