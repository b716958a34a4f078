"""For every test: no credentials are looked for on the network."""

import os

# Else botocore asks the instance metadata service at 169.254.169.254 where it finds no credentials.
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
