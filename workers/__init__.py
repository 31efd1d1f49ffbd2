"""The processes around the service, and the command line that starts them."""
