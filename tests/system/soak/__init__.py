"""Clients that publish, delete and republish the same names and contents all the time; what is left in the end."""
