"""Backfills many objects beside rclone, s5cmd and the AWS command line, on one embedded S3: `make bench`."""
