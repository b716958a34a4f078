"""The embedded cloud's IAM: policies as AWS evaluates them."""
