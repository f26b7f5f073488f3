"""EC2's key pairs."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from stand_ins.aws import tags
from stand_ins.aws.call import Call, is_gone
from stand_ins.core.naming import AutoName, make_suffixed
from stand_ins.core.resource import Properties, Resource
from stand_ins.core.shapes import fields, from_api


class KeyPair(Resource[Call]):
    token = "aws:ec2/keyPair:KeyPair"
    label = "EC2 Key Pair"
    inputs = fields("keyName keyNamePrefix publicKey tags region")
    replaces = ("keyName", "keyNamePrefix", "publicKey", "region")
    kept = ("publicKey",)
    autoname = AutoName("keyName", excluded_by="keyNamePrefix")
    at_most_one = (("keyName", "keyNamePrefix"),)

    def create(self, call: Call, given: Properties) -> str:
        answer = call.ec2.import_key_pair(
            KeyName=given.get("keyName") or make_suffixed(given["keyNamePrefix"]),
            PublicKeyMaterial=given["publicKey"].encode(),
            **tags.spec("key-pair", given),
        )
        return str(answer["KeyName"])

    def read(self, call: Call, id_: str, known: Properties) -> dict[str, Any] | None:
        pair = call.find_one(call.ec2.describe_key_pairs, "KeyPairs", KeyNames=[id_])
        if pair is None:
            return None
        found = from_api(fields("keyName keyPairId keyType fingerprint=KeyFingerprint"), pair)
        return {
            **found,
            "keyNamePrefix": known.get("keyNamePrefix", ""),
            "arn": call.arn("ec2", f"key-pair/{id_}"),
            "tagsAll": tags.of(pair),
        }

    def update(self, call: Call, id_: str, old: Properties, new: Properties, changed: Collection[str]) -> None:
        tags.update_ec2(call, old["keyPairId"], old, new)

    def delete(self, call: Call, id_: str, old: Properties) -> None:
        try:
            call.ec2.delete_key_pair(KeyName=id_)
        except Exception as error:
            if not is_gone(error):
                raise
