"""Real Terraform on the files of infra/aws, without AWS."""
