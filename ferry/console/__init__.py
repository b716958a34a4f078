"""The page of `ferry console`: a server on this machine that shows a deployment in a browser."""
