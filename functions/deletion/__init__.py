"""How DeleteSource decides, and how S3 deletes: a delete marker, a version, an unversioned object."""
