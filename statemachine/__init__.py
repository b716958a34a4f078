"""The workflow as code, the states-language file that is rendered from it, and the checks it must pass."""
