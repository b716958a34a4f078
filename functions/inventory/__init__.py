"""Reads a list of a bucket's objects that S3 Inventory wrote, and puts it in the order of a listing."""
