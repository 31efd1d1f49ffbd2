"""The image of deploy/Dockerfile, run as a cluster would run it: `make image-check`."""
