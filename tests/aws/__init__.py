"""The Terraform of infra/aws, judged without an account."""
