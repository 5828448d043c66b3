"""S3 as every room meets it: a client, and what it says in words. Loads boto3, which takes 0.2 s."""
