"""An independent client of EC2 (boto3, nothing of ours) against a moto server.

Usage: ec2.py <endpoint> setup                      a user with a policy and a key, an image and a type: JSON
       ec2.py <endpoint> list <id> <key>            all instances there ever were: JSON
       ec2.py <endpoint> kept <id> <key> <region>   machines, key pairs and networks with a mark in a region: JSON
       ec2.py <endpoint> control <id> <key>         the judge itself: what does moto say to good and bad keys: JSON
"""

import json
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

REGION = "us-east-1"
ALLOWED = ["ec2:RunInstances", "ec2:CreateTags", "ec2:TerminateInstances", "ec2:Describe*", "sts:GetCallerIdentity",
           "ec2:StartInstances", "ec2:StopInstances", "ec2:RebootInstances", "ec2:ModifyInstanceAttribute",
           "ec2:ImportKeyPair", "ec2:DeleteKeyPair", "ec2:CreateVpc", "ec2:DeleteVpc",
           "ec2:CreateSecurityGroup", "ec2:DeleteSecurityGroup",
           "ec2:AuthorizeSecurityGroupIngress", "ec2:RevokeSecurityGroupIngress",
           "ec2:AllocateAddress", "ec2:ReleaseAddress"]
endpoint, verb, rest = sys.argv[1], sys.argv[2], sys.argv[3:]


def client(service, key="admin", secret="admin", region=REGION):
    return boto3.client(service, region_name=region, endpoint_url=endpoint, aws_access_key_id=key,
                        aws_secret_access_key=secret, config=Config(retries={"max_attempts": 0}))


def code(call, **arguments):
    try:
        call(**arguments)
        return "OK"
    except ClientError as error:
        return error.response["Error"]["Code"]


def setup():
    iam = client("iam")
    iam.create_user(UserName="infrafabric")
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ALLOWED, "Resource": "*"}]}
    iam.put_user_policy(UserName="infrafabric", PolicyName="machines", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName="infrafabric")["AccessKey"]
    images = client("ec2").describe_images(Owners=["amazon"], Filters=[{"Name": "name", "Values": ["al2023-ami-2023.*-x86_64"]}])["Images"]
    return {"id": key["AccessKeyId"], "secret": key["SecretAccessKey"], "region": REGION,
            "image": images[0]["ImageId"] if images else None}


def listed(key, secret):
    found = client("ec2", key, secret).describe_instances()
    return [{"id": i["InstanceId"], "state": i["State"]["Name"], "type": i["InstanceType"], "image": i["ImageId"],
             "tags": {t["Key"]: t["Value"] for t in i.get("Tags", [])}}
            for r in found["Reservations"] for i in r["Instances"]]


def kept(key, secret, region):
    ec2 = client("ec2", key, secret, region)
    marked = lambda of: [thing for thing in of if any(tag["Key"] == "if:oracle" for tag in thing.get("Tags", []))]
    machines = [i for r in ec2.describe_instances()["Reservations"] for i in r["Instances"]]
    return {"machines": {i["InstanceId"]: f"{i['State']['Name']} {i['InstanceType']} {i.get('KeyName', '')}".strip() for i in marked(machines)},
            "keys": {k["KeyName"]: k["KeyPairId"] for k in marked(ec2.describe_key_pairs()["KeyPairs"])},
            "networks": {v["VpcId"]: v["CidrBlock"] for v in marked(ec2.describe_vpcs()["Vpcs"])},
            "addresses": [a["AllocationId"] for a in marked(ec2.describe_addresses()["Addresses"])]}


def control(key, secret):
    wrong = client("ec2", key, secret[:-1] + ("a" if secret[-1] != "a" else "b"))
    return {"good": code(client("ec2", key, secret).describe_instances),
            "wrong secret": code(wrong.describe_instances),
            "unknown key": code(client("ec2", "AKIA0000000000000000", secret).describe_instances),
            "not allowed": code(client("ec2", key, secret).create_internet_gateway)}


print(json.dumps({"setup": setup, "list": listed, "kept": kept, "control": control}[verb](*rest)))
