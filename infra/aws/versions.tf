terraform {
  # 1.9: a validation may refer to other variables, and templatestring exists.
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # 6: a resource names its own region. 6.25 is the schema that these files were checked against.
      version = ">= 6.25.0, < 7.0.0"
    }
  }
}

provider "aws" {
  region = var.target_region

  default_tags {
    tags = merge({ application = "s3-ferry", deployment = var.name }, var.tags)
  }
}
