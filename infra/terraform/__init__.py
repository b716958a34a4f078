"""Plan, deploy and destroy with Terraform, and the outputs of a deployment."""
