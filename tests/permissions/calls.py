"""A request for each action that any role has: what one would have to try to find out whether a role may do it.

None of them needs to make sense to the service: a caller without the permission is denied before anything else is
checked. And none is ever sent by a role that may.
"""

from typing import Any

VERSION = {"VersionId": "3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY"}
UPLOAD = {"UploadId": "an-upload"}
NOTE = {"AnnotationName": "berth"}
TABLE = {"DatabaseName": "ferry", "Name": "a"}
PARTITIONS = {"DatabaseName": "ferry", "TableName": "a"}
QUERY = {"QueryExecutionId": "6d9f8f2e-2f0b-4d0e-9a55-2f7f3f1f5a11"}

Call = tuple[str, dict[str, Any]]
"""A method of a client, and its arguments besides the ones that name the place."""

OF_OBJECTS: dict[str, Call] = {
    "s3:AbortMultipartUpload": ("abort_multipart_upload", UPLOAD),
    "s3:DeleteObject": ("delete_object", {}),
    "s3:DeleteObjectAnnotation": ("delete_object_annotation", NOTE),
    "s3:DeleteObjectVersion": ("delete_object", VERSION),
    "s3:DeleteObjectVersionAnnotation": ("delete_object_annotation", {**NOTE, **VERSION}),
    "s3:GetObject": ("get_object", {}),
    "s3:GetObjectAnnotation": ("get_object_annotation", NOTE),
    "s3:GetObjectAttributes": ("get_object_attributes", {"ObjectAttributes": ["ETag"]}),
    "s3:GetObjectLegalHold": ("get_object_legal_hold", {}),
    "s3:GetObjectRetention": ("get_object_retention", {}),
    "s3:GetObjectTagging": ("get_object_tagging", {}),
    "s3:GetObjectVersion": ("get_object", VERSION),
    "s3:GetObjectVersionAnnotation": ("get_object_annotation", {**NOTE, **VERSION}),
    "s3:GetObjectVersionAttributes": ("get_object_attributes", {"ObjectAttributes": ["ETag"], **VERSION}),
    "s3:GetObjectVersionTagging": ("get_object_tagging", VERSION),
    "s3:ListMultipartUploadParts": ("list_parts", UPLOAD),
    "s3:ListObjectAnnotations": ("list_object_annotations", {}),
    "s3:ListObjectVersionAnnotations": ("list_object_annotations", VERSION),
    "s3:PutObject": ("put_object", {"Body": b"x"}),
    "s3:PutObjectAnnotation": ("put_object_annotation", {**NOTE, "AnnotationPayload": b"4"}),
    "s3:PutObjectLegalHold": ("put_object_legal_hold", {"LegalHold": {"Status": "OFF"}}),
    "s3:PutObjectRetention": ("put_object_retention", {"Retention": {}}),
    "s3:PutObjectTagging": ("put_object_tagging", {"Tagging": {"TagSet": []}}),
    "s3:PutObjectVersionAnnotation": ("put_object_annotation", {**NOTE, **VERSION, "AnnotationPayload": b"4"}),
    "s3:PutObjectVersionTagging": ("put_object_tagging", {"Tagging": {"TagSet": []}, **VERSION}),
}
OF_BUCKETS: dict[str, Call] = {
    "s3:GetBucketLocation": ("get_bucket_location", {}),
    "s3:GetBucketObjectLockConfiguration": ("get_object_lock_configuration", {}),
    "s3:GetBucketVersioning": ("get_bucket_versioning", {}),
    "s3:ListBucket": ("list_objects_v2", {}),
    "s3:ListBucketMultipartUploads": ("list_multipart_uploads", {}),
    "s3:ListBucketVersions": ("list_object_versions", {}),
}
OF_QUEUES: dict[str, Call] = {
    "sqs:DeleteMessage": ("delete_message", {"ReceiptHandle": "a"}),
    "sqs:GetQueueAttributes": ("get_queue_attributes", {"AttributeNames": ["All"]}),
    "sqs:ReceiveMessage": ("receive_message", {}),
    "sqs:SendMessage": ("send_message", {"MessageBody": "a"}),
}
OTHERS: dict[str, Call] = {
    "athena:GetQueryExecution": ("get_query_execution", QUERY),
    "athena:GetQueryResults": ("get_query_results", QUERY),
    "athena:StartQueryExecution": ("start_query_execution", {"QueryString": "SELECT 1", "WorkGroup": "ferry"}),
    "glue:BatchCreatePartition": ("batch_create_partition", {**PARTITIONS, "PartitionInputList": []}),
    "glue:BatchGetPartition": ("batch_get_partition", {**PARTITIONS, "PartitionsToGet": []}),
    "glue:BatchUpdatePartition": (
        "batch_update_partition",
        {**PARTITIONS, "Entries": [{"PartitionValueList": ["1"], "PartitionInput": {"Values": ["1"]}}]},
    ),
    "glue:CreatePartition": ("create_partition", {**PARTITIONS, "PartitionInput": {"Values": ["1"]}}),
    "glue:CreateTable": ("create_table", {"DatabaseName": "ferry", "TableInput": {"Name": "a"}}),
    "glue:GetDatabase": ("get_database", {"Name": "ferry"}),
    "glue:GetPartition": ("get_partition", {**PARTITIONS, "PartitionValues": ["1"]}),
    "glue:GetPartitions": ("get_partitions", PARTITIONS),
    "glue:GetTable": ("get_table", TABLE),
    "glue:GetTables": ("get_tables", {"DatabaseName": "ferry"}),
    "glue:ListCrawls": ("list_crawls", {"CrawlerName": "ferry"}),
    "glue:StartCrawler": ("start_crawler", {"Name": "ferry"}),
    "glue:UpdatePartition": (
        "update_partition",
        {**PARTITIONS, "PartitionValueList": ["1"], "PartitionInput": {"Values": ["1"]}},
    ),
    "glue:UpdateTable": ("update_table", {"DatabaseName": "ferry", "TableInput": {"Name": "a"}}),
    "states:DescribeExecution": ("describe_execution", {}),
    "states:RedriveExecution": ("redrive_execution", {}),
    "states:StartExecution": ("start_execution", {}),
}
