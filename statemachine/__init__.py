"""The workflow as code, the Amazon States Language file rendered from it, and the checks that it must pass."""
