"""The Lambda functions, one module each; what two or more share is in `common`."""
