"""The Terraform of infra/aws, checked without an account."""
