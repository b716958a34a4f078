"""The Lambda functions, one module each; what they share is in one package per subject."""
