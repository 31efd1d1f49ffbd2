"""Objects in a bucket of S3, Google or Azure."""
