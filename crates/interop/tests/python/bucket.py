"""A bucket, as somebody else's program (boto3) sees it.

bucket.py open URL FOLDER      makes a user with a key, and the bucket `mail`; writes FOLDER/key
bucket.py names URL FOLDER     its objects: name and size
bucket.py has URL FOLDER TEXT  says how many objects have the text in them
bucket.py put URL FOLDER NAME TEXT
bucket.py uploads URL FOLDER   uploads in parts that nobody has finished
bucket.py spoil URL FOLDER     turns a bit in each pack of bodies
bucket.py begin URL FOLDER     begins an upload as it is kept in drafts, and leaves it
"""

import configparser
import json
import sys

import boto3

what, url, folder = sys.argv[1:4]


def client(service, key=("first", "first")):
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=key[0],
        aws_secret_access_key=key[1],
        # Whether a certificate is good is looked at by others.
        verify=not url.startswith("https"),
    )


if what == "open":
    # The first four questions are answered without looking who asks; whoever asks from then on
    # needs a signature that is right.
    iam = client("iam")
    iam.create_user(UserName="caramel")
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
    }
    iam.put_user_policy(
        UserName="caramel", PolicyName="all", PolicyDocument=json.dumps(policy)
    )
    key = iam.create_access_key(UserName="caramel")["AccessKey"]
    client("s3").create_bucket(Bucket="mail")
    with open(f"{folder}/key", "w") as file:
        file.write("# who may write here\n[default]\n")
        file.write(f"aws_access_key_id = {key['AccessKeyId']}\n")
        file.write(f"aws_secret_access_key = {key['SecretAccessKey']}\n")
        file.write(f"endpoint_url = {url}\n")
    sys.exit()

read = configparser.ConfigParser()
read.read(f"{folder}/key")
default = read["default"]
s3 = client("s3", (default["aws_access_key_id"], default["aws_secret_access_key"]))


def objects():
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="mail")
    return [one for page in pages for one in page.get("Contents", [])]


def octets(name):
    return s3.get_object(Bucket="mail", Key=name)["Body"].read()


if what == "names":
    for one in objects():
        print(one["Key"], one["Size"])
elif what == "has":
    text = sys.argv[4].encode()
    print(sum(text in octets(one["Key"]) for one in objects()))
elif what == "put":
    s3.put_object(Bucket="mail", Key=sys.argv[4], Body=sys.argv[5].encode())
elif what == "uploads":
    print(len(s3.list_multipart_uploads(Bucket="mail").get("Uploads", [])))
elif what == "spoil":
    for one in objects():
        if "/bodies/" in one["Key"]:
            body = bytearray(octets(one["Key"]))
            body[len(body) // 3] ^= 4
            s3.put_object(Bucket="mail", Key=one["Key"], Body=bytes(body))
elif what == "begin":
    name = "host/bodies/half"
    upload = s3.create_multipart_upload(Bucket="mail", Key=name)["UploadId"]
    s3.upload_part(
        Bucket="mail", Key=name, UploadId=upload, PartNumber=1, Body=b"half" * 2000000
    )
    record = json.dumps({"object": name, "upload": upload})
    s3.put_object(Bucket="mail", Key="host/drafts/0", Body=record.encode())
else:
    sys.exit(f"{what}?")
