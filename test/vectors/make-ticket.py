#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""Writes ticket.json: tickets made without any of the project's code, good ones and one for each way to be bad.

For each: `token` is shown to device `device`, which holds key `key_hex` under `kid` and whose clock says `now`; it allows
`leeway_s`. `valid` and `reason` are the verdict: malformed, wrong_type, unknown_kid, bad_signature, expired, wrong_device or
missing_claim. `claims` are those of a token whose signature is good. A device decides in that order.
"""
import base64, copy, hashlib, hmac, json, os

KEY = bytes(range(32))
OTHER_KEY = bytes(range(1, 33))
KID = "8a5f4b7e-0d4c-4a57-9df0-93c8a1f5b0aa"
DEVICE = "d0d0d0d0-1111-4222-8333-444444444444"
NOW = 1790000000
LEEWAY = 5
UPLOAD = {
    "iss": "5e5e5e5e-1111-4222-8333-444444444444", "aud": DEVICE, "obj": "0b0b0b0b-1111-4222-8333-444444444444",
    "sub": "7e7e7e7e-1111-4222-8333-444444444444", "met": ["PUT", "PATCH", "HEAD", "DELETE"], "size": 67108864,
    "iat": NOW - 10, "exp": NOW + 890, "jti": "aaaaaaaa-1111-4222-8333-444444444444",
}
DOWNLOAD = dict(UPLOAD, met=["GET", "HEAD"], sha256=hashlib.sha256(b"bytes").hexdigest(), name="f\u00e9te \"1\".mp4")


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def header(**changes):
    made = {"alg": "HS256", "kid": KID, "typ": "gs-ticket"}
    made.update(changes)
    return {name: value for name, value in made.items() if value is not None}


def sign(head, body, key=KEY, digest=hashlib.sha256):
    signed = b64(head) + "." + b64(body)
    return signed + "." + b64(hmac.new(key, signed.encode(), digest).digest())


def ticket(claims=UPLOAD, head=None, key=KEY, digest=hashlib.sha256):
    return sign(compact(head or header()), compact(claims), key, digest)


def without(name):
    claims = copy.deepcopy(UPLOAD)
    del claims[name]
    return claims


vectors = []


def add(name, token, reason=None, claims=None, now=NOW):
    vectors.append({"name": name, "key_hex": KEY.hex(), "kid": KID, "device": DEVICE, "now": now, "leeway_s": LEEWAY,
                    "token": token, "valid": reason is None, "reason": reason or "ok", "claims": claims})


def flip(token, part, position=0):
    parts = token.split(".")
    raw = bytearray(base64.urlsafe_b64decode(parts[part] + "=" * (-len(parts[part]) % 4)))
    raw[position] ^= 1
    parts[part] = b64(bytes(raw))
    return ".".join(parts)


def main():
    good = ticket()
    head, body, mac = good.split(".")
    add("upload", good, claims=UPLOAD)
    add("upload with digest", ticket(dict(UPLOAD, sha256=DOWNLOAD["sha256"])), claims=dict(UPLOAD, sha256=DOWNLOAD["sha256"]))
    add("download", ticket(DOWNLOAD), claims=DOWNLOAD)
    add("empty file", ticket(dict(UPLOAD, size=0)), claims=dict(UPLOAD, size=0))
    add("largest size", ticket(dict(UPLOAD, size=2**53 - 1)), claims=dict(UPLOAD, size=2**53 - 1))
    add("with a rate", ticket(dict(UPLOAD, rate=1048576)), claims=dict(UPLOAD, rate=1048576))
    add("in its last second", good, claims=UPLOAD, now=UPLOAD["exp"])
    add("at the end of the leeway", good, claims=UPLOAD, now=UPLOAD["exp"] + LEEWAY)
    add("past the leeway", good, "expired", UPLOAD, now=UPLOAD["exp"] + LEEWAY + 1)
    add("expired long ago", ticket(dict(UPLOAD, exp=1)), "expired", dict(UPLOAD, exp=1))

    add("alg none with no signature", b64(compact(header(alg="none"))) + "." + body + ".", "malformed")
    add("alg none with a signature", ticket(head=header(alg="none")), "malformed")
    add("alg HS512", ticket(head=header(alg="HS512"), digest=hashlib.sha512), "malformed")
    add("alg in lower case", ticket(head=header(alg="hs256")), "malformed")
    add("no alg", ticket(head=header(alg=None)), "malformed")
    add("no kid", ticket(head=header(kid=None)), "malformed")
    add("kid a number", ticket(head=header(kid=7)), "malformed")
    add("no typ", ticket(head=header(typ=None)), "malformed")
    add("a further header member", ticket(head=header(crit=["exp"])), "malformed")
    add("header member twice", sign(b'{"alg":"HS256","alg":"HS256","kid":"%s","typ":"gs-ticket"}' % KID.encode(),
                                    compact(UPLOAD)), "malformed")
    add("header no object", sign(b'["HS256"]', compact(UPLOAD)), "malformed")
    add("typ session", ticket(head=header(typ="gs-session")), "wrong_type")
    add("typ JWT", ticket(head=header(typ="JWT")), "wrong_type")
    add("unknown kid", ticket(head=header(kid="ffffffff-0d4c-4a57-9df0-93c8a1f5b0aa")), "unknown_kid")
    add("empty kid", ticket(head=header(kid="")), "unknown_kid")

    add("signed with another key", ticket(key=OTHER_KEY), "bad_signature")
    add("first bit of the signature", flip(good, 2), "bad_signature")
    add("last byte of the signature", flip(good, 2, 31), "bad_signature")
    add("signature cut short", good[:-2], "bad_signature")
    add("signature too long", good + "AA", "bad_signature")
    add("no signature", head + "." + body + ".", "bad_signature")
    add("unused bits of the signature set", good[:-1] + chr(ord(good[-1]) + 1), "bad_signature")
    add("signature padded", good + "=", "bad_signature")
    add("standard alphabet", next(t.replace("-", "+").replace("_", "/") for t in
                                  (ticket(dict(UPLOAD, jti="%08d-1111-4222-8333-444444444444" % i)) for i in range(999))
                                  if set("-_") & set(t.rsplit(".")[2])), "bad_signature")
    larger = dict(UPLOAD, size=UPLOAD["size"] + 1)
    add("size raised under the old signature", head + "." + b64(compact(larger)) + "." + mac, "bad_signature")
    for name, value in (("aud", "d1d0d0d0-1111-4222-8333-444444444444"), ("obj", "0c0b0b0b-1111-4222-8333-444444444444"),
                        ("sub", "7f7e7e7e-1111-4222-8333-444444444444"), ("met", ["GET"]), ("exp", NOW + 999999),
                        ("iss", "5f5e5e5e-1111-4222-8333-444444444444")):
        add(name + " changed under the old signature", head + "." + b64(compact(dict(UPLOAD, **{name: value}))) + "." + mac,
            "bad_signature")

    add("for another device", ticket(dict(UPLOAD, aud="d1d0d0d0-1111-4222-8333-444444444444")), "wrong_device",
        dict(UPLOAD, aud="d1d0d0d0-1111-4222-8333-444444444444"))
    for name in ("iss", "aud", "obj", "sub", "met", "size", "iat", "jti"):
        add("without " + name, ticket(without(name)), "missing_claim", without(name))
    add("without exp", ticket(without("exp")), "malformed", without("exp"))
    for name, value in (("size", "67108864"), ("size", -1), ("size", 1.5), ("size", 2**53), ("met", "PUT"), ("met", []),
                        ("met", [1]), ("obj", "../../etc/passwd"), ("obj", 5), ("sha256", "abc"), ("iat", "now"),
                        ("rate", 0), ("rate", -1), ("rate", "fast"), ("rate", 2**53)):
        claims = dict(UPLOAD, **{name: value})
        add("%s is %s" % (name, json.dumps(value)), ticket(claims), "missing_claim", claims)
    add("exp is text", ticket(dict(UPLOAD, exp="never")), "malformed", dict(UPLOAD, exp="never"))

    add("empty", "", "malformed")
    add("one part", head, "malformed")
    add("two parts", head + "." + body, "malformed")
    add("four parts", good + "." + mac, "bad_signature")
    add("header no base64url", "!!!!" + "." + body + "." + mac, "malformed")
    add("claims no JSON", sign(compact(header()), b"{"), "malformed")
    add("claims no object", sign(compact(header()), b"[]"), "malformed")
    add("claim twice", sign(compact(header()), compact(UPLOAD)[:-1] + b',"size":1}'), "malformed")
    add("over 4096 bytes", ticket(dict(UPLOAD, name="x" * 4000)), "malformed")

    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ticket.json")
    with open(path, "w", encoding="utf-8") as out:
        json.dump(vectors, out, indent=1, ensure_ascii=False)
        out.write("\n")
    print(len(vectors), "vectors")


main()
