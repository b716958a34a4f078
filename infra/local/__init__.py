"""The local cloud: an in-process AWS emulator to try, test and develop S3 Ferry with."""
