"""The load beside the cluster, whose objects lie in the bucket beside it.

`python -m tests.cluster.checks.load_beside ADDRESS FILER PREFIX` names the API, such as http://198.18.0.2:30080, where
objects of the bucket can be listed, and their place in it.
"""

import sys

from tests.cluster.checks.load import Load, play
from tests.support.buckets import BucketWatcher
from tests.support.seaweed import BUCKET

if __name__ == "__main__":
    address, filer, prefix = sys.argv[1:]
    play(Load(address, BucketWatcher(filer, f"s3://{BUCKET}/{prefix}").keys))
