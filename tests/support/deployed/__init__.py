"""A deployment, used through its public interfaces."""
