"""Terraform: its commands, the review of a plan, the outputs."""
